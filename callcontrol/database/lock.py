"""One process owns the writes of a SQLite database: a lock file, and an epoch that every transaction checks.

The lock file alone is not enough: it can be deleted by hand, or sit on a file system without locks. The epoch row
is the proof inside the database: who writes has counted it up, and who finds another epoch has lost the database.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from sqlalchemy import URL, CheckConstraint, Column, Connection, Integer, Table, text

from callcontrol.database.engines import sqlite_file
from callcontrol.database.errors import DatabaseInUse, DatabaseUnavailable
from callcontrol.database.metadata import metadata

ownership = Table(
    "ownership",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""One row: how often the writes of this database have changed hands."""

_CLAIM = text(
    "INSERT INTO ownership (id, epoch) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET epoch = ownership.epoch + 1"
    " RETURNING epoch"
)
_READ = text("SELECT epoch FROM ownership WHERE id = 1")


class DatabaseLock:
    """The lock file beside a SQLite database. Held until `release`, or until the process is gone, however it ends."""

    def __init__(self, url: str | URL) -> None:
        database = sqlite_file(url)
        self.path: Path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Raises DatabaseInUse at once when another process has it, DatabaseUnavailable without the file."""
        try:
            # The file is never deleted: a process that waits on a deleted file would lock something nobody sees.
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseUnavailable(f"{self.path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _pid_in(file)
            os.close(file)
            who = "(unknown)" if pid is None else pid
            raise DatabaseInUse(f"the database is in use by process {who}", pid) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> DatabaseLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def claim_epoch(connection: Connection) -> int:
    """Count the epoch up: from now on, writes of whoever had it before fail."""
    return int(connection.execute(_CLAIM).scalar_one())


def current_epoch(connection: Connection) -> int:
    return int(connection.execute(_READ).scalar_one())


def _pid_in(file: int) -> int | None:
    with suppress(ValueError, OSError):
        return int(os.pread(file, 32, 0))
    return None
