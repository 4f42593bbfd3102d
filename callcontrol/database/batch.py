"""Operations that wait for the database, and running them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from callcontrol.database.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that wait for one another anyway. `lead` runs before them in the same transaction: it takes the lock
    that they all need, so that nobody else's can come between."""

    key: int
    lead: Callable[[Connection], object]


@dataclass(slots=True, eq=False)
class Queued:
    """An operation, and what came of it: `error`, or else `result`."""

    operation: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    group: Group | None = None
    repeatable: bool = False
    submitted_at: float = field(default_factory=monotonic)
    result: Any = None
    error: BaseException | None = None


class Commits(Protocol):
    """One connection on which batches are stored. For one thread."""

    def store(self, batch: list[Queued]) -> bool:
        """Run a batch, of one group, and give each operation its result or its error. Never raises.

        False: the database could not even be reached, which whoever waits need not find out again.
        """

    def close(self) -> None: ...


def fail(batch: list[Queued], error: Exception) -> None:
    """Nothing of them is stored."""
    for queued in batch:
        queued.error = unavailable(error)


def error_of(error: Exception) -> Exception:
    """What the caller is told of an error that its operation raised: the database's fault, or its own (constraints, bad
    values, its refusals)."""
    if isinstance(error, DBAPIError) and not isinstance(error, (IntegrityError, DataError)):
        return unavailable(error)
    return error


def unavailable(error: Exception) -> DatabaseUnavailable:
    if isinstance(error, DatabaseUnavailable):
        return error
    told = DatabaseUnavailable(str(error.orig) if isinstance(error, DBAPIError) else str(error))
    told.__cause__ = error
    return told
