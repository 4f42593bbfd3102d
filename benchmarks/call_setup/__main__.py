"""`python -m benchmarks.call_setup`: loopback only, bounded in calls and time, leaves nothing running."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.call_setup.report import Ceiling, Report, header, line, summary
from benchmarks.call_setup.rig import BEFORE, DAEMON, DIAL, UNFILTERED, Rig
from benchmarks.call_setup.sipp import NoSipp, find_sipp
from lab.obtain import obtain_prefix
from lab.prefix import AsteriskPrefix, NoAsterisk

_FILES = 20_000
"""Open files that one Asterisk with some hundred calls needs: two sockets a leg."""


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.call_setup", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="turns of each way at an easy rate (default 5; 0: none)")
    add("--calls", type=int, default=100, help="calls in a round (default 100)")
    add("--rate", type=int, default=10, help="calls a second in a round (default 10)")
    add("--talk-s", type=float, default=2.0, help="length of a call in a round (default 2)")
    add("--unfiltered", action="store_true", help="a third way: the daemon, with every event of Asterisk")
    add("--before", type=Path, help="another checkout, whose daemon is measured in turns with this one")
    add("--agents", type=int, default=4, help="agents that make the calls (default 4)")
    add(
        "--steps",
        type=int,
        nargs="*",
        default=[20, 30, 40, 50, 60, 80, 100, 120, 140, 160, 180, 200],
        help="rates tried",
    )
    add("--step-s", type=float, default=8.0, help="how long each rate is kept up (default 8)")
    add("--step-talk-s", type=float, default=5.0, help="length of a call in a step (default 5)")
    add("--worst-ms", type=float, default=250.0, help="95 of 100 delays may be as long in a clean step (default 250)")
    add("--json", type=Path, help="write everything measured to this file")
    return parser.parse_args(words)


async def _run(options: argparse.Namespace, prefix: AsteriskPrefix, sipp: str) -> Report:
    report = Report(
        machine=f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        asterisk=prefix.version,
        baseline=DIAL,
        settings={name: value for name, value in vars(options).items() if isinstance(value, int | float)},
    )
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callcontrol-benchmark-")))
        rig = await stack.enter_async_context(Rig(prefix, sipp, _folder(directory, "now"), agents=options.agents))
        ways = [(rig, DAEMON), (rig, DIAL), *([(rig, UNFILTERED)] if options.unfiltered else [])]
        if options.before is not None:
            # Python would look in the working directory first, which is this checkout.
            theirs = {"PYTHONPATH": str(options.before.resolve()), "PYTHONSAFEPATH": "1"}
            before = Rig(prefix, sipp, _folder(directory, "before"), agents=options.agents, environment=theirs)
            ways.append((await stack.enter_async_context(before), BEFORE))
        # The first calls pay for what is loaded and compiled once.
        for of, way in ways:
            await of.load(way, rate=5, calls=20, talk_s=1)
        print(header(), flush=True)
        await _rounds(ways, options, report)
        await _ceilings(rig, options, report)
    return report


def _folder(directory: Path, name: str) -> Path:
    (directory / name).mkdir()
    return directory / name


async def _rounds(ways: Sequence[tuple[Rig, str]], options: argparse.Namespace, report: Report) -> None:
    for _ in range(options.rounds):
        for rig, way in ways:
            made = await rig.load(way, rate=options.rate, calls=options.calls, talk_s=options.talk_s)
            report.rounds.append(made)
            print(line(made), flush=True)


async def _ceilings(rig: Rig, options: argparse.Namespace, report: Report) -> None:
    """Each way until it is not clean, both at one rate before the next. A step counts as failed when it failed twice:
    the machine may have been busy otherwise."""
    clean: dict[str, int | None] = {DAEMON: None, DIAL: None}
    going = [DAEMON, DIAL] if options.steps else []
    for rate in sorted(options.steps):
        for way in list(going):
            for _ in range(2):
                made = await rig.load(way, rate=rate, calls=round(rate * options.step_s), talk_s=options.step_talk_s)
                report.steps.append(made)
                fine = made.is_clean(options.worst_ms)
                print(line(made) + ("" if fine else "  not clean"), flush=True)
                if fine:
                    clean[way] = rate
                    break
            else:
                going.remove(way)
    if options.steps:
        report.ceilings = [Ceiling(way, rate, way in going) for way, rate in clean.items()]


def main() -> None:
    options = _arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, most), most))
    try:
        report = asyncio.run(_run(options, obtain_prefix(), find_sipp()))
    except (NoAsterisk, NoSipp) as problem:
        sys.exit(f"benchmark: {problem}")
    print("\n".join(["", *summary(report)]))
    if options.json is not None:
        options.json.write_bytes(report.json())


if __name__ == "__main__":
    main()
