"""What the ledger knows of one call: its bill, its holds, its lines and its refunds."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select

from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.minutes import CallAccount, HoldStep, RefundNote, UnknownCall
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.keys import customer_leg
from callcontrol.ledger.reports import CALL_ENTRIES, call_row, entry_row
from callcontrol.ledger.tables import adjustments, calls, hold_trail, legs

_CALL = (
    select(calls, companies.c.time_zone.label("zone"), legs.c.period)
    .join_from(calls, legs, legs.c.call_id == calls.c.call_id)
    .outerjoin(companies, companies.c.id == calls.c.company_id)
    .where(calls.c.call_id == bindparam("call"), legs.c.leg_id == bindparam("leg"))
)
# A claim that moves to another month is released and placed again by one operation: what it added is what counts.
_HOLDS = (
    select(func.min(hold_trail.c.at).label("at"), func.sum(hold_trail.c.minutes).label("minutes"))
    .where(hold_trail.c.leg_id == bindparam("leg"))
    .group_by(hold_trail.c.operation_key)
    .having(func.sum(hold_trail.c.minutes) > 0)
    .order_by(func.min(hold_trail.c.id))
)
_REFUNDS = (
    select(adjustments.c.at, adjustments.c.minutes, adjustments.c.reason, adjustments.c.operation_key)
    .where(adjustments.c.call_id == bindparam("call"))
    .order_by(adjustments.c.at, adjustments.c.operation_key)
)


def account_of(connection: Connection, call_id: str) -> CallAccount:
    """Raises UnknownCall."""
    leg_id = customer_leg(call_id)
    row = connection.execute(_CALL, {"call": call_id, "leg": leg_id}).one_or_none()
    if row is None:
        raise UnknownCall(f"there is no call {call_id!r}")
    entries = connection.execute(CALL_ENTRIES, {"company": row.company_id, "call": call_id})
    refunds = connection.execute(_REFUNDS, {"call": call_id})
    return CallAccount(
        call=call_row(row),
        time_zone=row.zone or "UTC",
        billable=row.billable,
        belongs_to=None if row.period is None else Period.parse(row.period),
        holds=tuple(HoldStep(step.at, step.minutes) for step in connection.execute(_HOLDS, {"leg": leg_id})),
        entries=tuple(entry_row(entry) for entry in entries),
        refunds=tuple(
            RefundNote(note.at, note.minutes, note.reason, note.operation_key.removeprefix("adjust:"))
            for note in refunds
        ),
    )
