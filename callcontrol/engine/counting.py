"""Calls that reports have not counted yet: after a migration, or since a company has moved to another time zone."""

from __future__ import annotations

import asyncio

import structlog

from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.reports import Reports

log = structlog.get_logger(__name__)

COUNTING_INTERVAL_S = 600.0


async def keep_counting(reports: Reports, *, interval_s: float = COUNTING_INTERVAL_S) -> None:
    """Until cancelled: at the start, then every `interval_s`."""
    while True:
        try:
            days = await reports.count_calls()
        except LedgerUnavailable as error:
            log.warning("counting.ledger_unavailable", error=repr(error))
        except Exception:
            # Reports are right without it, only slower: no reason to end calls.
            log.exception("counting.failed")
        else:
            if days:
                log.info("counting.counted", days=days)
        await asyncio.sleep(interval_s)
