"""A fresh, migrated database of either kind for each test. Migrations take longer than most tests, so each process of
tests migrates one of a kind, and copies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, text

from callcontrol.database import upgrade
from callcontrol.database.engines import write_engine
from tests.support.postgresql import server

DIALECTS = ("sqlite", "postgresql")
Fill = Callable[[Connection], None]
"""A function of a module: what is filled by it is made once."""


def sqlite_url(directory: Path) -> str:
    return f"sqlite:///{directory / 'callcontrol.db'}"


@contextmanager
def new_database(dialect: str, directory: Path, fill: Fill | None = None) -> Iterator[str]:
    """The URL of a database that ends with the block, with what `fill` puts into it."""
    if dialect == "sqlite":
        new_sqlite(directory, fill)
        yield sqlite_url(directory)
        return
    name = server().create(_postgresql(fill))
    yield server().url(name)
    server().drop(name)


def new_sqlite(directory: Path, fill: Fill | None = None) -> None:
    (directory / "callcontrol.db").write_bytes(_sqlite(fill))


@cache
def _sqlite(fill: Fill | None) -> bytes:
    with TemporaryDirectory() as directory:
        make_database(sqlite_url(Path(directory)), fill)
        # The last connection to close has left everything in the one file.
        return (Path(directory) / "callcontrol.db").read_bytes()


@cache
def _postgresql(fill: Fill | None) -> str:
    name = server().create()
    make_database(server().url(name), fill)
    return name


def make_database(url: str, fill: Fill | None = None) -> None:
    """Migrate an empty database, and fill it."""
    upgrade(url)
    if fill is None:
        return
    engine = write_engine(url)
    with engine.begin() as connection:
        fill(connection)
    engine.dispose()


def take_guards_away(connection: Connection) -> None:
    """As a hand at the database would that wants to break the books: no triggers, checks and references any more."""
    if connection.dialect.name == "sqlite":
        for trigger in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        return
    # References are triggers too.
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    checks = text("SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0")
    for table, check in connection.execute(checks).all():
        connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {check}"))
