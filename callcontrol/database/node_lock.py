"""One daemon per node name on a PostgreSQL database, and no daemon during a migration.

Session locks (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS), which the server releases
however the daemon ends: on a connection of their own, looked at again and again, taken anew after a lost connection.
They guard a node's calls, which two daemons of one name would both recover. Minutes need no such guard, their keys and
their company's row are enough: so for the moments in which the lock is lost and nobody else has it, writes go on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256
from typing import NoReturn

import structlog
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcontrol.database import postgresql
from callcontrol.database.batch import unavailable
from callcontrol.database.errors import DatabaseInUse, DatabaseUnavailable
from callcontrol.database.limits import Limits

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 2.0
_CLASS = int.from_bytes(b"call", "big")
"""The first of a lock's two numbers: ours among those of whoever else uses the database."""
_SCHEMA = 0
"""The second number: the schema's, which daemons share; or a node's, from its name."""
_LOCK_TIMEOUT = "55P03"

_SHARE = text("SELECT pg_advisory_lock_shared(:class, :number)")
_TAKE = text("SELECT pg_advisory_lock(:class, :number)")
_TAKE_FOR_TRANSACTION = text("SELECT pg_advisory_xact_lock(:class, :number)")
_HOLDERS = text(
    "SELECT a.application_name, coalesce(host(a.client_addr), 'this machine') AS address FROM pg_locks l"
    " JOIN pg_database d ON d.oid = l.database JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
    " AND l.classid = CAST(:class AS oid) AND l.objid = CAST(:number AS oid) AND l.pid <> pg_backend_pid()"
)
_MYSELF = text("SELECT pid, backend_start AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_END = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :since")


class NodeLock:
    """Held from `acquire` to `release`, or until the process is gone; `keep` tells when another daemon has taken it."""

    def __init__(self, url: str | URL, node: str, limits: Limits) -> None:
        self._node = node
        self._number = int.from_bytes(sha256(node.encode()).digest()[:4], "big") >> 1 or 1
        self._engine = postgresql.lock_engine(url, limits, application=f"{postgresql.APPLICATION} {node}")
        self._connection: AsyncConnection | None = None
        self._session: dict[str, object] = {}
        """The server's own words for the session that has or had the lock."""

    @property
    def lost(self) -> bool:
        """Taken once, and not now."""
        return bool(self._session) and self._connection is None

    async def acquire(self) -> None:
        """Raises DatabaseInUse (another daemon of this name, or a migration), DatabaseUnavailable."""
        try:
            self._connection = await self._engine.connect()
            if self._session:
                # Lost to us, and perhaps not yet to the server: our own ghost is not another daemon.
                await self._connection.execute(_END, self._session)
            await self._lock(_SHARE, _SCHEMA, "a migration changes the schema of the database")
            await self._lock(_TAKE, self._number, f"node {self._node!r} is in use by another daemon")
            self._session = dict((await self._connection.execute(_MYSELF)).one()._mapping)
        except DBAPIError as error:
            await self._disconnect()
            raise unavailable(error) from error
        except DatabaseInUse:
            await self._disconnect()
            raise

    async def keep(self) -> NoReturn:
        """Until it is another daemon's: raises DatabaseInUse."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                if self._connection is not None:
                    await self._connection.execute(_MYSELF)
                else:
                    await self.acquire()
                    log.warning("database.node_lock_taken_again", node=self._node)
            except (DBAPIError, DatabaseUnavailable) as error:
                log.warning("database.node_lock_lost", node=self._node, error=str(unavailable(error)))
                await self._disconnect()

    async def release(self) -> None:
        await self._disconnect()
        await self._engine.dispose()

    async def _lock(self, statement: object, number: int, refused: str) -> None:
        """Waits as long as for any lock: who was killed a moment ago may still have it."""
        assert self._connection is not None
        try:
            await self._connection.execute(statement, {"class": _CLASS, "number": number})  # type: ignore[call-overload]
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_TIMEOUT:
                raise
            found = await self._connection.execute(_HOLDERS, {"class": _CLASS, "number": number})
            where = ", ".join(sorted({row.address for row in found}))
            raise DatabaseInUse(f"{refused} (on {where})" if where else refused) from error

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                await connection.close()


def lock_schema(connection: Connection) -> None:
    """Until the end of the transaction no daemon uses the schema. Raises DatabaseInUse, naming those that do.

    Waits as long as for any lock: the server frees a daemon's a moment after the daemon is gone.
    """
    numbers = {"class": _CLASS, "number": _SCHEMA}
    waiting = connection.begin_nested()
    try:
        connection.execute(_TAKE_FOR_TRANSACTION, numbers)
        waiting.commit()
    except DBAPIError as error:
        waiting.rollback()
        if getattr(error.orig, "sqlstate", None) != _LOCK_TIMEOUT:
            raise
        users = connection.execute(_HOLDERS, numbers)
        words = sorted({f"{row.application_name} (on {row.address})" for row in users})
        raise DatabaseInUse(f"the database is in use by {', '.join(words) or 'a daemon'}") from error
