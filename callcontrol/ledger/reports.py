"""What a company sees: usage, call list, entries (R1, R5, R8-R10, D15). Reads only, but for usage's renewal."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, and_, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period, Seconds
from callcontrol.engine.ports.minutes import CallRow, EntryRow, Usage
from callcontrol.ledger import accounts
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.tables import calls, entries, grants


def _sum(amount: Any, *conditions: Any) -> Any:
    return func.coalesce(func.sum(case((and_(*conditions), amount), else_=0)), 0)


_MONTHLY = and_(grants.c.kind == GrantKind.MONTHLY.value, grants.c.period == bindparam("month"))
_ADDON = grants.c.kind == GrantKind.ADDON.value
USAGE = select(
    _sum(grants.c.granted, _MONTHLY).label("monthly_granted"),
    _sum(grants.c.posted, _MONTHLY).label("monthly_posted"),
    _sum(grants.c.granted, _ADDON, grants.c.period == bindparam("month")).label("addon_contracted_in_month"),
    _sum(grants.c.granted - grants.c.posted, _ADDON).label("addon_balance"),
    _sum(grants.c.granted - grants.c.posted, grants.c.kind == GrantKind.COURTESY.value).label("courtesy_balance"),
    _sum(grants.c.posted - grants.c.repaid, grants.c.kind == GrantKind.OVERDRAFT.value).label("overdraft"),
).where(grants.c.company_id == bindparam("company"))
_TIME_ZONE = select(companies.c.time_zone).where(companies.c.id == bindparam("company"))
_ENTRIES = (
    select(entries, grants.c.kind.label("grant_kind"), grants.c.period)
    .join_from(entries, grants, grants.c.id == entries.c.grant_id)
    .where(entries.c.company_id == bindparam("company"))
    .order_by(entries.c.seq)
)
CALL_ENTRIES = _ENTRIES.where(entries.c.call_id == bindparam("call"))


def usage(connection: Connection, company_id: int, at: datetime) -> Usage:
    """The figures of the month of `at`. Its monthly grant is made here if nobody has called yet (R3)."""
    account = accounts.lock(connection, company_id)
    accounts.renew(connection, account, at)
    accounts.save(connection, account)
    month = account.period_of(at)
    row = connection.execute(USAGE, {"company": company_id, "month": str(month)}).one()
    return Usage(
        period=month,
        monthly_granted=Minutes(row.monthly_granted),
        monthly_posted=Minutes(row.monthly_posted),
        addon_contracted_in_month=Minutes(row.addon_contracted_in_month),
        addon_balance=Minutes(row.addon_balance),
        courtesy_balance=Minutes(row.courtesy_balance),
        overdraft=Minutes(row.overdraft),
        overdraft_limit=Minutes(account.overdraft_limit),
        held=Minutes(account.held),
        renews_at=month.ends_at(account.zone),
    )


async def list_calls(
    connection: AsyncConnection, company_id: int, first_day: date | None, last_day: date | None, limit: int
) -> list[CallRow]:
    """Newest first, by the instant a call is listed by; days are the company's (R9)."""
    name = (await connection.execute(_TIME_ZONE, {"company": company_id})).scalar_one_or_none()
    if name is None:
        return []
    zone = ZoneInfo(name)
    listed: Select[Any] = select(calls).where(calls.c.company_id == company_id)
    if first_day is not None:
        listed = listed.where(calls.c.listed_at >= _day_starts_at(first_day, zone))
    if last_day is not None:
        listed = listed.where(calls.c.listed_at < _day_starts_at(last_day + timedelta(days=1), zone))
    listed = listed.order_by(calls.c.listed_at.desc(), calls.c.call_id.desc()).limit(limit)
    return [call_row(row) for row in await connection.execute(listed)]


async def list_entries(connection: AsyncConnection, company_id: int, call_id: str | None) -> list[EntryRow]:
    if call_id is None:
        rows = await connection.execute(_ENTRIES, {"company": company_id})
    else:
        rows = await connection.execute(CALL_ENTRIES, {"company": company_id, "call": call_id})
    return [entry_row(row) for row in rows]


def entry_row(row: Any) -> EntryRow:
    """Of a row of CALL_ENTRIES."""
    return EntryRow(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        minutes=row.minutes,
        grant_kind=row.grant_kind,
        grant_period=Period.parse(row.period) if row.grant_kind == GrantKind.MONTHLY else None,
        call_id=row.call_id,
        reference=row.operation_key,
        mirrors=row.mirrors,
    )


def _day_starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day: like Period.starts_at, the earlier of two midnights, the end of a gap."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def call_row(row: Any) -> CallRow:
    """Of a row of `calls`."""
    return CallRow(
        call_id=row.call_id,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        direction=row.direction,
        agent_id=row.agent_id,
        dialled=row.dialled,
        number=row.number,
        disposition=Disposition(row.disposition) if row.disposition else None,
        reason=Reason(row.reason) if row.reason else None,
        q850=row.q850,
        sip_code=row.sip_code,
        billsec=Seconds(row.billsec),
        billed_minutes=Minutes(row.billed_minutes),
        estimated=row.estimated,
        refunded_minutes=Minutes(row.refunded_minutes),
    )
