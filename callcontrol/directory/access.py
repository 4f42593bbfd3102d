"""How the directory's stores reach the database, and how its failures become administration's one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from callcontrol.database import Database, DatabaseUnavailable
from callcontrol.directory.tokens import KeyUnusable, TokenVault
from callcontrol.engine.admin.errors import AdminError, ErrorKind, conflict

T = TypeVar("T")


class Access:
    """Base of the stores: reads are one snapshot, writes one transaction, both durable or not at all."""

    def __init__(self, database: Database, vault: TokenVault) -> None:
        self._database = database
        self._vault = vault

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            async with self._database.reading() as connection:
                return await connection.run_sync(query)
        except DatabaseUnavailable as error:
            raise _unavailable(error) from error

    async def _write(self, operation: Callable[[Connection], T], *, in_use: str | None = None) -> T:
        """`in_use` says what it means when something else in the database forbids the operation."""
        try:
            return await self._database.writer.submit(operation)
        except DatabaseUnavailable as error:
            raise _unavailable(error) from error
        except KeyUnusable as error:
            raise AdminError(str(error), ErrorKind.UNAVAILABLE) from error
        except IntegrityError as error:
            raise conflict(in_use or f"something that is there already forbids it: {error.orig}") from error


def _unavailable(error: DatabaseUnavailable) -> AdminError:
    return AdminError(f"the database does not answer: {error}", ErrorKind.UNAVAILABLE)
