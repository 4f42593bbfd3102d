"""The minutes port for people, on SQL."""

from __future__ import annotations

from datetime import date, datetime

from callcontrol.database import Database, DatabaseUnavailable
from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.minutes import (
    CallAccount,
    CallRow,
    EntryRow,
    LiveCalls,
    Order,
    Refund,
    RefundRequest,
    Replay,
    Usage,
)
from callcontrol.ledger import adjustments, orders, reports
from callcontrol.ledger.audit import audit
from callcontrol.ledger.call_account import account_of
from callcontrol.ledger.replay import replay


class SqlMinutesAdministration:
    """Implements callcontrol.engine.ports.minutes.MinutesAdministration. Raises LedgerUnavailable, and for orders
    KeyReused, ValueError (a size that cannot be) and UnknownCompany."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_plan(self, order: Order) -> Period:
        try:
            return await self._database.writer.submit(lambda connection: orders.set_plan(connection, order))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def add_addon(self, order: Order) -> None:
        try:
            await self._database.writer.submit(lambda connection: orders.add_addon(connection, order))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def refund(self, request: RefundRequest) -> Refund:
        """Raises UnknownCall, NotRefundable, KeyReused too."""
        try:
            return await self._database.writer.submit(lambda connection: adjustments.refund(connection, request))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def usage(self, company_id: int, at: datetime) -> Usage:
        try:
            return await self._database.writer.submit(lambda connection: reports.usage(connection, company_id, at))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    async def calls(
        self,
        company_id: int,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        limit: int = 100,
    ) -> list[CallRow]:
        try:
            async with self._database.reading() as connection:
                return await reports.list_calls(connection, company_id, first_day, last_day, limit)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

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
