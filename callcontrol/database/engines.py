"""From a database URL to engines: one for the writer thread, one for reads in the event loop.

SQLite's pragmas (https://www.sqlite.org/pragma.html): WAL so that reads never wait for the writer,
`synchronous=FULL` so that a commit survives a power cut, `foreign_keys=ON` because it is off by default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, TextClause, create_engine, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from callcontrol.database import postgresql
from callcontrol.database.limits import Limits
from callcontrol.database.prepared import prepared

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for another process's lock (a backup, a check-up by hand) before it is unavailable."""


def is_sqlite(url: str | URL) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_file(url: str | URL) -> Path:
    """The database's file. ValueError for a SQLite in memory: it cannot be shared by the writer and the readers."""
    name = make_url(url).database
    if not name or name == ":memory:":
        raise ValueError("a SQLite database must be a file")
    return Path(name)


def write_engine(url: str | URL) -> Engine:
    """The synchronous engine of the one writer, and of migrations. On PostgreSQL of migrations alone: they take their
    time."""
    if not is_sqlite(url):
        return postgresql.endless_engine(url, Limits())
    engine = create_engine(make_url(url).set(drivername="sqlite+pysqlite"))
    _set_pragmas(engine, query_only=False)
    # The driver would begin a deferred transaction at the first write, and could then fail to upgrade its lock:
    # the writer takes the write lock when it begins.
    _begin_at_once_with(engine, text("BEGIN IMMEDIATE"))
    return engine


def read_engine(url: str | URL, limits: Limits) -> AsyncEngine:
    """The asynchronous engine of reads. Its connections cannot write."""
    if not is_sqlite(url):
        return postgresql.read_engine(url, limits)
    engine = create_async_engine(make_url(url).set(drivername="sqlite+aiosqlite"))
    _set_pragmas(engine.sync_engine, query_only=True)
    _begin_with(engine.sync_engine, "BEGIN")
    return engine


def sync_read_engine(url: str | URL) -> Engine:
    """The same for a thread of its own; SQLite only."""
    engine = create_engine(make_url(url).set(drivername="sqlite+pysqlite"))
    _set_pragmas(engine, query_only=True)
    _begin_at_once_with(engine, text("BEGIN"))
    return engine


def _set_pragmas(engine: Engine, *, query_only: bool) -> None:
    pragmas = [
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "foreign_keys = ON",
        *(["query_only = ON"] if query_only else ["journal_mode = WAL", "synchronous = FULL"]),
    ]

    @event.listens_for(engine, "connect")
    def set_pragmas(dbapi_connection: Any, _record: object) -> None:
        # None: the driver begins nothing by itself; SQLAlchemy's begin event does (below).
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin_at_once_with(engine: Engine, statement: TextClause) -> None:
    """The same for a synchronous engine, whose every transaction somebody waits for."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        prepared(connection).execute(statement)


def _begin_with(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)
