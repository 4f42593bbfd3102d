"""Short reads beside the writer: committed rows only, never a write, and back after an error."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from callcontrol.database import DatabaseUnavailable, open_database

MARK = text("INSERT INTO nodes (node, alive_at) VALUES (:node, '2026-11-22 12:00:00.000000')")
NODES = text("SELECT node FROM nodes ORDER BY node")
NONSENSE = text("SELECT node FROM nowhere")


def mark(connection: Connection) -> None:
    connection.execute(MARK, {"node": "a"})


def nodes(connection: Connection) -> list[str]:
    return [row.node for row in connection.execute(NODES)]


async def test_what_is_committed_is_seen(either_url: str) -> None:
    async with open_database(either_url) as database:
        assert await database.ask(nodes) == []
        await database.writer.submit(mark)
        assert await database.ask(nodes) == ["a"]


async def test_it_cannot_write_and_answers_the_next_question(either_url: str) -> None:
    async with open_database(either_url) as database:
        with pytest.raises(DatabaseUnavailable, match=r"read-?only"):
            await database.ask(mark)
        with pytest.raises(DatabaseUnavailable, match="nowhere"):
            await database.ask(lambda connection: connection.execute(NONSENSE))
        assert await database.ask(nodes) == []


async def test_nobody_is_asked_once_it_is_closed(either_url: str) -> None:
    async with open_database(either_url) as database:
        await database.ask(nodes)
        await database.close()
        with pytest.raises(DatabaseUnavailable, match="closed"):
            await database.ask(nodes)
