"""The open database of one process: its lock, its writer and its readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.database.asker import Asker
from callcontrol.database.engines import is_sqlite, read_engine, sync_read_engine, write_engine
from callcontrol.database.errors import DatabaseNotMigrated, DatabaseUnavailable
from callcontrol.database.lock import DatabaseLock
from callcontrol.database.schema import is_current
from callcontrol.database.writer import Writer

T = TypeVar("T")


class Database:
    """What the rooms that store are given: `writer.submit(operation)` to write, `reading()` to read."""

    def __init__(self, url: str | URL, *, on_commit: Callable[[float, int], None] | None = None) -> None:
        self._url = url
        self.writer = Writer(url, on_commit=on_commit)
        self._readers = read_engine(url)
        self._asker = Asker(url) if is_sqlite(url) else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a read transaction: everything read in it is of one moment. Raises DatabaseUnavailable."""
        try:
            async with self._readers.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """What one query says, for those that calls wait for: shorter on its way than `reading`. Statements of modules
        only. Raises DatabaseUnavailable."""
        try:
            if self._asker is not None:
                return await self._asker.ask(query)
            async with self._readers.connect() as connection:
                return await connection.run_sync(query)
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    async def examine(self, query: Callable[[Connection], T]) -> T:
        """What a long read says, on a thread and a connection of its own, so that nobody waits for it. Everything read
        is of one moment. Raises DatabaseUnavailable."""
        try:
            return await asyncio.to_thread(self._examine, query)
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    def _examine(self, query: Callable[[Connection], T]) -> T:
        engine = sync_read_engine(self._url) if self._asker is not None else write_engine(self._url)
        try:
            with engine.connect() as connection:
                return query(connection)
        finally:
            engine.dispose()

    async def close(self) -> None:
        await self.writer.close()
        if self._asker is not None:
            await self._asker.close()
        await self._readers.dispose()


@asynccontextmanager
async def open_database(
    url: str | URL, *, on_commit: Callable[[float, int], None] | None = None
) -> AsyncIterator[Database]:
    """Own the database until the end of the block.

    Raises DatabaseInUse (another process owns it), DatabaseNotMigrated, DatabaseUnavailable.
    """
    with DatabaseLock(url) if is_sqlite(url) else nullcontext():
        if not await asyncio.to_thread(is_current, url):
            raise DatabaseNotMigrated("the database is missing or of another version: run `callcontrol migrate`")
        database = Database(url, on_commit=on_commit)
        database.writer.start()
        try:
            yield database
        finally:
            await database.close()
