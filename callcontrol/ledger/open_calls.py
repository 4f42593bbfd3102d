"""Calls without a CDR, as recovery takes them up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select

from callcontrol.domain.admission import CallTerms
from callcontrol.engine.ports.ledger import CallOpening, Hold, OpenCall
from callcontrol.ledger.tables import calls, holds, legs

_HELD = (
    select(func.coalesce(func.sum(holds.c.minutes), 0))
    .where(holds.c.leg_id == legs.c.leg_id)
    .scalar_subquery()
    .label("held")
)
OPEN_CALLS = (
    select(calls, legs.c.channel, _HELD)
    .join_from(calls, legs, legs.c.call_id == calls.c.call_id)
    .where(calls.c.node == bindparam("node"), calls.c.disposition.is_(None))
    .order_by(calls.c.started_at)
)


def open_call(row: Any) -> OpenCall:
    """`last` is false: whether more could be held now is known when more is asked for."""
    terms = CallTerms(
        company_id=row.company_id,
        agent_id=row.agent_id,
        user_id=row.user_id,
        direction=row.direction,
        number=row.number,
        dial_string=row.dial_string,
        trunk=row.trunk,
        caller_id=row.caller_id,
        billable=row.billable,
        max_call_s=row.max_call_s,
        time_zone=row.time_zone,
    )
    opening = CallOpening(
        call_id=row.call_id,
        node=row.node,
        sip_username=row.sip_username,
        dialled=row.dialled,
        agent_channel=row.agent_channel,
        customer_channel=row.channel,
        started_at=row.started_at,
        terms=terms,
    )
    return OpenCall(opening, Hold(row.held, last=False), row.answered_at)
