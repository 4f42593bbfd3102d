"""`python -m benchmarks.reports`: two companies in one database, one with a hundred times the calls of the other."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import msgspec
from sqlalchemy import select

from benchmarks.reports.beside import authorise_beside_the_audit
from benchmarks.reports.month import BEGAN_AT, DAYS, FIRST_DAY, POOL_MINUTES, add_company, fill
from callcontrol.database import open_database, upgrade
from callcontrol.database.engines import write_engine
from callcontrol.directory.tables import companies
from callcontrol.domain.days import ONE_DAY
from callcontrol.domain.status import CallStatus
from callcontrol.engine.ports.minutes import Order
from callcontrol.engine.ports.reports import CallFilter, Days, Place
from callcontrol.ledger.administration import SqlMinutesAdministration

SMALL, LARGE = 1, 2
_MONTH = Days(FIRST_DAY, FIRST_DAY + ONE_DAY * (DAYS - 1))
_WEEK = Days(FIRST_DAY, FIRST_DAY + ONE_DAY * 6)

Ask = Callable[[SqlMinutesAdministration, int], Awaitable[Any]]


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__)
    add = parser.add_argument
    add("--calls", type=int, nargs=2, default=[10_000, 1_000_000], help="calls in the month (default 10000 1000000)")
    add("--agents", type=int, nargs=2, default=[50, 50], help="agents who made them (default 50 50)")
    add("--rounds", type=int, default=51, help="times each is asked, in turns (default 51)")
    add("--url", help="a database that is empty, or was filled by this before; a new SQLite file by default")
    add("--audit", action="store_true", help="how long the audit takes, too")
    add("--beside", type=int, default=0, metavar="TURNS", help="how long calls wait during an audit, so many turns")
    add("--json", type=Path, help="write everything measured to this file")
    return parser.parse_args(words)


def _questions(deep: dict[int, Place]) -> dict[str, Ask]:
    """What is asked, of whom. `deep`: a place in the middle of each company's list."""

    def page(which: CallFilter, after: bool = False) -> Ask:
        return lambda ledger, company: ledger.calls(company, which, after=deep[company] if after else None, limit=50)

    return {
        "totals of the month": lambda ledger, company: ledger.report(company, _MONTH),
        "totals of a week": lambda ledger, company: ledger.report(company, _WEEK),
        "by user": lambda ledger, company: ledger.report(company, _MONTH, by_user=True),
        "first page": page(CallFilter(days=_MONTH)),
        "deep page": page(CallFilter(days=_MONTH), after=True),
        "page of one status": page(CallFilter(days=_MONTH, statuses=frozenset({CallStatus.BUSY}))),
        "page of a contact": page(CallFilter(days=_MONTH, text="contato 77")),
        "page of nobody": page(CallFilter(days=_MONTH, text="ninguém")),
    }


async def _run(url: str, options: argparse.Namespace) -> dict[str, Any]:
    await asyncio.to_thread(upgrade, url)
    await _prepare(url, options)
    measured: dict[str, Any] = {}
    async with open_database(url) as database:
        ledger = SqlMinutesAdministration(database)
        began = perf_counter()
        days = await ledger.count_calls()
        if days:
            measured["counting, ms a day"] = (perf_counter() - began) * 1000 / days
        deep = {
            company: await _middle(ledger, company, calls)
            for company, calls in zip((SMALL, LARGE), options.calls, strict=True)
        }
        for name, ask in _questions(deep).items():
            measured[name] = await _in_turns(ledger, ask, options.rounds)
        if options.audit:
            began = perf_counter()
            findings = await ledger.audit(BEGAN_AT)
            measured["audit, s"] = perf_counter() - began
            measured["findings"] = findings
        if options.beside:
            measured |= await authorise_beside_the_audit(database, url, LARGE, options.beside)
    return measured


async def _prepare(url: str, options: argparse.Namespace) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        filled = connection.execute(select(companies.c.id)).first() is not None
    for company, calls, agents in zip((SMALL, LARGE), options.calls, options.agents, strict=True):
        if filled:
            break
        with engine.begin() as connection:
            add_company(connection, company, agents)
        async with open_database(url) as database:
            order = Order(company, POOL_MINUTES, f"plan-{company}", BEGAN_AT)
            await SqlMinutesAdministration(database).set_plan(order)
        print(f"filling {calls} calls ...", flush=True)
        with engine.begin() as connection:
            fill(connection, company, calls, agents)
    engine.dispose()


async def _middle(ledger: SqlMinutesAdministration, company: int, calls: int) -> Place:
    after: Place | None = None
    for _ in range(calls // 2 // 5_000 or 1):
        after = (await ledger.calls(company, CallFilter(days=_MONTH), after=after, limit=min(5_000, calls // 2))).next
    assert after is not None
    return after


async def _in_turns(ledger: SqlMinutesAdministration, ask: Ask, rounds: int) -> dict[str, float]:
    """Medians in milliseconds, and their ratio. Each is asked once before."""
    taken: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for number in range(rounds + 1):
        for company, times in taken.items():
            began = perf_counter()
            await ask(ledger, company)
            if number:
                times.append((perf_counter() - began) * 1000)
    small, large = median(taken[SMALL]), median(taken[LARGE])
    return {"small": small, "large": large, "ratio": large / small}


def _lines(measured: dict[str, Any], calls: Sequence[int]) -> list[str]:
    lines = [f"{'median ms':22} {calls[0]:>12,} {calls[1]:>12,} {'ratio':>7}"]
    for name, value in measured.items():
        if isinstance(value, dict) and "p99" in value:
            lines.append(f"{name:32} p50 {value['p50']:7.1f} ms, p99 {value['p99']:7.1f} ms")
        elif isinstance(value, dict):
            lines.append(f"{name:22} {value['small']:12.2f} {value['large']:12.2f} {value['ratio']:7.2f}")
        else:
            lines.append(f"{name:22} {value if isinstance(value, list) else round(value, 1)}")
    return lines


def main() -> None:
    options = _arguments()
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="callcontrol-benchmark-") as folder:
        url = options.url or f"sqlite:///{folder}/callcontrol.db"
        measured = asyncio.run(_run(url, options))
    print("\n".join(_lines(measured, options.calls)))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
