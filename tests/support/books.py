"""A ledger on a real database, and calls told in few words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert

from callcontrol.database import Database, Limits, open_database
from callcontrol.directory.tables import companies
from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.ports.ledger import CallClosing, CallOpening, Cdr, Hold
from callcontrol.engine.ports.minutes import Gift, Order, PolicyOrder
from callcontrol.engine.ports.reports import LONGEST_PAGE, CallFilter, CallRow
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.ledger.audit import audit
from callcontrol.ledger.ledger import SqlLedger
from tests.support.databases import new_sqlite, sqlite_url

COMPANY = 1
NODE = "node-a"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
"""An instant in the middle of a month, in every zone."""


def add_company(connection: Connection, company_id: int = COMPANY, time_zone: str = "America/Sao_Paulo") -> None:
    connection.execute(
        insert(companies).values(
            id=company_id,
            slug=f"company-{company_id}",
            name=f"Company {company_id}",
            time_zone=time_zone,
            area_code="11",
            blocked=False,
            max_call_minutes=180,
            bill_inbound=False,
            auto_answer=False,
            recording=False,
            created_at=NOON,
        )
    )


def opening(
    call_id: str, at: datetime = NOON, *, company_id: int | None = COMPANY, billable: bool = True
) -> CallOpening:
    terms = CallTerms(
        company_id=company_id,
        agent_id=7,
        user_id=None,
        direction="outbound",
        number="+5511999990000",
        dial_string="PJSIP/+5511999990000@carrier",
        trunk="carrier",
        caller_id="+551130000000",
        billable=billable,
        max_call_s=10_800,
        time_zone="America/Sao_Paulo",
    )
    return CallOpening(
        call_id=call_id,
        node=NODE,
        sip_username="1001",
        dialled="999990000",
        agent_channel=f"agent-of-{call_id}",
        customer_channel=f"cc-{call_id}-customer",
        started_at=at,
        terms=terms,
    )


def closing(
    call_id: str,
    ended_at: datetime,
    *,
    started_at: datetime = NOON,
    answered_at: datetime | None = None,
    cut: bool = False,
    company_id: int | None = COMPANY,
    billable: bool = True,
    reason: Reason | None = None,
    disposition: Disposition | None = None,
) -> CallClosing:
    """Answered and hung up by the customer, or not answered; or as told."""
    usual = (
        (Disposition.ANSWERED, Reason.CUSTOMER_HUNG_UP) if answered_at else (Disposition.NO_ANSWER, Reason.NO_ANSWER)
    )
    return CallClosing(
        call_id=call_id,
        node=NODE,
        sip_username="1001",
        dialled="999990000",
        agent_channel=f"agent-of-{call_id}",
        customer_channel=f"cc-{call_id}-customer",
        started_at=started_at,
        company_id=company_id,
        agent_id=7,
        user_id=None,
        direction="outbound",
        number="+5511999990000",
        rang_at=None,
        answered_at=answered_at,
        ended_at=ended_at,
        disposition=disposition or usual[0],
        reason=Reason.POOL_EXHAUSTED if cut else reason or usual[1],
        q850=16,
        sip_code=None,
        cut_for_exhaustion=cut,
        estimated=False,
        billable=billable,
    )


@dataclass
class Books:
    """The ledger of one installation, with the instants of a scenario counted from its start."""

    database: Database
    ledger: SqlLedger
    minutes: SqlMinutesAdministration
    start: datetime = NOON

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    async def plan(self, minutes: int, order_id: str = "plan-1", at: datetime | None = None) -> None:
        await self.minutes.set_plan(Order(COMPANY, minutes, order_id, at or self.start))

    async def addon(self, minutes: int, order_id: str = "addon-1", at: datetime | None = None) -> None:
        await self.minutes.add_addon(Order(COMPANY, minutes, order_id, at or self.start))

    async def policy(self, limit: int, order_id: str = "policy-1", at: datetime | None = None) -> None:
        await self.minutes.set_policy(PolicyOrder(COMPANY, limit, order_id, "operator", at or self.start))

    async def gift(self, minutes: int, order_id: str = "gift-1", at: datetime | None = None) -> None:
        await self.minutes.give_courtesy(Gift(COMPANY, minutes, order_id, "goodwill", "operator", at or self.start))

    async def dial(self, call_id: str, seconds: float = 0) -> Hold | None:
        return await self.ledger.authorise(opening(call_id, self.at(seconds)))

    async def answer(self, call_id: str, seconds: float = 0) -> None:
        await self.ledger.record_answer(call_id, self.at(seconds), company_id=COMPANY)

    async def extend(self, call_id: str, until_minute: int, seconds: float = 0) -> Hold | None:
        return await self.ledger.extend(call_id, until_minute, self.at(seconds), company_id=COMPANY)

    async def hang_up(self, call_id: str, answered: float | None, ended: float, *, cut: bool = False) -> Cdr:
        """Close the call: answered and ended so many seconds after the start; answered None: it was not."""
        answered_at = None if answered is None else self.at(answered)
        return await self.ledger.close(
            closing(call_id, self.at(ended), started_at=self.start, answered_at=answered_at, cut=cut)
        )

    async def calls(self, which: CallFilter | None = None, *, limit: int = LONGEST_PAGE) -> list[CallRow]:
        """The first page of the call list, newest first."""
        page = await self.minutes.calls(COMPANY, which or CallFilter(), limit=limit)
        return [listed.call for listed in page.calls]

    async def findings(self) -> list[str]:
        return await self.database.writer.submit(audit)


@asynccontextmanager
async def open_books(
    place: Path | str, *, start: datetime = NOON, limits: Limits | None = None
) -> AsyncIterator[Books]:
    """`place`: the URL of a database with company 1, or a folder for one on SQLite, made at the first opening."""
    if isinstance(place, Path):
        if not (place / "callcontrol.db").exists():
            new_sqlite(place, add_company)
        place = sqlite_url(place)
    async with open_database(place, limits) as database:
        yield Books(database, SqlLedger(database), SqlMinutesAdministration(database), start)
