"""Writing: threads that commit waiting operations together, and tell whoever waits once it is stored.

On SQLite one thread with one connection commits whatever waits (ADR 3). On PostgreSQL several do, each a group's
operations at a time (ADR 10).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import TypeVar

from sqlalchemy import URL, Connection

from callcontrol.database import postgresql
from callcontrol.database.batch import Commits, Group, Queued, fail
from callcontrol.database.engines import is_sqlite, write_engine
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.limits import Limits
from callcontrol.database.line import WaitingLine
from callcontrol.database.postgresql_commits import PostgresqlCommits
from callcontrol.database.sqlite_commits import SqliteCommits

T = TypeVar("T")

QUEUE_LIMIT = 2_000
"""Operations that may wait; one more is refused. At a disk's worst this is seconds of work, not minutes."""
BATCH_LIMIT = 64
"""Operations in one commit at most: bounds how long the first of them waits for the last."""


class Writer:
    """Owns all writes. Started and closed in the event loop whose tasks submit.

    `on_commit(seconds, operations)` is called in a writing thread after each commit, for metrics.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        limits: Limits | None = None,
        queue_limit: int = QUEUE_LIMIT,
        on_commit: Callable[[float, int], None] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._one_at_a_time = is_sqlite(url)
        writers: list[Commits]
        if self._one_at_a_time:
            self._engine = write_engine(url)
            writers = [SqliteCommits(self._engine, on_commit)]
        else:
            self._engine = postgresql.write_engine(url, self._limits)
            writers = [PostgresqlCommits(self._engine, self._limits, on_commit) for _ in range(self._limits.writers)]
        self._queue_limit = queue_limit
        self._line = WaitingLine()
        self._changed = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # Daemon threads: a process that dies by an error must not wait for them; `close` is what drains.
        self._threads = [
            threading.Thread(target=self._run, args=(commits,), name=f"database-writer-{number}", daemon=True)
            for number, commits in enumerate(writers, 1)
        ]

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def submit(
        self, operation: Callable[[Connection], T], group: Group | None = None, *, repeatable: bool = False
    ) -> T:
        """Run `operation` in a writing thread and return its result once it is committed.

        `group`: those it goes together with, in the order in which they were submitted. `repeatable`: done twice it
        is done once, so that it may be run again where nobody knows whether it was stored.

        An operation that raises undoes only itself, and its exception is raised here; it may be run more than once
        before that. DatabaseUnavailable: the database did not answer or the commit failed, nothing of the operation is
        stored; it may be repeated. Of an operation that is not `repeatable` the message may say that nobody knows. A
        task that is cancelled while it waits here cannot know either.
        """
        queued = Queued(operation, asyncio.get_running_loop().create_future(), group, repeatable)
        with self._changed:
            if self._closing or not any(thread.is_alive() for thread in self._threads):
                raise DatabaseUnavailable("the database is closed")
            if len(self._line) >= self._queue_limit:
                raise DatabaseUnavailable(f"{self._queue_limit} operations are already waiting for the database")
            self._line.put(self._key(queued), queued)
            self._changed.notify()
        result: T = await queued.future
        return result

    async def close(self) -> None:
        """Refuse new operations, finish those that wait, close the connections."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join)
        self._engine.dispose()

    def _key(self, queued: Queued) -> Hashable:
        if self._one_at_a_time:
            return None
        return queued if queued.group is None else queued.group.key

    def _run(self, commits: Commits) -> None:
        while taken := self._next():
            key, batch = taken
            reached = commits.store(batch)
            with self._changed:
                self._line.done(key)
                if not reached:
                    # Each of these would find out for itself, one after the other, and wait for it all the while.
                    late = self._line.drop(monotonic() - self._limits.retry_s)
                    fail(late, DatabaseUnavailable("the database cannot be reached"))
                    batch += late
                self._changed.notify()
            self._answer(batch)
        commits.close()

    def _next(self) -> tuple[Hashable, list[Queued]] | None:
        """Wait for operations and take them; None when closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._line.ready or self._closing)
            return self._line.take(BATCH_LIMIT) if self._line.ready else None

    def _answer(self, batch: list[Queued]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, batch)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            return


def _resolve(batch: list[Queued]) -> None:
    """In the event loop: wake the tasks that wait."""
    for queued in batch:
        if queued.future.done():
            continue
        if queued.error is not None:
            queued.future.set_exception(queued.error)
        else:
            queued.future.set_result(queued.result)
