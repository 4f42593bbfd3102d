"""Administration without a daemon: the command line owns the database for as long as its command takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from callcontrol.cli.exits import unavailable
from callcontrol.config import Config
from callcontrol.database import (
    Database,
    DatabaseInUse,
    DatabaseLock,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    is_sqlite,
    open_database,
    upgrade,
)
from callcontrol.directory import SqlDirectoryStore, TokenVault
from callcontrol.engine.admin.service import AdminService
from callcontrol.ledger.administration import SqlMinutesAdministration


@asynccontextmanager
async def administration(config: Config) -> AsyncIterator[AdminService]:
    """Raises DatabaseInUse, and AdminError where the database cannot be used."""
    async with _opened(config) as database:
        yield AdminService(
            _store(config, database),
            SqlMinutesAdministration(database),
            emergency_codes=frozenset(config.calls.emergency_codes),
        )


async def migrate(config: Config) -> None:
    """Bring the schema up to date, make the token key where there is none yet, count calls that no report has counted.

    Raises DatabaseInUse (a schema is never changed under a daemon) and AdminError.
    """
    url = config.database.url
    try:
        with DatabaseLock(url) if is_sqlite(url) else nullcontext():
            upgrade(url)
    except DatabaseInUse:
        raise
    except Exception as error:
        raise _unusable(error) from error
    async with _opened(config) as database:
        await _store(config, database).ensure_token_key()
        await SqlMinutesAdministration(database).count_calls()


def _store(config: Config, database: Database) -> SqlDirectoryStore:
    return SqlDirectoryStore(database, TokenVault(config.security.key_file))


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Database]:
    opening = open_database(config.database.url, config.database.limits())
    try:
        database = await opening.__aenter__()
    except DatabaseInUse:
        raise
    except Exception as error:
        raise _unusable(error) from error
    try:
        yield database
    finally:
        await opening.__aexit__(None, None, None)


def _unusable(error: Exception) -> Exception:
    """Whatever a URL that no driver understands, or a driver that is not installed, raises: one line about it."""
    if isinstance(error, DatabaseNotMigrated):
        return unavailable(str(error))
    hint = "" if isinstance(error, DatabaseUnavailable) else ", see [database] url"
    return unavailable(f"the database cannot be used{hint}: {error}")
