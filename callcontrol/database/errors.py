"""What can go wrong with the database as a whole. Each adapter turns these into its own port's errors."""

from __future__ import annotations


class DatabaseUnavailable(Exception):
    """The database did not answer, or could not commit: nothing was stored; repeat the operation."""


class DatabaseInUse(Exception):
    """Another process owns the writes. `pid` is that process, None where it could not be read."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"the database is in use by process {pid if pid is not None else '(unknown)'}")
        self.pid = pid


class DatabaseNotMigrated(Exception):
    """The schema is missing or is not this version's: run the migrations first."""
