"""The minutes port for people, on SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from callcontrol.database import Database, DatabaseUnavailable
from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.minutes import (
    CallAccount,
    Cancellation,
    EntryRow,
    Gift,
    LiveCalls,
    Order,
    PlanCorrection,
    PolicyOrder,
    Refund,
    RefundRequest,
    Replay,
    Usage,
    Withdrawal,
)
from callcontrol.engine.ports.reports import LONGEST_PAGE, CallFilter, CallPage, Days, PeriodReport, Place
from callcontrol.ledger import accounts, adjustments, corrections, orders, overdraft, reports, totals
from callcontrol.ledger.audit import audit
from callcontrol.ledger.call_account import account_of
from callcontrol.ledger.call_list import list_calls
from callcontrol.ledger.period_report import report
from callcontrol.ledger.replay import replay

T = TypeVar("T")


class SqlMinutesAdministration:
    """Implements callcontrol.engine.ports.minutes.MinutesAdministration. Raises LedgerUnavailable, and for orders
    KeyReused, ValueError (a size that cannot be) and UnknownCompany."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_plan(self, order: Order) -> Period:
        return await self._write(lambda connection: orders.set_plan(connection, order), order.company_id)

    async def add_addon(self, order: Order) -> None:
        await self._write(lambda connection: orders.add_addon(connection, order), order.company_id)

    async def set_policy(self, order: PolicyOrder) -> None:
        await self._write(lambda connection: overdraft.set_policy(connection, order), order.company_id)

    async def give_courtesy(self, gift: Gift) -> None:
        await self._write(lambda connection: corrections.give_courtesy(connection, gift), gift.company_id)

    async def cancel_order(self, cancellation: Cancellation) -> Withdrawal:
        """Raises UnknownOrder, NotWithdrawable too."""
        return await self._write(
            lambda connection: corrections.cancel_order(connection, cancellation), cancellation.company_id
        )

    async def correct_plan(self, correction: PlanCorrection) -> Withdrawal:
        """Raises NotWithdrawable too."""
        return await self._write(
            lambda connection: corrections.correct_plan(connection, correction), correction.company_id
        )

    async def refund(self, request: RefundRequest) -> Refund:
        """Raises UnknownCall, NotRefundable, KeyReused too."""
        # Whose call it is, the operation finds out, and locks that company itself.
        return await self._write(lambda connection: adjustments.refund(connection, request), None)

    async def usage(self, company_id: int, at: datetime) -> Usage:
        return await self._write(lambda connection: reports.usage(connection, company_id, at), company_id)

    async def calls(
        self, company_id: int, which: CallFilter, *, after: Place | None = None, limit: int = 100
    ) -> CallPage:
        most = min(limit, LONGEST_PAGE)
        return await self._read(lambda connection: list_calls(connection, company_id, which, after, most))

    async def report(self, company_id: int, days: Days, *, by_user: bool = False) -> PeriodReport:
        return await self._read(lambda connection: report(connection, company_id, days, by_user=by_user))

    async def count_calls(self, company_id: int | None = None) -> int:
        companies = [company_id] if company_id is not None else await self._read(totals.companies_to_count)
        days = 0
        for company in companies:
            # One day in each transaction: calls wait no longer than that.
            while await self._write(partial(totals.count_one_day, company_id=company), company):
                days += 1
        return days

    async def entries(self, company_id: int, *, call_id: str | None = None) -> list[EntryRow]:
        try:
            async with self._database.reading() as connection:
                return await reports.list_entries(connection, company_id, call_id)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def audit(self, at: datetime, *, company_id: int | None = None, live: LiveCalls | None = None) -> list[str]:
        try:
            return await self._database.examine(lambda connection: audit(connection, at, company_id, live))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def replay(self, company_id: int) -> Replay:
        try:
            return await self._database.examine(lambda connection: replay(connection, company_id))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def account_of(self, call_id: str) -> CallAccount:
        try:
            return await self._database.examine(lambda connection: account_of(connection, call_id))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            async with self._database.reading() as connection:
                return await connection.run_sync(query)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def _write(self, operation: Callable[[Connection], T], company_id: int | None) -> T:
        try:
            return await self._database.writer.submit(operation, accounts.group(company_id), repeatable=True)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error
