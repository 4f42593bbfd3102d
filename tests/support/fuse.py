"""Database connections that are lost, or whose process dies, at a chosen moment of the writer's work.

Real connections of the real drivers: a fuse only counts what the writer does and then cuts. A process that dies is
played by its writer's thread: from that moment on it says nothing more, to the database or to whoever waits for it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

import psycopg
from sqlalchemy import Engine, event

_WRITER = "database-writer"
"""How the names of the writer's threads begin."""


class Killed(BaseException):
    """Ends a thread of the process that dies; nothing on the way takes it for an error."""


class Moment(StrEnum):
    STATEMENT = "statement"
    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit"
    """Stored, and nobody is told."""


@dataclass
class Fuse:
    """Blows once: at the statement of this number, if there are so many before the commit, or at the commit."""

    moment: Moment
    statements: int
    kills: bool
    """The process dies; else only its connection is lost."""
    commits: int = 1
    """Commits that pass before it begins to count."""
    blown: threading.Event = field(default_factory=threading.Event)
    left_open: list[Any] = field(default_factory=list)
    """Connections of the process that died."""

    def on_statement(self, connection: Any) -> None:
        if self.blown.is_set() and self.kills:
            # Every thread of a process dies.
            self._die(connection)
        if self.commits or self.blown.is_set() or self.moment is not Moment.STATEMENT:
            return
        self.statements -= 1
        if self.statements <= 0:
            self._blow(connection)

    def before_commit(self, connection: Any) -> None:
        if not self.commits and not self.blown.is_set() and self.moment is not Moment.AFTER_COMMIT:
            self._blow(connection)

    def after_commit(self, connection: Any) -> None:
        if self.commits:
            self.commits -= 1
        elif not self.blown.is_set():
            self._blow(connection)

    def _blow(self, connection: Any) -> None:
        self.blown.set()
        if self.kills:
            self._die(connection)
        connection.close()
        lost = sqlite3.OperationalError if isinstance(connection, sqlite3.Connection) else psycopg.OperationalError
        raise lost("the connection was lost: the test cut it")

    def _die(self, connection: Any) -> NoReturn:
        self.left_open.append(connection)
        raise Killed


_armed: Fuse | None = None


@contextmanager
def armed(fuse: Fuse) -> Iterator[None]:
    global _armed
    _armed = fuse
    try:
        yield
    finally:
        _armed = None
        for connection in fuse.left_open:
            connection.close()


def _fuse() -> Fuse | None:
    return _armed if threading.current_thread().name.startswith(_WRITER) else None


class _SqliteCursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if fuse := _fuse():
            fuse.on_statement(self.connection)
        return super().execute(*arguments)


class _SqliteConnection(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(_SqliteCursor)

    def commit(self) -> None:
        fuse = _fuse()
        if fuse:
            fuse.before_commit(self)
        super().commit()
        if fuse:
            fuse.after_commit(self)


class _PostgresqlCursor(psycopg.Cursor[Any]):
    def execute(self, *arguments: Any, **options: Any) -> Any:
        if fuse := _fuse():
            fuse.on_statement(self.connection)
        return super().execute(*arguments, **options)


@contextmanager
def fusible() -> Iterator[None]:
    """Connections that are made in here can be cut."""

    def connect(dialect: Any, _record: object, arguments: list[Any], options: dict[str, Any]) -> None:
        if dialect.driver == "pysqlite":
            options["factory"] = _SqliteConnection

    def connected(connection: Any, _record: object) -> None:
        if not isinstance(connection, psycopg.Connection):
            return
        store = connection.commit

        def commit() -> None:
            fuse = _fuse()
            if fuse:
                fuse.before_commit(connection)
            store()
            if fuse:
                fuse.after_commit(connection)

        connection.cursor_factory = _PostgresqlCursor
        connection.commit = commit  # type: ignore[method-assign]

    usual = threading.excepthook

    def unless_killed(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not Killed:
            usual(arguments)

    event.listen(Engine, "do_connect", connect)
    event.listen(Engine, "connect", connected)
    threading.excepthook = unless_killed
    try:
        yield
    finally:
        threading.excepthook = usual
        event.remove(Engine, "do_connect", connect)
        event.remove(Engine, "connect", connected)
