"""PostgreSQL as this project uses it: psycopg, and a limit on every wait.

The server ends statements, waits for locks and idle transactions by itself (statement_timeout, lock_timeout,
idle_in_transaction_session_timeout: https://www.postgresql.org/docs/current/runtime-config-client.html); TCP gives up a
peer that acknowledges nothing (keepalives, tcp_user_timeout:
https://www.postgresql.org/docs/current/libpq-connect.html). What acknowledges and never answers, a frozen server or a
proxy that swallows, only a limit of our own ends.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from sqlalchemy import URL, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from callcontrol.database.limits import Limits

T = TypeVar("T")

DRIVER = "postgresql+psycopg"
READERS = 8
"""Connections of the event loop's reads."""
APPLICATION = "callcontrol"


class PatientConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer as long as its limit says, and is closed after that: what would come later
    would be taken for the answer to something else."""

    silence_s: float | None = None

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, self.silence_s if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError(f"the server did not answer within {self.silence_s:g} s") from None


class PatientAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same in the event loop."""

    silence_s: float | None = None

    async def wait(
        self,
        gen: Generator[Any, Any, T],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - the driver's own signature
    ) -> T:
        try:
            return await super().wait(gen, interval, self.silence_s if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise
            await self.close()
            raise psycopg.OperationalError(f"the server did not answer within {self.silence_s:g} s") from None


def write_engine(url: str | URL, limits: Limits) -> Engine:
    """A connection for each writing thread, in transactions that see what is committed before each statement."""
    return _engine(url, limits, limits.silence_s, limits.writers, isolation_level="READ COMMITTED")


def endless_engine(url: str | URL, limits: Limits) -> Engine:
    """One connection for what may take its time, a migration or a check of all the books: no statement is too long."""
    endless = replace(limits, statement_timeout_s=0, idle_in_transaction_timeout_s=0)
    return _engine(url, endless, None, 1, isolation_level="REPEATABLE READ")


def read_engine(url: str | URL, limits: Limits) -> AsyncEngine:
    """Read-only transactions of one moment."""
    # A server that was restarted costs a check, not a failed read.
    return _async_engine(
        url,
        _arguments_to_read(url, limits),
        limits,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        **_pool(limits),
    )


def ask_engine(url: str | URL, limits: Limits) -> AsyncEngine:
    """Single statements, each its own read-only transaction: one way to the server and back."""
    return _async_engine(url, _arguments_to_read(url, limits), limits, isolation_level="AUTOCOMMIT", **_pool(limits))


def lock_engine(url: str | URL, limits: Limits, *, application: str) -> AsyncEngine:
    """For locks of a session: one that is closed is gone."""
    arguments = _connect_args(url, limits, application)
    return _async_engine(url, arguments, limits, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def failed_for_good(error: BaseException) -> bool:
    """Whether trying again would be in vain: the server was there, and said no to this very statement."""
    if not isinstance(error, DBAPIError):
        return True
    code = getattr(error.orig, "sqlstate", None)
    if code is None:
        # Not the server's words but the connection's: lost, refused, silent.
        return not isinstance(error.orig, (psycopg.OperationalError, psycopg.InterfaceError))
    return not (code in _PASSING or code.startswith(_CONNECTION_ENDED))


def lost_connection(error: BaseException) -> bool:
    """Whether the connection ended before its answer, so that a commit may or may not have been carried out."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", None)
    return code is None or code.startswith(_CONNECTION_ENDED)


_PASSING = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available: lock_timeout
        "25006",  # read_only_sql_transaction: connected to what is a standby since a failover
        "25P03",  # idle_in_transaction_session_timeout
        "53300",  # too_many_connections
    }
)
_CONNECTION_ENDED = ("08", "57P")
"""Connection exceptions; shutdown, crash, starting up."""


def _engine(
    url: str | URL, limits: Limits, silence_s: float | None, connections: int, *, isolation_level: str
) -> Engine:
    def connect() -> PatientConnection:
        connection = PatientConnection.connect(**parameters)
        connection.silence_s = silence_s
        return connection

    located = _url(url)
    engine = create_engine(
        located, creator=connect, pool_size=connections, max_overflow=0, isolation_level=isolation_level
    )
    _, from_url = engine.dialect.create_connect_args(located)
    parameters: dict[str, Any] = {**from_url, **_connect_args(url, limits, APPLICATION)}
    return engine


def _arguments_to_read(url: str | URL, limits: Limits) -> dict[str, Any]:
    return _connect_args(url, limits, APPLICATION, default_transaction_read_only="on")


def _pool(limits: Limits) -> dict[str, Any]:
    return {"pool_size": READERS, "max_overflow": 0, "pool_timeout": limits.statement_timeout_s}


def _async_engine(url: str | URL, arguments: dict[str, Any], limits: Limits, **options: Any) -> AsyncEngine:
    async def connect(**parameters: Any) -> PatientAsyncConnection:
        connection = await PatientAsyncConnection.connect(**parameters)
        connection.silence_s = limits.silence_s
        return connection

    return create_async_engine(_url(url), connect_args={**arguments, "async_creator_fn": connect}, **options)


def _url(url: str | URL) -> URL:
    return make_url(url).set(drivername=DRIVER)


def _connect_args(url: str | URL, limits: Limits, application: str, **more: str) -> dict[str, Any]:
    """What the URL itself says goes before our own."""
    query = make_url(url).query
    silent_s = max(1, round(limits.tcp_timeout_s))
    # Half of the time passes in silence, in the other half the peer is asked twice. On both sides: a daemon whose
    # machine is gone must not keep its locks for the two hours that Linux would wait.
    idle_s, interval_s, count = max(1, silent_s // 2), max(1, silent_s // 4), 2
    settings = {
        "statement_timeout": _ms(limits.statement_timeout_s),
        "lock_timeout": _ms(limits.lock_timeout_s),
        "idle_in_transaction_session_timeout": _ms(limits.idle_in_transaction_timeout_s),
        "tcp_keepalives_idle": idle_s,
        "tcp_keepalives_interval": interval_s,
        "tcp_keepalives_count": count,
        "tcp_user_timeout": silent_s * 1000,
        **more,
    }
    own = {
        "connect_timeout": max(2, round(limits.connect_timeout_s)),
        "keepalives_idle": idle_s,
        "keepalives_interval": interval_s,
        "keepalives_count": count,
        "tcp_user_timeout": silent_s * 1000,
        "application_name": application,
        # Of several hosts (a failover), the one that takes writes.
        "target_session_attrs": "primary",
    }
    args: dict[str, Any] = {name: value for name, value in own.items() if name not in query}
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    args["options"] = f"{ours} {query.get('options', '')}".rstrip()
    return args


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
