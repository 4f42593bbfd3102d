"""What can go wrong with the database as a whole. Each adapter turns these into its own port's errors."""

from __future__ import annotations


class DatabaseUnavailable(Exception):
    """The database did not answer, or could not commit: nothing was stored; repeat the operation. Of one that must not
    be done twice, the message says where nobody knows whether it was stored."""


class DatabaseInUse(Exception):
    """Another process is what this one wants to be: the only one to write (SQLite), or the only daemon of its node
    (PostgreSQL). `pid`: that process, where it is of this machine and could be read."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class DatabaseNotMigrated(Exception):
    """The schema is missing or is not this version's: run the migrations first."""
