"""Group commit on either database: what is acknowledged is stored, what fails is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection

from callcontrol.database import DatabaseUnavailable, Writer
from tests.database.support import GROUP, Gate, put, stored, submit_together


@pytest.fixture
def commits() -> list[int]:
    """How many operations were in each commit."""
    return []


@pytest.fixture
async def writer(either_url: str, commits: list[int]) -> AsyncIterator[Writer]:
    writer = Writer(either_url, queue_limit=10, on_commit=lambda _seconds, size: commits.append(size))
    writer.start()
    yield writer
    await writer.close()


async def test_what_waits_is_committed_together(writer: Writer, commits: list[int], either_url: str) -> None:
    assert await submit_together(writer, put("a"), put("b"), put("c")) == ["a", "b", "c"]
    assert commits == [1, 3]
    assert stored(either_url) == ["a", "b", "c"]


async def test_an_operation_that_raises_undoes_only_itself(writer: Writer, commits: list[int], either_url: str) -> None:
    def fails(connection: Connection) -> None:
        put("x")(connection)
        raise LookupError("no")

    first, second, third = await submit_together(writer, put("a"), fails, put("b"))
    assert (first, third) == ("a", "b")
    assert isinstance(second, LookupError)
    assert stored(either_url) == ["a", "b"]


async def test_a_full_queue_refuses(writer: Writer) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.submit(put(f"n{number}"), GROUP)) for number in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable, match="already waiting"):
        await writer.submit(put("one too many"), GROUP)
    await gate.open()
    assert len(await asyncio.gather(*waiting)) == 10


async def test_an_operation_cancelled_while_it_waits_is_not_done(writer: Writer, either_url: str) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = asyncio.ensure_future(writer.submit(put("a"), GROUP))
    await asyncio.sleep(0)
    waiting.cancel()
    await gate.open()
    await writer.submit(put("b"), GROUP)
    assert stored(either_url) == ["b"]


async def test_close_finishes_what_waits_and_refuses_what_comes(writer: Writer, either_url: str) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.submit(put(name), GROUP)) for name in ("a", "b")]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(writer.close())
    await gate.open()
    await closing
    assert await asyncio.gather(*waiting) == ["a", "b"]
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await writer.submit(put("c"), GROUP)
