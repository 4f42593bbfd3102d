"""The hourly audit of the books (I1-I12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from callcontrol.engine.engine import Engine
from callcontrol.engine.ports.auditing import AuditFailed, Auditor
from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.minutes import LiveCalls

log = structlog.get_logger(__name__)

AUDIT_INTERVAL_S = 3600.0


class AuditObserver(Protocol):
    """Told after each audit."""

    def audited(self, findings: int, at: datetime, took_s: float) -> None: ...


def live_calls(engine: Engine) -> LiveCalls | None:
    """What the engine has in its hands; None while it has not yet found out what Asterisk has."""
    if not engine.reconciled:
        return None
    calls = frozenset(call.call_id for call in engine.calls)
    return LiveCalls(engine.world.node, calls, engine.world.clock.now())


async def keep_auditing(
    auditor: Auditor,
    observer: AuditObserver,
    *,
    live: Callable[[], LiveCalls | None],
    now: Callable[[], datetime],
    interval_s: float = AUDIT_INTERVAL_S,
) -> None:
    """Until cancelled: at the start, then `interval_s` after each end."""
    while True:
        await _audit_once(auditor, observer, live, now)
        await asyncio.sleep(interval_s)


async def _audit_once(
    auditor: Auditor, observer: AuditObserver, live: Callable[[], LiveCalls | None], now: Callable[[], datetime]
) -> None:
    seconds = asyncio.get_running_loop().time
    began_s = seconds()
    try:
        findings = await auditor.audit(now(), live=live())
    except LedgerUnavailable as error:
        log.warning("audit.ledger_unavailable", error=repr(error))
    except AuditFailed as error:
        # Books that cannot even be read are no reason to end calls: the age of the last audit tells.
        log.error("audit.failed", reason=str(error))
    except Exception:
        log.exception("audit.failed")
    else:
        took_s = seconds() - began_s
        for finding in findings:
            log.error("audit.finding", finding=finding)
            # Thousands of lines, and calls between them.
            await asyncio.sleep(0)
        observer.audited(len(findings), now(), took_s)
