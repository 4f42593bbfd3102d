"""The ledger port on SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.database import Database, DatabaseUnavailable, prepared
from callcontrol.engine.ports.ledger import (
    CallClosing,
    CallOpening,
    Cdr,
    Hold,
    LedgerUnavailable,
    NodeMark,
    OpenCall,
)
from callcontrol.ledger import accounts, authorisation, calls, marks, settlement
from callcontrol.ledger.authorisation import NothingLeft
from callcontrol.ledger.marks import LAST_MARK
from callcontrol.ledger.open_calls import OPEN_CALLS, open_call
from callcontrol.ledger.tables import accounts as accounts_table

T = TypeVar("T")

_ANYTHING = select(literal(1))
_HELD_TOTAL = select(func.coalesce(func.sum(accounts_table.c.held), 0))


class SqlLedger:
    """Implements callcontrol.engine.ports.ledger.Ledger. Writes go through the one writer, reads beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._broken: str | None = None
        """Why the last write was not stored."""

    async def authorise(self, opening: CallOpening) -> Hold | None:
        try:
            return await self._write(
                lambda connection: authorisation.authorise(connection, opening), opening.terms.company_id
            )
        except NothingLeft:
            return None

    async def record_answer(self, call_id: str, answered_at: datetime, *, company_id: int | None) -> None:
        await self._write(lambda connection: calls.record_answer(connection, call_id, answered_at), company_id)

    async def extend(self, call_id: str, until_minute: int, at: datetime, *, company_id: int | None) -> Hold | None:
        try:
            return await self._write(
                lambda connection: authorisation.extend(connection, call_id, until_minute, at), company_id
            )
        except NothingLeft:
            return None

    async def close(self, closing: CallClosing) -> Cdr:
        return await self._write(lambda connection: settlement.close(connection, closing), closing.company_id)

    async def open_calls(self, node: str) -> list[OpenCall]:
        async with self._reading() as connection:
            return [open_call(row) for row in await connection.execute(OPEN_CALLS, {"node": node})]

    async def mark_alive(self, node: str, mark: NodeMark) -> None:
        await self._write(lambda connection: marks.store(connection, node, mark), None)

    async def last_mark(self, node: str) -> NodeMark | None:
        async with self._reading() as connection:
            row = (await connection.execute(LAST_MARK, {"node": node})).one_or_none()
        return NodeMark(row.alive_at, row.asterisk_started_at, row.boot_id, row.clock_offset_s) if row else None

    async def held_total(self) -> int:
        async with self._reading() as connection:
            return int((await connection.execute(_HELD_TOTAL)).scalar_one())

    async def check_writable(self) -> None:
        """For readiness: an empty transaction of the writer's, and how its last real one ended (a node marks itself
        every few seconds): on a full disk only one that writes fails. Raises LedgerUnavailable."""
        await self._submit(lambda connection: connection.execute(_ANYTHING) and None, None)
        if self._broken is not None:
            raise LedgerUnavailable(self._broken)

    async def _write(self, operation: Callable[[Connection], T], company_id: int | None) -> T:
        try:
            result = await self._submit(lambda connection: operation(prepared(connection)), company_id)
        except LedgerUnavailable as error:
            self._broken = str(error)
            raise
        self._broken = None
        return result

    async def _submit(self, operation: Callable[[Connection], T], company_id: int | None) -> T:
        try:
            return await self._database.writer.submit(operation, accounts.group(company_id), repeatable=True)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.reading() as connection:
                yield connection
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(str(error)) from error
