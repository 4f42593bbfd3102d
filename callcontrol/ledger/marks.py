"""A node's sign of life: when, with which clock, and what its calls know of that clock (D6, D10)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, text, update

from callcontrol.database import UtcDateTime
from callcontrol.engine.ports.ledger import NodeMark
from callcontrol.ledger.tables import calls, nodes

_STORE = text(
    "INSERT INTO nodes (node, alive_at, asterisk_started_at, boot_id, clock_offset_s)"
    " VALUES (:node, :alive_at, :asterisk_started_at, :boot_id, :clock_offset_s)"
    " ON CONFLICT (node) DO UPDATE SET alive_at = excluded.alive_at,"
    " boot_id = excluded.boot_id, clock_offset_s = excluded.clock_offset_s,"
    " asterisk_started_at = coalesce(excluded.asterisk_started_at, nodes.asterisk_started_at)"
).bindparams(bindparam("alive_at", type_=UtcDateTime), bindparam("asterisk_started_at", type_=UtcDateTime))
_STEP = (
    update(calls)
    .where(calls.c.call_id == bindparam("call"), calls.c.disposition.is_(None))
    .values(clock_step_s=bindparam("step_s"))
)
LAST_MARK = select(nodes).where(nodes.c.node == bindparam("node"))


def store(connection: Connection, node: str, mark: NodeMark) -> None:
    """The offset and the steps up to it in one transaction: a crash finds both or neither, and counts none twice."""
    connection.execute(
        _STORE,
        {
            "node": node,
            "alive_at": mark.alive_at,
            "asterisk_started_at": mark.asterisk_started_at,
            "boot_id": mark.boot_id,
            "clock_offset_s": mark.clock_offset_s,
        },
    )
    for call_id, step_s in mark.clock_steps.items():
        connection.execute(_STEP, {"call": call_id, "step_s": step_s})
