"""What scripts/run does once Python and its packages are there, until the call is billed or somebody says stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from callcontrol.engine.admin.errors import AdminError
from lab.asterisk import AsteriskDidNotStart, NoAsterisk
from lab.daemon import CommandFailed, DaemonDidNotStart
from lab.demo.demo import AnotherRuns, Demo
from lab.ports import NoFreePort

_ONE_LINE = (
    AnotherRuns,
    NoAsterisk,
    NoFreePort,
    AsteriskDidNotStart,
    DaemonDidNotStart,
    CommandFailed,
    AdminError,
    TimeoutError,
    OSError,
)
"""What can go wrong with the machine rather than with us: told in its own words, without a traceback."""


async def _run(once: bool, allow_untested: bool) -> int:
    main = asyncio.current_task()
    assert main is not None
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        # The second one would cut short the stopping, which is bounded in any case.
        if not interrupted:
            interrupted = True
            main.cancel()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, interrupt)
    try:
        async with Demo(allow_untested=allow_untested) as demo:
            good = await demo.call()
            if once:
                return 0 if good else 1
            print(demo.invitation(), flush=True)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not interrupted:
            raise
    print("stopped: nothing is left running", flush=True)
    return 130 if once else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="run", description="callcontrol with everything around it, and one call.")
    parser.add_argument("--once", action="store_true", help="end after the call; 0 only if it was billed as expected")
    parser.add_argument("--allow-untested", action="store_true", help="take an Asterisk of any version")
    arguments = parser.parse_args()
    try:
        code = asyncio.run(_run(arguments.once, arguments.allow_untested))
    except* _ONE_LINE as problems:
        for problem in problems.exceptions:
            print(f"run: {problem}", file=sys.stderr)
        code = 1
    sys.exit(code)
