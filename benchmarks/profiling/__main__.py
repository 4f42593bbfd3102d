"""`python -m benchmarks.profiling`: load on the daemon as in benchmarks.call_setup, and where its CPU time goes."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.call_setup.report import header, line
from benchmarks.call_setup.rig import DAEMON, Rig
from benchmarks.call_setup.sipp import NoSipp, find_sipp
from benchmarks.call_setup.waiting import until
from benchmarks.profiling.sampler import START, STOP, Sample
from benchmarks.profiling.tables import function, library, room, spent_by, spent_under
from lab.obtain import obtain_prefix
from lab.prefix import REPOSITORY, AsteriskPrefix, NoAsterisk

_HOOK = Path(__file__).resolve().parent
"""Where sitecustomize.py is."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiling", description=__doc__)
    add = parser.add_argument
    add("--calls", type=int, default=200, help="calls that are sampled (default 200)")
    add("--rate", type=int, default=10, help="calls a second (default 10)")
    add("--lines", type=int, default=25, help="lines of each table (default 25)")
    return parser.parse_args()


async def _sampled(options: argparse.Namespace, prefix: AsteriskPrefix, sipp: str) -> list[Sample]:
    with tempfile.TemporaryDirectory(prefix="callcontrol-profile-") as folder:
        file = Path(folder) / "samples.json"
        sampled = {
            "CALLCONTROL_PROFILE": str(file),
            "PYTHONPATH": f"{_HOOK}:{REPOSITORY}",
        }
        async with Rig(prefix, sipp, Path(folder), agents=4, environment=sampled) as rig:
            await rig.load(DAEMON, rate=options.rate, calls=20, talk_s=1)
            pid = rig.daemon.pid
            assert pid is not None
            os.kill(pid, START)
            made = await rig.load(DAEMON, rate=options.rate, calls=options.calls, talk_s=2)
            os.kill(pid, STOP)

            async def written() -> bool:
                return file.exists()

            await until(written, 10)
        print(header(), line(made), sep="\n")
        return msgspec.json.decode(file.read_bytes(), type=list[Sample])


def _print(title: str, spent: Iterable[tuple[object, float]], options: argparse.Namespace) -> None:
    print(f"\n{title} (ms a call)")
    for key, ms in list(spent)[: options.lines]:
        print(f"{ms / options.calls:8.2f}  {'  '.join(key) if isinstance(key, tuple) else key}")


def main() -> None:
    options = _arguments()
    try:
        samples = asyncio.run(_sampled(options, obtain_prefix(), find_sipp()))
    except (NoAsterisk, NoSipp) as problem:
        sys.exit(f"profile: {problem}")
    _print("by thread", spent_by(samples, lambda sample: sample.thread), options)
    _print("by room", spent_by(samples, room), options)
    _print("by room and whose code", spent_by(samples, lambda sample: (room(sample), library(sample))), options)
    _print("by function", spent_by(samples, lambda sample: function(sample.stack[0])), options)
    _print("by function of ours, with all that it calls", spent_under(samples), options)


if __name__ == "__main__":
    main()
