"""The one writing thread of SQLite, as it fails in life."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from callcontrol.database import DatabaseUnavailable, Writer, engines
from callcontrol.database.lock import claim_epoch
from tests.database.support import put, stored, submit_together


@pytest.fixture
async def writer(url: str) -> AsyncIterator[Writer]:
    writer = Writer(url)
    writer.start()
    yield writer
    await writer.close()


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
