"""The node's sign of life in the database: until when its open calls were certainly seen (D6)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from callcontrol.engine.engine import Engine
from callcontrol.engine.ports.ledger import LedgerUnavailable

log = structlog.get_logger(__name__)

MARK_INTERVAL_S = 5.0


async def keep_marking(engine: Engine, interval_s: float = MARK_INTERVAL_S) -> None:
    """Until cancelled; at once when the clock was set, whose steps a crash must not take from the calls (D10), and
    after a reconciliation. Only while connected: a mark says "I saw Asterisk", not "I live"."""
    world = engine.world
    while True:
        engine.mark_due.clear()
        if engine.reconciled:
            try:
                await world.ledger.mark_alive(world.node, engine.mark())
            except LedgerUnavailable as error:
                log.warning("heartbeat.ledger_unavailable", error=repr(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.mark_due.wait(), interval_s)
