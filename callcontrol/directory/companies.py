"""Companies in the database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from callcontrol.directory.access import Access
from callcontrol.directory.tables import companies
from callcontrol.engine.admin.errors import conflict, not_found
from callcontrol.engine.admin.store import Changes, NewCompany
from callcontrol.engine.admin.views import CompanyView

_FIELDS = tuple(name for name in CompanyView.__struct_fields__)
_COLUMNS = tuple(companies.c[name] for name in _FIELDS)


def company_id(connection: Connection, slug: str) -> int:
    """Raises AdminError (not found)."""
    found: int | None = connection.scalar(select(companies.c.id).where(companies.c.slug == slug))
    if found is None:
        raise not_found(f"there is no company {slug!r}: `callcontrol company list` shows them")
    return found


def _view(row: Row[*tuple[Any, ...]]) -> CompanyView:
    return CompanyView(**row._mapping)


def _get(connection: Connection, slug: str) -> CompanyView:
    found = company_id(connection, slug)
    return _view(connection.execute(select(*_COLUMNS).where(companies.c.id == found)).one())


class SqlCompanies(Access):
    """Implements engine.admin.store.CompanyStore."""

    async def add_company(self, new: NewCompany, at: datetime) -> CompanyView:
        def add(connection: Connection) -> CompanyView:
            if connection.scalar(select(companies.c.id).where(companies.c.slug == new.slug)) is not None:
                raise conflict(f"there is a company {new.slug!r} already: give another --slug")
            connection.execute(insert(companies).values(created_at=at, **asdict(new)))
            return _get(connection, new.slug)

        return await self._write(add)

    async def companies(self) -> list[CompanyView]:
        query = select(*_COLUMNS).order_by(companies.c.slug)
        return await self._read(lambda connection: [_view(row) for row in connection.execute(query)])

    async def company(self, slug: str) -> CompanyView:
        return await self._read(lambda connection: _get(connection, slug))

    async def change_company(self, slug: str, changes: Changes) -> CompanyView:
        def change(connection: Connection) -> CompanyView:
            found = company_id(connection, slug)
            connection.execute(update(companies).where(companies.c.id == found).values(**changes))
            return _get(connection, slug)

        return await self._write(change)

    async def remove_company(self, slug: str) -> None:
        def remove(connection: Connection) -> None:
            found = company_id(connection, slug)
            connection.execute(delete(companies).where(companies.c.id == found))

        await self._write(
            remove,
            in_use=f"the ledger has calls or minutes of company {slug!r}, and its history is never lost: "
            f"block it with `callcontrol company set {slug} --blocked`",
        )
