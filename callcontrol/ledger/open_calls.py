"""Calls without a CDR, as recovery takes them up."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import bindparam, func, literal, select

from callcontrol.domain.admission import CallTerms
from callcontrol.engine.ports.ledger import CallOpening, Hold, OpenCall
from callcontrol.ledger.tables import calls, holds, legs, operations

_HELD = (
    select(func.coalesce(func.sum(holds.c.minutes), 0))
    .where(holds.c.leg_id == legs.c.leg_id)
    .scalar_subquery()
    .label("held")
)
_LAST_HOLD = (
    # The keys of a leg's holds differ in their minute alone: the longest and then the greatest is the latest.
    select(operations.c.result)
    .where(operations.c.key.like(literal("hold:").concat(legs.c.leg_id).concat(":%")))
    .order_by(func.length(operations.c.key).desc(), operations.c.key.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_hold")
)
OPEN_CALLS = (
    select(calls, legs.c.channel, _HELD, _LAST_HOLD)
    .join_from(calls, legs, legs.c.call_id == calls.c.call_id)
    .where(calls.c.node == bindparam("node"), calls.c.disposition.is_(None))
    .order_by(calls.c.started_at)
)


def open_call(row: Any) -> OpenCall:
    """`last` as it was when a minute was last held: then Asterisk's own limit has no grace, and that a call ended there
    says why. Whether more could be held now is known when more is asked for."""
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
    last = row.last_hold is not None and bool(json.loads(row.last_hold)["last"])
    return OpenCall(opening, Hold(row.held, last), row.answered_at, row.clock_step_s)
