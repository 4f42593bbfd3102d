"""A TCP proxy on the loopback address that a test can cut, or turn into a black hole."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from lab.ports import LOOPBACK, free_port

_BLOCK = 1 << 16


class CuttableProxy:
    """Between a client and `target_port`. Whole until `close_all` or `swallow`; `restore` makes it whole again."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._answers_pass = True

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.close_all()

    def close_all(self) -> None:
        """Every connection ends at once, and new ones are closed as soon as they are made."""
        self._refusing = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def swallow(self) -> None:
        """Half-open: connections stay and new ones are taken, but not a byte passes in either direction."""
        self._flowing.clear()

    def swallow_answers(self) -> None:
        """What the client sends arrives, and it never hears of it."""
        self._answers_pass = False

    def restore(self) -> None:
        """For new connections; those of before have lost something."""
        self._refusing = False
        self._answers_pass = True
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            return
        await self._flowing.wait()
        there, here = await asyncio.open_connection(LOOPBACK, self._target_port)
        self._writers.add(here)
        ways = [
            asyncio.create_task(self._pour(reader, here)),
            asyncio.create_task(self._pour(there, writer, answers=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            here.transport.abort()
            self._writers.discard(here)

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        while True:
            block = await reader.read(_BLOCK)
            # What was swallowed, an end too, is lost for good, as on a route that is gone.
            if not self._flowing.is_set() or (answers and not self._answers_pass):
                await asyncio.Event().wait()
            if not block:
                return
            writer.write(block)
            await writer.drain()
