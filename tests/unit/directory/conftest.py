"""A real database with the shipped schema, and the two faces of the directory on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcontrol.database import Database, open_database, upgrade
from callcontrol.directory.directory import SqlDirectory
from callcontrol.directory.store import SqlDirectoryStore
from callcontrol.directory.tokens import TokenVault


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "token.key"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'callcontrol.db'}"
    upgrade(url)
    async with open_database(url) as database:
        yield database


@pytest.fixture
def store(database: Database, key_file: Path) -> SqlDirectoryStore:
    return SqlDirectoryStore(database, TokenVault(key_file))


@pytest.fixture
def directory(database: Database, key_file: Path) -> SqlDirectory:
    return SqlDirectory(database, TokenVault(key_file))
