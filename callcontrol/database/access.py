"""The open database of one process: its lock, its writer and its readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as AllConnectionsTaken
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.database.asker import Asker, ServerAsker
from callcontrol.database.batch import unavailable
from callcontrol.database.engines import is_sqlite, read_engine, sync_read_engine
from callcontrol.database.errors import DatabaseNotMigrated
from callcontrol.database.limits import Limits
from callcontrol.database.lock import DatabaseLock
from callcontrol.database.node_lock import NodeLock
from callcontrol.database.postgresql import endless_engine
from callcontrol.database.schema import is_current
from callcontrol.database.writer import Writer

T = TypeVar("T")


class Database:
    """What the rooms that store are given: `writer.submit(operation)` to write, `reading()` to read."""

    def __init__(
        self,
        url: str | URL,
        limits: Limits | None = None,
        *,
        lock: NodeLock | None = None,
        on_commit: Callable[[float, int], None] | None = None,
    ) -> None:
        self._url = url
        self._lock = lock
        self._limits = limits or Limits()
        self.writer = Writer(url, limits=self._limits, on_commit=on_commit)
        self._readers = read_engine(url, self._limits)
        self._asker = Asker(url) if is_sqlite(url) else ServerAsker(url, self._limits)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a read transaction: everything read in it is of one moment. Raises DatabaseUnavailable."""
        try:
            async with self._readers.connect() as connection:
                yield connection
        except (DBAPIError, AllConnectionsTaken) as error:
            raise unavailable(error) from error

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """What one statement says, for those that calls wait for: shorter on its way than `reading`. Statements of
        modules only. `query` may be run twice. Raises DatabaseUnavailable."""
        try:
            return await self._asker.ask(query)
        except (DBAPIError, AllConnectionsTaken) as error:
            raise unavailable(error) from error

    async def examine(self, query: Callable[[Connection], T]) -> T:
        """What a long read says, on a thread and a connection of its own, so that nobody waits for it. Everything read
        is of one moment. Raises DatabaseUnavailable."""
        return await asyncio.to_thread(examine, self._url, self._limits, query)

    async def keep(self) -> None:
        """Until another daemon has taken this one's place: raises DatabaseInUse. On SQLite for ever: its writer finds
        out by itself, at each transaction."""
        if self._lock is not None:
            await self._lock.keep()
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self.writer.close()
        await self._asker.close()
        await self._readers.dispose()


def examine(url: str | URL, limits: Limits, query: Callable[[Connection], T]) -> T:
    """`Database.examine` for a process that has not opened the database: it only reads, and no lock keeps it out."""
    engine = sync_read_engine(url) if is_sqlite(url) else endless_engine(url, limits)
    try:
        with engine.connect() as connection:
            return query(connection.execution_options(postgresql_readonly=True))
    except DBAPIError as error:
        raise unavailable(error) from error
    finally:
        engine.dispose()


@asynccontextmanager
async def open_database(
    url: str | URL,
    limits: Limits | None = None,
    *,
    node: str | None = None,
    on_commit: Callable[[float, int], None] | None = None,
) -> AsyncIterator[Database]:
    """The database until the end of the block. On SQLite it is ours alone. On PostgreSQL it is for all who want it; a
    daemon says its `node`, whose name is then its own.

    Raises DatabaseInUse (another process has it, or the name), DatabaseNotMigrated, DatabaseUnavailable.
    """
    async with _owned(url, limits or Limits(), node) as lock:
        if not await asyncio.to_thread(is_current, url, limits):
            raise DatabaseNotMigrated("the database is missing or of another version: run `callcontrol migrate`")
        database = Database(url, limits, lock=lock, on_commit=on_commit)
        database.writer.start()
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def _owned(url: str | URL, limits: Limits, node: str | None) -> AsyncIterator[NodeLock | None]:
    if is_sqlite(url):
        with DatabaseLock(url):
            yield None
    elif node is None:
        yield None
    else:
        lock = NodeLock(url, node, limits)
        try:
            await lock.acquire()
            yield lock
        finally:
            await lock.release()
