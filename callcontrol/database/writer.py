"""The one writer: a thread with one connection that commits waiting operations together (group commit).

An operation is acknowledged only after the commit it is in. The disk is asked once for all that waited
meanwhile, so the busier the daemon, the cheaper a commit.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, NestedTransaction, Transaction
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from callcontrol.database.engines import is_sqlite, write_engine
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.lock import claim_epoch, current_epoch
from callcontrol.database.prepared import prepared

T = TypeVar("T")

QUEUE_LIMIT = 2_000
"""Operations that may wait; one more is refused. At a disk's worst this is seconds of work, not minutes."""
BATCH_LIMIT = 64
"""Operations in one commit at most: bounds how long the first of them waits for the last."""


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that wait for one another anyway. `lead` runs before them in the same transaction: it takes the lock
    that they all need, so that nobody else's can come between."""

    key: int
    lead: Callable[[Connection], object]


@dataclass(slots=True)
class _Queued:
    operation: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Owns all writes. Started and closed in the event loop whose tasks submit.

    `on_commit(seconds, operations)` is called in the writer's thread after each commit, for metrics.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        queue_limit: int = QUEUE_LIMIT,
        on_commit: Callable[[float, int], None] | None = None,
    ) -> None:
        self._engine = write_engine(url)
        self._checks_epoch = is_sqlite(url)
        self._epoch: int | None = None
        self._queue_limit = queue_limit
        self._on_commit = on_commit
        self._queue: deque[_Queued] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # A daemon thread: a process that dies by an error must not wait for it; `close` is what drains.
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def submit(
        self, operation: Callable[[Connection], T], group: Group | None = None, *, repeatable: bool = False
    ) -> T:
        """Run `operation` in the writer's thread and return its result once it is committed.

        `group`: those it goes together with, in the order in which they were submitted. `repeatable`: done twice it
        is done once, so that it may be run again where nobody knows whether it was stored.

        An operation that raises undoes only itself, and its exception is raised here. DatabaseUnavailable: the
        database did not answer or the commit failed, nothing of the operation is stored; it may be repeated.
        A task that is cancelled while it waits here cannot know: the operation may or may not be stored.
        """
        queued = _Queued(operation, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._closing or not self._thread.is_alive():
                raise DatabaseUnavailable("the database is closed")
            if len(self._queue) >= self._queue_limit:
                raise DatabaseUnavailable(f"{self._queue_limit} operations are already waiting for the database")
            self._queue.append(queued)
            self._changed.notify()
        result: T = await queued.future
        return result

    async def close(self) -> None:
        """Refuse new operations, finish those that wait, close the connection."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    def _run(self) -> None:
        connection: Connection | None = None
        while batch := self._next_batch():
            try:
                connection = connection or self._engine.connect()
                self._commit_together(connection, batch)
            except Exception as error:
                for queued in batch:
                    queued.error = _unavailable(error)
                # Whatever state the connection is in: the next batch begins with a new one.
                if connection is not None:
                    connection.invalidate()
                    connection.close()
                    connection = None
            self._answer(batch)
        if connection is not None:
            connection.close()

    def _next_batch(self) -> list[_Queued]:
        """Wait for operations and take them; empty when closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]

    def _commit_together(self, connection: Connection, batch: list[_Queued]) -> None:
        began = perf_counter()
        with connection.begin() as transaction:
            epoch = self._checked_epoch(connection)
            # In a quiet daemon most operations are alone, and may undo all of their transaction. Not the first one:
            # the claim of the epoch is in it.
            alone = len(batch) == 1 and epoch == self._epoch
            for queued in batch:
                if not queued.future.cancelled():
                    _apply(connection, queued, transaction if alone else connection.begin_nested())
        self._epoch = epoch
        if self._on_commit is not None:
            self._on_commit(perf_counter() - began, len(batch))

    def _checked_epoch(self, connection: Connection) -> int | None:
        """The first transaction claims the database; every later one makes sure that it still has it."""
        if not self._checks_epoch:
            return None
        if self._epoch is None:
            return claim_epoch(connection)
        if current_epoch(prepared(connection)) != self._epoch:
            raise DatabaseUnavailable("another process has taken over the writes of this database")
        return self._epoch

    def _answer(self, batch: list[_Queued]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, batch)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            return


def _apply(connection: Connection, queued: _Queued, scope: Transaction) -> None:
    """One operation in its own `scope`, a SAVEPOINT or a whole transaction: what it raises undoes only itself."""
    try:
        queued.result = queued.operation(connection)
        if isinstance(scope, NestedTransaction):
            scope.commit()
    except Exception as error:
        # Some errors (disk full, I/O) make SQLite undo the whole transaction: then there is no savepoint to go back
        # to, this raises in its turn, and the whole batch has failed.
        scope.rollback()
        queued.error = _unavailable(error) if _is_operational(error) else error


def _resolve(batch: list[_Queued]) -> None:
    """In the event loop: wake the tasks that wait."""
    for queued in batch:
        if queued.future.done():
            continue
        if queued.error is not None:
            queued.future.set_exception(queued.error)
        else:
            queued.future.set_result(queued.result)


def _is_operational(error: Exception) -> bool:
    """The database's fault, not the operation's: constraints and bad values are the operation's."""
    return isinstance(error, DBAPIError) and not isinstance(error, (IntegrityError, DataError))


def _unavailable(error: Exception) -> DatabaseUnavailable:
    if isinstance(error, DatabaseUnavailable):
        return error
    unavailable = DatabaseUnavailable(str(error.orig) if isinstance(error, DBAPIError) else str(error))
    unavailable.__cause__ = error
    return unavailable
