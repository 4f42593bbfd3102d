"""Rows of calls and legs: stored when they are authorised, or at the latest when they are closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from callcontrol.database import UtcDateTime
from callcontrol.engine.ports.ledger import CallClosing, CallOpening
from callcontrol.ledger.keys import customer_leg
from callcontrol.ledger.tables import calls, legs

_CALL_COLUMNS = [
    "call_id",
    "company_id",
    "agent_id",
    "user_id",
    "node",
    "sip_username",
    "agent_channel",
    "direction",
    "dialled",
    "number",
    "dial_string",
    "trunk",
    "caller_id",
    "billable",
    "max_call_s",
    "time_zone",
    "started_at",
    "listed_at",
]
# A call that is there already stays as it is: the rowcount tells.
_INSERT_CALL = text(
    f"INSERT INTO calls ({', '.join(_CALL_COLUMNS)}, billsec, billed_minutes, estimated)"
    f" VALUES ({', '.join(':' + name for name in _CALL_COLUMNS)}, 0, 0, false) ON CONFLICT (call_id) DO NOTHING"
).bindparams(bindparam("started_at", type_=UtcDateTime), bindparam("listed_at", type_=UtcDateTime))
_INSERT_LEG = insert(legs)
_ANSWER_LEG = (
    update(legs)
    .where(legs.c.leg_id == bindparam("leg"), legs.c.answered_at.is_(None), legs.c.outcome.is_(None))
    .values(answered_at=bindparam("at", type_=UtcDateTime))
)
_ANSWER_CALL = (
    update(calls)
    .where(calls.c.call_id == bindparam("call"), calls.c.answered_at.is_(None), calls.c.disposition.is_(None))
    .values(answered_at=bindparam("at", type_=UtcDateTime), listed_at=bindparam("at", type_=UtcDateTime))
)
_FIND = (
    select(
        calls.c.company_id,
        calls.c.user_id,
        calls.c.agent_id,
        calls.c.direction,
        calls.c.billable,
        calls.c.started_at,
        legs.c.answered_at,
        legs.c.outcome,
    )
    .join_from(calls, legs, legs.c.call_id == calls.c.call_id)
    .where(legs.c.leg_id == bindparam("leg"))
)


def insert_opening(connection: Connection, opening: CallOpening) -> bool:
    """Store a call about to be dialled, with its called party's leg. False: a call of this id is there already."""
    terms = opening.terms
    return _insert(
        connection,
        opening.customer_channel,
        {
            "call_id": opening.call_id,
            "company_id": terms.company_id,
            "agent_id": terms.agent_id,
            "user_id": terms.user_id,
            "node": opening.node,
            "sip_username": opening.sip_username,
            "agent_channel": opening.agent_channel,
            "direction": terms.direction,
            "dialled": opening.dialled,
            "number": terms.number,
            "dial_string": terms.dial_string,
            "trunk": terms.trunk,
            "caller_id": terms.caller_id,
            "billable": terms.billable and terms.company_id is not None,
            "max_call_s": terms.max_call_s,
            "time_zone": terms.time_zone,
            "started_at": opening.started_at,
            "listed_at": opening.started_at,
        },
    )


def insert_closing(connection: Connection, closing: CallClosing) -> None:
    """Store a call that was never authorised: refused, or the ledger was away. No effect on one that is there."""
    _insert(
        connection,
        closing.customer_channel,
        {
            "call_id": closing.call_id,
            "company_id": closing.company_id,
            "agent_id": closing.agent_id,
            "user_id": closing.user_id,
            "node": closing.node,
            "sip_username": closing.sip_username,
            "agent_channel": closing.agent_channel,
            "direction": closing.direction,
            "dialled": closing.dialled,
            "number": closing.number,
            "dial_string": None,
            "trunk": None,
            "caller_id": None,
            "billable": closing.billable and closing.direction == "outbound" and closing.company_id is not None,
            "max_call_s": None,
            "time_zone": None,
            "started_at": closing.started_at,
            "listed_at": closing.started_at,
        },
    )


def find_leg(connection: Connection, leg_id: str) -> Any | None:
    """A leg's answered_at and outcome, its call's company_id, user_id, agent_id, direction, billable and started_at.
    None where it was never stored."""
    return connection.execute(_FIND, {"leg": leg_id}).one_or_none()


def record_answer(connection: Connection, call_id: str, answered_at: datetime) -> None:
    """The first answer stays; an answer of a call that is closed or unknown has no effect (D7)."""
    connection.execute(_ANSWER_LEG, {"leg": customer_leg(call_id), "at": answered_at})
    connection.execute(_ANSWER_CALL, {"call": call_id, "at": answered_at})


def _insert(connection: Connection, customer_channel: str, values: dict[str, Any]) -> bool:
    if connection.execute(_INSERT_CALL, values).rowcount != 1:
        return False
    call_id = values["call_id"]
    connection.execute(
        _INSERT_LEG,
        {
            "leg_id": customer_leg(call_id),
            "call_id": call_id,
            "channel": customer_channel,
            "billsec": 0,
            "billed_minutes": 0,
        },
    )
    return True
