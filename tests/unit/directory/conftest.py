"""A real database with the shipped schema, the two faces of the directory on it, and the service before both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callcontrol.database import Database, open_database
from callcontrol.directory import SqlDirectory, SqlDirectoryStore, TokenVault
from callcontrol.engine.admin.service import AdminService
from callcontrol.ledger.administration import SqlMinutesAdministration
from tests.support.databases import DIALECTS, new_database
from tests.unit.directory.support import AT, Administration


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "token.key"


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with new_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as database:
        yield database


@pytest.fixture
def store(database: Database, key_file: Path) -> SqlDirectoryStore:
    return SqlDirectoryStore(database, TokenVault(key_file))


@pytest.fixture
def directory(database: Database, key_file: Path) -> SqlDirectory:
    return SqlDirectory(database, TokenVault(key_file))


@pytest.fixture
def admin(database: Database, store: SqlDirectoryStore) -> Administration:
    told: list[str] = []
    service = AdminService(
        store,
        SqlMinutesAdministration(database),
        emergency_codes=frozenset({"190", "193"}),
        now=lambda: AT,
        on_softphones_changed=lambda: told.append("softphones"),
    )
    return Administration(service, told)
