"""What a company sees of its minutes: usage and entries (R1, R5, D15). Reads only, but for usage's renewal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period, Seconds
from callcontrol.domain.plans import plan_for
from callcontrol.engine.ports.minutes import EntryRow, Usage
from callcontrol.engine.ports.reports import CallRow
from callcontrol.ledger import accounts
from callcontrol.ledger.tables import adjustments, entries, grants


def _sum(amount: Any, *conditions: Any) -> Any:
    return func.coalesce(func.sum(case((and_(*conditions), amount), else_=0)), 0)


_MONTHLY = and_(grants.c.kind == GrantKind.MONTHLY.value, grants.c.period == bindparam("month"))
_ADDON = grants.c.kind == GrantKind.ADDON.value
USAGE = select(
    _sum(grants.c.granted, _MONTHLY).label("monthly_granted"),
    _sum(grants.c.posted, _MONTHLY).label("monthly_posted"),
    _sum(grants.c.granted, _ADDON, grants.c.period == bindparam("month")).label("addon_contracted_in_month"),
    _sum(grants.c.posted, _ADDON).label("addon_posted"),
    _sum(grants.c.granted - grants.c.posted, _ADDON).label("addon_balance"),
    _sum(grants.c.granted - grants.c.posted, grants.c.kind == GrantKind.COURTESY.value).label("courtesy_balance"),
    _sum(grants.c.posted - grants.c.repaid, grants.c.kind == GrantKind.OVERDRAFT.value).label("overdraft"),
).where(grants.c.company_id == bindparam("company"))
_ENTRIES = (
    select(entries, grants.c.kind.label("grant_kind"), grants.c.period, adjustments.c.reason)
    .join_from(entries, grants, grants.c.id == entries.c.grant_id)
    .outerjoin(adjustments, adjustments.c.operation_key == entries.c.operation_key)
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
    next_pool = plan_for(accounts.plan_history(connection, company_id), month.next())
    row = connection.execute(USAGE, {"company": company_id, "month": str(month)}).one()
    return Usage(
        period=month,
        monthly_granted=Minutes(row.monthly_granted),
        monthly_posted=Minutes(row.monthly_posted),
        addon_contracted_in_month=Minutes(row.addon_contracted_in_month),
        addon_posted=Minutes(row.addon_posted),
        addon_balance=Minutes(row.addon_balance),
        courtesy_balance=Minutes(row.courtesy_balance),
        overdraft=Minutes(row.overdraft),
        overdraft_limit=Minutes(account.overdraft_limit),
        held=Minutes(account.held),
        next_pool=next_pool.minutes if next_pool else Minutes(0),
        renews_at=month.ends_at(account.zone),
    )


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
        reason=row.reason,
    )


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
        clock_step_s=row.clock_step_s,
    )
