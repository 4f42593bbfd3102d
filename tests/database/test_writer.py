"""One writer thread, group commit: what is acknowledged is stored, what fails is not."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from callcontrol.database import DatabaseUnavailable, Writer, engines
from callcontrol.database.lock import claim_epoch


@pytest.fixture
def commits() -> list[int]:
    """How many operations were in each commit."""
    return []


@pytest.fixture
async def writer(url: str, commits: list[int]) -> AsyncIterator[Writer]:
    writer = Writer(url, queue_limit=10, on_commit=lambda _seconds, size: commits.append(size))
    writer.start()
    yield writer
    await writer.close()


def put(node: str) -> Callable[[Connection], str]:
    def operation(connection: Connection) -> str:
        connection.execute(
            text("INSERT INTO nodes (node, alive_at) VALUES (:node, '2026-11-22 12:00:00.000000')"), {"node": node}
        )
        return node

    return operation


def stored(url: str) -> list[str]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        names = [row[0] for row in connection.execute("SELECT node FROM nodes ORDER BY node")]
    connection.close()
    return names


class Gate:
    """Keeps the writer's thread busy until it is opened, so that what is submitted meanwhile is one batch."""

    def __init__(self, writer: Writer) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.task = asyncio.ensure_future(writer.submit(self._wait))

    def _wait(self, _connection: Connection) -> None:
        self.entered.set()
        assert self.opened.wait(30)

    async def closed(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 30)

    async def open(self) -> None:
        self.opened.set()
        await self.task


async def submit_together(writer: Writer, *operations: Callable[[Connection], object]) -> list[object]:
    gate = Gate(writer)
    await gate.closed()
    tasks = [asyncio.ensure_future(writer.submit(operation)) for operation in operations]
    await asyncio.sleep(0)  # each task runs up to its wait for the writer
    await gate.open()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_waits_is_committed_together(writer: Writer, commits: list[int], url: str) -> None:
    assert await submit_together(writer, put("a"), put("b"), put("c")) == ["a", "b", "c"]
    assert commits == [1, 3]
    assert stored(url) == ["a", "b", "c"]


async def test_an_operation_that_raises_undoes_only_itself(writer: Writer, commits: list[int], url: str) -> None:
    def fails(connection: Connection) -> None:
        put("x")(connection)
        raise LookupError("no")

    first, second, third = await submit_together(writer, put("a"), fails, put("b"))
    assert (first, third) == ("a", "b")
    assert isinstance(second, LookupError)
    assert stored(url) == ["a", "b"]


async def test_a_failed_commit_fails_all_of_the_batch(writer: Writer, url: str) -> None:
    """A foreign key that is checked at the commit."""

    def breaks_the_commit(connection: Connection) -> None:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("INSERT INTO accounts (company_id, held, next_seq) VALUES (99, 0, 1)"))

    results = await submit_together(writer, put("a"), breaks_the_commit, put("b"))
    assert [type(result) for result in results] == [DatabaseUnavailable] * 3
    assert stored(url) == []
    assert await writer.submit(put("c")) == "c"
    assert stored(url) == ["c"]


async def test_a_full_disk_is_retryable_and_loses_nothing_acknowledged(writer: Writer, url: str) -> None:
    await writer.submit(put("a"))

    def fill(connection: Connection) -> None:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        put("x" * 100_000)(connection)

    results = await submit_together(writer, put("b"), fill, put("c"))
    assert isinstance(results[1], DatabaseUnavailable)
    acknowledged = [result for result in results if isinstance(result, str)]
    assert stored(url) == ["a", *acknowledged]


async def test_a_database_locked_by_another_process_is_retryable(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 10)
    writer = Writer(url)
    writer.start()
    other = sqlite3.connect(tmp_path / "callcontrol.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        await writer.submit(put("a"))
    other.execute("COMMIT")
    other.close()
    assert await writer.submit(put("a")) == "a"
    await writer.close()


async def test_a_full_queue_refuses(writer: Writer) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.submit(put(f"n{number}"))) for number in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable, match="already waiting"):
        await writer.submit(put("one too many"))
    await gate.open()
    assert len(await asyncio.gather(*waiting)) == 10


async def test_an_operation_cancelled_while_it_waits_is_not_done(writer: Writer, url: str) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = asyncio.ensure_future(writer.submit(put("a")))
    await asyncio.sleep(0)
    waiting.cancel()
    await gate.open()
    await writer.submit(put("b"))
    assert stored(url) == ["b"]


async def test_close_finishes_what_waits_and_refuses_what_comes(writer: Writer, url: str) -> None:
    gate = Gate(writer)
    await gate.closed()
    waiting = [asyncio.ensure_future(writer.submit(put(name))) for name in ("a", "b")]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(writer.close())
    await gate.open()
    await closing
    assert await asyncio.gather(*waiting) == ["a", "b"]
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await writer.submit(put("c"))


async def test_a_writer_whose_database_was_taken_over_writes_no_more(writer: Writer, url: str) -> None:
    """The lock file deleted by hand: the epoch row still tells."""
    await writer.submit(put("a"))
    usurper = Writer(url)
    usurper.start()
    await usurper.submit(put("b"))
    with pytest.raises(DatabaseUnavailable, match="taken over"):
        await writer.submit(put("c"))
    await usurper.close()
    assert stored(url) == ["a", "b"]


async def test_each_owner_has_its_own_epoch(url: str) -> None:
    engine = engines.write_engine(url)
    with engine.begin() as connection:
        assert [claim_epoch(connection), claim_epoch(connection)] == [1, 2]
    engine.dispose()
