"""Load on the ledger's port: callers that wait for their answer, and calls that come whether or not it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from time import perf_counter

from benchmarks.ledger.calls import BenchmarkCall
from callcontrol.engine.ports.ledger import Ledger

OPERATIONS = ("authorise", "answer", "extend", "close")
Latencies = dict[str, list[float]]
"""Milliseconds of each operation, by its name."""

_SECOND_MINUTE = 2
_GAP_S = 0.05
"""Between the operations of a call that is in no hurry."""


def calls_of(companies: int, name: str) -> Iterator[BenchmarkCall]:
    """Calls without end, of these companies in turn; `name` tells them from those of other loads."""
    return (BenchmarkCall(f"{name}-{number}", number % companies + 1) for number in count())


async def closed_loop(ledger: Ledger, callers: int, calls: int, source: Iterator[BenchmarkCall]) -> None:
    """`calls` calls in all by so many callers, each of which begins its next operation when the last was answered."""
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            for operation in steps(ledger, next(source)).values():
                await operation()

    await asyncio.gather(*(caller() for _ in range(callers)))


async def open_loop(ledger: Ledger, rate: float, calls: int, source: Iterator[BenchmarkCall]) -> Latencies:
    """`rate` calls a second begin. Of the first operation the wait counts from the instant it was due."""
    latencies: Latencies = {name: [] for name in OPERATIONS}

    async def one(call: BenchmarkCall, due_at: float) -> None:
        for name, operation in steps(ledger, call).items():
            await operation()
            latencies[name].append((perf_counter() - due_at) * 1000)
            await asyncio.sleep(_GAP_S)
            due_at = perf_counter()

    async with asyncio.TaskGroup() as tasks:
        async for due_at in _instants(rate, calls):
            tasks.create_task(one(next(source), due_at))
    return latencies


async def authorisations(ledger: Ledger, rate: float, calls: int, source: Iterator[BenchmarkCall]) -> list[float]:
    """Milliseconds that each of them took from the instant it was due."""
    waited: list[float] = []

    async def one(call: BenchmarkCall, due_at: float) -> None:
        await ledger.authorise(call.opening)
        waited.append((perf_counter() - due_at) * 1000)

    async with asyncio.TaskGroup() as tasks:
        async for due_at in _instants(rate, calls):
            tasks.create_task(one(next(source), due_at))
    return waited


def steps(ledger: Ledger, call: BenchmarkCall) -> dict[str, Callable[[], Awaitable[object]]]:
    """The operations of an answered call, in order."""
    return {
        "authorise": lambda: ledger.authorise(call.opening),
        "answer": lambda: ledger.record_answer(call.call_id, call.answered_at, company_id=call.company_id),
        "extend": lambda: ledger.extend(call.call_id, _SECOND_MINUTE, call.answered_at, company_id=call.company_id),
        "close": lambda: ledger.close(call.closing),
    }


async def _instants(rate: float, times: int) -> AsyncIterator[float]:
    """Evenly spaced; one that the loop was late for comes at once, and says when it was due."""
    began = perf_counter()
    for number in range(times):
        due_at = began + number / rate
        wait_s = due_at - perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        yield due_at
