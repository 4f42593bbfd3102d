"""Bringing the schema up to date, and telling whether it is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from callcontrol.database import postgresql
from callcontrol.database.engines import is_sqlite, sqlite_file, write_engine
from callcontrol.database.errors import DatabaseUnavailable
from callcontrol.database.limits import Limits
from callcontrol.database.node_lock import lock_schema


def upgrade(url: str | URL) -> None:
    """Apply every migration that is missing, all in one transaction. Safe to repeat.

    Raises DatabaseUnavailable, and on PostgreSQL DatabaseInUse: a schema is never changed under a daemon. On SQLite the
    caller has the lock.
    """
    config = _config()
    if is_sqlite(url):
        with suppress(OSError):
            # Numbers and names are nobody else's to read; what SQLite adds beside the file takes over its mode.
            sqlite_file(url).touch(mode=0o600)
    engine = write_engine(url)
    try:
        with engine.connect() as connection:
            if is_sqlite(url):
                # SQLite changes many things of a table by making it anew: dropping the old one must not take along the
                # rows that refer to it (https://www.sqlite.org/lang_altertable.html#otheralter).
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                if not is_sqlite(url) and not _is_current(connection):
                    lock_schema(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                if is_sqlite(url):
                    _check_references(connection)
    except DBAPIError as error:
        raise DatabaseUnavailable(str(error.orig)) from error
    finally:
        engine.dispose()


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise DatabaseUnavailable(f"the migrated schema would lose references, first {tuple(broken[0])}")


def is_current(url: str | URL, limits: Limits | None = None) -> bool:
    """Whether the schema is exactly this version's. Raises DatabaseUnavailable."""
    # Looking must not create the file, nor a folder's complaint about it.
    if is_sqlite(url) and not sqlite_file(url).exists():
        return False
    engine = write_engine(url) if is_sqlite(url) else postgresql.write_engine(url, limits or Limits())
    try:
        with engine.connect() as connection:
            return _is_current(connection)
    except DBAPIError as error:
        raise DatabaseUnavailable(str(error.orig)) from error
    finally:
        engine.dispose()


def _is_current(connection: Connection) -> bool:
    applied = MigrationContext.configure(connection).get_current_heads()
    return set(applied) == set(ScriptDirectory.from_config(_config()).get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations").replace("%", "%%"))
    # Alembic splits lists of paths by this; without it, it warns.
    config.set_main_option("path_separator", "os")
    return config
