"""A ledger with one company that has no minutes yet; the audit is clean after every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.books import Books, add_company, open_books
from tests.support.databases import DIALECTS, new_database


@pytest.fixture(params=DIALECTS)
def books_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with company 1, of either kind."""
    with new_database(request.param, tmp_path, add_company) as url:
        yield url


@pytest.fixture
async def books(books_url: str) -> AsyncIterator[Books]:
    async with open_books(books_url) as books:
        yield books
        assert await books.findings() == []
