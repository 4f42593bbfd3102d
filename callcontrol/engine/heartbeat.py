"""The node's sign of life in the database: until when its open calls were certainly seen (D6)."""

from __future__ import annotations

import asyncio

import structlog

from callcontrol.engine.engine import Engine
from callcontrol.engine.ports.ledger import LedgerUnavailable, NodeMark

log = structlog.get_logger(__name__)

MARK_INTERVAL_S = 5.0


async def keep_marking(engine: Engine, interval_s: float = MARK_INTERVAL_S) -> None:
    """Until cancelled. Only while connected: a mark says "I saw Asterisk", not "I live"."""
    world = engine.world
    while True:
        if engine.reconciled:
            try:
                await world.ledger.mark_alive(world.node, NodeMark(world.clock.now(), engine.asterisk_started_at))
            except LedgerUnavailable as error:
                log.warning("heartbeat.ledger_unavailable", error=repr(error))
        await asyncio.sleep(interval_s)
