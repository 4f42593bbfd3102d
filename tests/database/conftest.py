"""Migrated databases without anything in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import DIALECTS, new_database


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """On SQLite."""
    with new_database("sqlite", tmp_path) as url:
        yield url


@pytest.fixture(params=DIALECTS)
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """On SQLite and on PostgreSQL, one after the other."""
    with new_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def server_url(tmp_path: Path) -> Iterator[str]:
    """On PostgreSQL."""
    with new_database("postgresql", tmp_path) as url:
        yield url
