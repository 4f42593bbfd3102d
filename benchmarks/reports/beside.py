"""How long calls wait for their minute while the books are audited: in a thread beside them, and in a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any

from benchmarks.ledger.calls import BenchmarkCall
from benchmarks.ledger.load import authorisations
from callcontrol.database import Database
from callcontrol.engine.ports.auditing import Auditor
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.ledger.audit_process import AuditProcess
from callcontrol.ledger.ledger import SqlLedger

RATE = 50
"""Authorisations a second, evenly spaced."""
WINDOW_S = 8
_SETTLED_S = 2
"""From the audit's start: its process has been started."""


async def authorise_beside_the_audit(database: Database, url: str, company_id: int, turns: int) -> dict[str, Any]:
    """Milliseconds that an authorisation takes from the instant it is due: medians over the turns of p50 and p99."""
    ways: dict[str, Callable[[], Auditor] | None] = {
        "no audit": None,
        "audit in a process": lambda: AuditProcess(url),
        "audit in a thread": lambda: SqlMinutesAdministration(database),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    ledger = SqlLedger(database)
    for turn in range(turns):
        for way, auditor in ways.items():
            name = f"{way}-{turn}-{datetime.now(UTC).timestamp()}"
            calls = (BenchmarkCall(f"{name}-{number}", company_id) for number in range(RATE * WINDOW_S))
            audit = None if auditor is None else asyncio.create_task(auditor().audit(datetime.now(UTC)))
            await asyncio.sleep(_SETTLED_S)
            waited = await authorisations(ledger, RATE, RATE * WINDOW_S, calls)
            p50, p99 = median(waited), quantiles(waited, n=100)[98]
            found[way].append((p50, p99))
            print(f"{way}: p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
            if audit is not None:
                assert not audit.done(), f"the {way} was over too soon: fill a larger database"
                if way == "audit in a process":
                    audit.cancel()
                with suppress(asyncio.CancelledError):
                    await audit
    return {f"authorise, {way}": _medians(each) for way, each in found.items()}


def _medians(turns: list[tuple[float, float]]) -> dict[str, float]:
    return {"p50": median(p50 for p50, _ in turns), "p99": median(p99 for _, p99 in turns)}
