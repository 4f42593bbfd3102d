"""`python -m benchmarks.ledger`: a database in a temporary folder, bounded in calls, leaves nothing behind."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.ledger.figures import Round, Side, line_of, lines, waits_of
from benchmarks.ledger.load import authorisations, calls_of, closed_loop, open_loop
from benchmarks.ledger.postgresql import measure
from benchmarks.ledger.recording import Recording, play, recorded
from benchmarks.ledger.report import HEADER, WAITS_HEADER, Report, text, waits_text
from benchmarks.ledger.site import SqliteSite
from callcontrol.loop import run_on_fast_loop
from tests.support.tools import NoTool

_LOAD = "load"


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="turns of the ledger and of its SQL run bare (default 5)")
    add("--callers", type=int, nargs="+", default=[1, 8, 64], help="callers in a closed loop (default 1 8 64)")
    add("--companies", type=int, nargs="+", default=[1, 1000], help="one: all calls are one company's (default 1 1000)")
    add("--calls", type=int, default=2000, help="calls in a round of 64 callers; fewer callers make fewer")
    add("--open-s", type=float, default=8.0, help="how long calls come at half the maximum (default 8; 0: not)")
    add("--authorise-rate", type=float, default=200.0, help="authorisations a second (default 200)")
    add("--postgresql", action="store_true", help="on PostgreSQL, beside pgbench, in place of SQLite")
    add("--daemons", type=int, nargs="*", default=[2, 4], help="PostgreSQL: more daemons, as many callers in all")
    add("--server-calls", type=int, default=1000, help="PostgreSQL: calls in a round of 64 callers (default 1000)")
    add("--json", type=Path, help="write everything measured to this file")
    return parser.parse_args(words)


async def _run(options: argparse.Namespace) -> Report:
    report = Report(
        machine=f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        database="postgresql" if options.postgresql else "sqlite",
        settings={name: value for name, value in vars(options).items() if isinstance(value, int | float)},
    )
    with tempfile.TemporaryDirectory(prefix="callcontrol-benchmark-") as folder:
        if options.postgresql:
            report.server_rounds = await measure(options, Path(folder))
            return report
        site = SqliteSite(Path(folder))
        await site.prepare(max(options.companies))
        print(HEADER, flush=True)
        for companies in options.companies:
            await _closed(site, companies, options, report)
        if not options.open_s:
            return report
        print("\n" + WAITS_HEADER, flush=True)
        for companies in options.companies:
            await _open(site, companies, options, report)
    return report


async def _closed(site: SqliteSite, companies: int, options: argparse.Namespace, report: Report) -> None:
    """Each number of callers in turn, so that what else the machine does hits all alike."""
    recordings = {callers: await _record(site, companies, callers, options.calls) for callers in options.callers}
    made: dict[int, list[Round]] = {callers: [] for callers in options.callers}
    for _ in range(options.rounds):
        for callers, recording in recordings.items():
            made[callers].append(await _round(site, companies, callers, options.calls, recording))
    for rounds in made.values():
        report.rounds += rounds
        print(text(line_of(rounds)), flush=True)


async def _record(site: SqliteSite, companies: int, callers: int, most: int) -> Recording:
    file = site.fresh()
    with recorded() as recording:
        async with site.ledger(file) as ledger:
            await closed_loop(ledger, callers, _share(most, callers), calls_of(companies, _LOAD))
    site.remove(file)
    return recording


async def _round(site: SqliteSite, companies: int, callers: int, most: int, recording: Recording) -> Round:
    calls = _share(most, callers)
    batches: list[int] = []
    file = site.fresh()
    async with site.ledger(file, on_commit=lambda _, operations: batches.append(operations)) as ledger:
        began, cpu = perf_counter(), process_time()
        await closed_loop(ledger, callers, calls, calls_of(companies, _LOAD))
        ours = Side(perf_counter() - began, process_time() - cpu)
    site.remove(file)
    file = site.fresh()
    bare = play(recording, file)
    site.remove(file)
    return Round(companies, callers, calls, ours, bare, batches, recording.statements / calls)


async def _open(site: SqliteSite, companies: int, options: argparse.Namespace, report: Report) -> None:
    most = max(line.ledger_calls_s for line in lines(report.rounds) if line.companies == companies)
    file = site.fresh()
    async with site.ledger(file) as ledger:
        rate = most / 2
        calls = round(rate * options.open_s)
        waits = waits_of(companies, rate, await open_loop(ledger, rate, calls, calls_of(companies, _LOAD)))
        asked = options.authorise_rate
        alone = await authorisations(ledger, asked, round(asked * options.open_s), calls_of(companies, "alone"))
        waits += waits_of(companies, asked, {"authorise": alone})
    site.remove(file)
    report.waits += waits
    for wait in waits:
        print(waits_text(wait), flush=True)


def _share(most: int, callers: int) -> int:
    """Fewer callers are slower: rounds are to last about as long."""
    return max(callers, most * min(callers + 16, 80) // 80)


def main() -> None:
    options = _arguments()
    try:
        report = run_on_fast_loop(_run(options))
    except NoTool as problem:
        sys.exit(f"benchmark: {problem}")
    if options.json is not None:
        options.json.write_bytes(report.json())


if __name__ == "__main__":
    main()
