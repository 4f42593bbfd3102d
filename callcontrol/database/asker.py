"""Short reads. On SQLite: one thread with one connection, and one change of threads there and back. On PostgreSQL: one
statement without a transaction around it.

The asynchronous engine changes threads for each of its steps (begin, execute, fetch, roll back), which every call would
wait for before it is dialled (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from callcontrol.database.engines import sync_read_engine
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.limits import Limits
from callcontrol.database.postgresql import ask_engine, lost_connection
from callcontrol.database.prepared import prepared

T = TypeVar("T")


class Asker:
    """Answers one query after the other; each is a read of microseconds."""

    def __init__(self, url: str | URL) -> None:
        self._engine = sync_read_engine(url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-asker")
        self._connection: Connection | None = None
        self._closed = False

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """`query` in a read transaction of its own. Raises sqlalchemy.exc.DBAPIError, DatabaseUnavailable."""
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, query)

    async def close(self) -> None:
        """After what is being asked was answered. Once more has no effect."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._disconnect()
        self._engine.dispose()

    def _answer(self, query: Callable[[Connection], T]) -> T:
        try:
            self._connection = self._connection or self._engine.connect()
            with self._connection.begin():
                return query(prepared(self._connection))
        except Exception:
            # Whatever state it is in: the next query begins with a new one.
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class ServerAsker:
    """The same on PostgreSQL, many at a time."""

    def __init__(self, url: str | URL, limits: Limits) -> None:
        self._engine = ask_engine(url, limits)
        self._closed = False

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """Raises sqlalchemy.exc.DBAPIError, DatabaseUnavailable."""
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        try:
            return await self._answer(query)
        except DBAPIError as error:
            if not lost_connection(error):
                raise
            # The server was restarted since the last question. The other connections of before are forgotten as well.
            return await self._answer(query)

    async def close(self) -> None:
        """Once more has no effect."""
        self._closed = True
        await self._engine.dispose()

    async def _answer(self, query: Callable[[Connection], T]) -> T:
        async with self._engine.connect() as connection:
            return await connection.run_sync(query)
