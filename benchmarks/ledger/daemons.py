"""Several daemons on one PostgreSQL: processes of their own, all loading the same companies at once."""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import perf_counter, process_time

import msgspec

from benchmarks.ledger.load import calls_of, closed_loop
from callcontrol.database import open_database
from callcontrol.ledger.ledger import SqlLedger
from callcontrol.loop import run_on_fast_loop


class Share(msgspec.Struct):
    """What one of them made."""

    took_s: float
    cpu_s: float
    batches: list[int]


async def loaded_by(daemons: int, url: str, *, callers: int, calls: int, companies: int) -> list[Share]:
    """`calls` calls and `callers` callers in all, spread over the daemons, which begin together."""
    arguments = [url, str(callers // daemons), str(calls // daemons), str(companies)]
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.ledger.daemons", f"daemon-{number}", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(daemons)
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    shares = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return [msgspec.json.decode(told, type=Share) for told, _ in shares]


async def _load(options: argparse.Namespace) -> Share:
    batches: list[int] = []
    async with open_database(
        options.url, node=options.name, on_commit=lambda _, operations: batches.append(operations)
    ) as database:
        ledger = SqlLedger(database)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began, cpu = perf_counter(), process_time()
        await closed_loop(ledger, options.callers, options.calls, calls_of(options.companies, options.name))
        return Share(perf_counter() - began, process_time() - cpu, batches)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("url")
    for number in ("callers", "calls", "companies"):
        parser.add_argument(number, type=int)
    print(msgspec.json.encode(run_on_fast_loop(_load(parser.parse_args()))).decode())


if __name__ == "__main__":
    main()
