"""Group commit on SQLite: whatever waits, in one transaction, each operation in its own SAVEPOINT.

The disk is asked once for all that waited meanwhile, so the busier the daemon, the cheaper a commit.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from sqlalchemy import Connection, Engine, Transaction

from callcontrol.database.batch import Queued, error_of, fail
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.lock import claim_epoch, current_epoch
from callcontrol.database.prepared import prepared
from callcontrol.database.savepoint import BEGIN, KEEP, UNDO


class SqliteCommits:
    """Implements callcontrol.database.batch.Commits for the one thread that writes."""

    def __init__(self, engine: Engine, on_commit: Callable[[float, int], None] | None) -> None:
        """`engine`: of engines.write_engine."""
        self._engine = engine
        self._on_commit = on_commit
        self._connection: Connection | None = None
        self._epoch: int | None = None

    def store(self, batch: list[Queued]) -> bool:
        try:
            self._connection = self._connection or self._engine.connect()
            self._commit_together(self._connection, batch)
        except Exception as error:
            fail(batch, error)
            # Whatever state the connection is in: the next batch begins with a new one.
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _commit_together(self, connection: Connection, batch: list[Queued]) -> None:
        began = perf_counter()
        with connection.begin() as transaction:
            epoch = self._checked_epoch(connection)
            # In a quiet daemon most operations are alone, and may undo all of their transaction. Not the first one:
            # the claim of the epoch is in it.
            alone = len(batch) == 1 and epoch == self._epoch
            for queued in batch:
                if not queued.future.cancelled():
                    if alone:
                        _apply_alone(connection, queued, transaction)
                    else:
                        _apply(connection, queued)
        self._epoch = epoch
        if self._on_commit is not None:
            self._on_commit(perf_counter() - began, len(batch))

    def _checked_epoch(self, connection: Connection) -> int:
        """The first transaction claims the database; every later one makes sure that it still has it."""
        if self._epoch is None:
            return claim_epoch(connection)
        if current_epoch(prepared(connection)) != self._epoch:
            raise DatabaseUnavailable("another process has taken over the writes of this database")
        return self._epoch


def _apply_alone(connection: Connection, queued: Queued, transaction: Transaction) -> None:
    try:
        queued.result = queued.operation(connection)
    except Exception as error:
        transaction.rollback()
        queued.error = error_of(error)


def _apply(connection: Connection, queued: Queued) -> None:
    """One operation in a SAVEPOINT of its own: what it raises undoes only itself."""
    quick = prepared(connection)
    quick.execute(BEGIN)
    try:
        queued.result = queued.operation(connection)
        quick.execute(KEEP)
    except Exception as error:
        # Some errors (disk full, I/O) make SQLite undo the whole transaction: then there is no savepoint to go back
        # to, this raises in its turn, and the whole batch has failed.
        quick.execute(UNDO)
        quick.execute(KEEP)
        queued.error = error_of(error)
