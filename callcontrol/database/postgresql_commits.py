"""Group commit on PostgreSQL, where other daemons write too: the operations of one group in one transaction that begins
with the group's lock (docs/adr/0010-one-transaction-per-company-on-postgresql.md)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from time import monotonic, perf_counter

from psycopg import pq
from sqlalchemy import Connection, Engine, Transaction

from callcontrol.database.batch import Queued, error_of, fail
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.limits import Limits
from callcontrol.database.postgresql import failed_for_good, lost_connection
from callcontrol.database.prepared import prepared
from callcontrol.database.savepoint import BEGIN, KEEP, UNDO

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5

_UNKNOWN = (
    "the connection was lost while the change was being committed: it may or may not be stored;"
    " look before you repeat it"
)


class _InDoubt(Exception):
    """The commit was asked for and never confirmed."""


class PostgresqlCommits:
    """Implements callcontrol.database.batch.Commits for one of the threads that write.

    What the server took back (a deadlock) or never got (a lost connection, a failover) is tried again until the oldest
    of the batch has waited as long as `limits.retry_s` says. Where the commit itself was not confirmed, only operations
    that may be done twice are.
    """

    def __init__(self, engine: Engine, limits: Limits, on_commit: Callable[[float, int], None] | None) -> None:
        """`engine`: of postgresql.write_engine; all writing threads share it, each with a connection of its own."""
        self._engine = engine
        self._limits = limits
        self._on_commit = on_commit
        self._connection: Connection | None = None

    def store(self, batch: list[Queued]) -> bool:
        until = min(queued.submitted_at for queued in batch) + self._limits.retry_s
        pause_s = FIRST_PAUSE_S
        while True:
            connected = False
            try:
                self._connection = self._connection or self._engine.connect()
                connected = True
                self._commit_together(self._connection, batch)
            except Exception as error:
                self._disconnect()
                cause: Exception = error
                if isinstance(error, _InDoubt) and isinstance(error.__cause__, Exception):
                    cause = error.__cause__
                    batch = _repeatable(batch)
                    if not batch:
                        return True
                # Half of the pause is chance: who met once in a deadlock need not meet again.
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S) * random.uniform(0.5, 1)
                if failed_for_good(cause) or monotonic() + pause_s > until:
                    fail(batch, cause)
                    return connected
                time.sleep(pause_s)
            else:
                return True

    def close(self) -> None:
        self._disconnect()

    def _commit_together(self, connection: Connection, batch: list[Queued]) -> None:
        began = perf_counter()
        asked = [queued for queued in batch if not queued.future.cancelled()]
        transaction = connection.begin()
        try:
            if asked and asked[0].group is not None:
                asked[0].group.lead(connection)
            for queued in asked:
                # One that is alone may undo all of its transaction.
                if len(asked) == 1:
                    _apply_alone(connection, queued, transaction)
                else:
                    _apply(connection, queued)
        except Exception:
            transaction.rollback()
            raise
        if not transaction.is_active:
            return
        try:
            transaction.commit()
        except Exception as error:
            if lost_connection(error):
                raise _InDoubt from error
            raise
        if self._on_commit is not None:
            self._on_commit(perf_counter() - began, len(batch))

    def _disconnect(self) -> None:
        """Whatever state it is in, and whatever server it leads to: the next attempt begins with a new one."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _apply_alone(connection: Connection, queued: Queued, transaction: Transaction) -> None:
    queued.result = queued.error = None
    try:
        queued.result = queued.operation(connection)
        _make_sure(connection)
    except Exception as error:
        if not failed_for_good(error):
            raise
        transaction.rollback()
        queued.error = error_of(error)


def _apply(connection: Connection, queued: Queued) -> None:
    """One operation in a SAVEPOINT of its own: what it raises undoes only itself. Raises what undoes all of the
    transaction."""
    queued.result = queued.error = None
    quick = prepared(connection)
    quick.execute(BEGIN)
    try:
        queued.result = queued.operation(connection)
        _make_sure(connection)
        quick.execute(KEEP)
    except Exception as error:
        if not failed_for_good(error):
            raise
        quick.execute(UNDO)
        quick.execute(KEEP)
        queued.error = error_of(error)


def _make_sure(connection: Connection) -> None:
    """PostgreSQL answers the COMMIT of a transaction that has failed with a ROLLBACK, and that is no error."""
    driver = connection.connection.driver_connection
    assert driver is not None
    if driver.info.transaction_status == pq.TransactionStatus.INERROR:
        raise DatabaseUnavailable("an operation hid an error of the database: nothing was stored")


def _repeatable(batch: list[Queued]) -> list[Queued]:
    for queued in batch:
        if not queued.repeatable and queued.error is None:
            queued.error = DatabaseUnavailable(_UNKNOWN)
    return [queued for queued in batch if queued.repeatable]
