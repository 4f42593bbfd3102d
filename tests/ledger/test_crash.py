"""Defects: charge and CDR in separate commits; reservations leaked by a crash. Killed in the middle of a load, the
ledger has everything it acknowledged, whole, and what is held is held by calls that recovery finds. At random moments
and with everything else that is done to a ledger: test_kills_under_load."""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.support.books import COMPANY, NODE, Books, open_books

_LOAD = """
import asyncio, sys
from pathlib import Path
from tests.support.books import open_books

async def one_call(books, call_id):
    assert await books.dial(call_id)
    print("dialled", call_id, flush=True)
    await books.extend(call_id, 2)
    await books.hang_up(call_id, 0, 61)
    print("closed", call_id, flush=True)

async def caller(books, name):
    number = 0
    while True:
        number += 1
        await one_call(books, f"{name}-{number}")

async def main():
    async with open_books(sys.argv[1]) as books:
        await books.plan(10_000_000)
        await asyncio.gather(*(caller(books, name) for name in "abcdefgh"))

asyncio.run(main())
"""


_ACKNOWLEDGED = 57


async def test_what_was_acknowledged_before_a_kill_is_stored(books_url: str) -> None:
    load = await asyncio.create_subprocess_exec(sys.executable, "-c", _LOAD, books_url, stdout=asyncio.subprocess.PIPE)
    assert load.stdout is not None
    lines = [await load.stdout.readline() for _ in range(_ACKNOWLEDGED)]
    load.send_signal(signal.SIGKILL)
    lines += (await load.stdout.read()).splitlines(keepends=True)
    await load.wait()
    told = [line.decode().split() for line in lines if line.endswith(b"\n")]
    dialled = {call_id for word, call_id in told if word == "dialled"}
    closed = {call_id for word, call_id in told if word == "closed"}

    async with open_books(books_url) as books:
        assert await books.findings() == []
        rows = {row.call_id: row for row in await books.calls()}
        assert dialled <= set(rows)
        assert {rows[call_id].billed_minutes for call_id in closed} <= {2}
        await settle_what_is_open(books)
        usage = await books.minutes.usage(COMPANY, books.start)
        assert usage.held == 0
        posted = [row.billed_minutes for row in await books.calls()]
        assert usage.monthly_posted == sum(posted)
        assert await books.findings() == []


async def settle_what_is_open(books: Books) -> None:
    """As recovery does: every open call gets its end, from whoever knows it."""
    for call in await books.ledger.open_calls(NODE):
        assert call.held.minutes >= 1
        await books.hang_up(call.opening.call_id, 0, 61)
