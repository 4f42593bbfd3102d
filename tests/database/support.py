"""Operations of a line, and a writer that is kept busy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from sqlalchemy import Connection, text

from callcontrol.database import Group, Writer
from callcontrol.database.engines import write_engine

GROUP = Group(1, lambda connection: None)


def put(node: str) -> Callable[[Connection], str]:
    def operation(connection: Connection) -> str:
        connection.execute(
            text("INSERT INTO nodes (node, alive_at) VALUES (:node, '2026-11-22 12:00:00.000000')"), {"node": node}
        )
        return node

    return operation


def stored(url: str) -> list[str]:
    engine = write_engine(url)
    with engine.connect() as connection:
        names = [row[0] for row in connection.execute(text("SELECT node FROM nodes ORDER BY node"))]
    engine.dispose()
    return names


class Gate:
    """Keeps the writer busy with a group until it is opened, so that what is submitted meanwhile is one batch."""

    def __init__(self, writer: Writer, group: Group = GROUP) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.task = asyncio.ensure_future(writer.submit(self._wait, group))

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
    tasks = [asyncio.ensure_future(writer.submit(operation, GROUP)) for operation in operations]
    await asyncio.sleep(0)  # each task runs up to its wait for the writer
    await gate.open()
    return await asyncio.gather(*tasks, return_exceptions=True)
