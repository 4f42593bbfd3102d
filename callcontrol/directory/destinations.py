"""Which destinations companies may call, in the database (D14)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callcontrol.directory.access import Access
from callcontrol.directory.companies import company_id
from callcontrol.directory.tables import companies, destinations
from callcontrol.domain.destinations import DestinationRule
from callcontrol.engine.admin.errors import not_found
from callcontrol.engine.admin.views import DestinationView

_RULES: Select[*tuple[Any, ...]] = (
    select(
        companies.c.slug.label("company"),
        destinations.c.prefix,
        destinations.c.allowed,
        destinations.c.changed_at,
        destinations.c.changed_by,
    )
    .join_from(destinations, companies, destinations.c.company_id == companies.c.id)
    .order_by(destinations.c.prefix)
)


class SqlDestinations(Access):
    """Implements engine.admin.store.DestinationStore."""

    async def set_destination(self, company: str, rule: DestinationRule, at: datetime, actor: str) -> DestinationView:
        def put(connection: Connection) -> DestinationView:
            found = company_id(connection, company)
            this = (destinations.c.company_id == found) & (destinations.c.prefix == rule.prefix)
            values = {"allowed": rule.allowed, "changed_at": at, "changed_by": actor}
            if connection.execute(update(destinations).where(this).values(**values)).rowcount == 0:
                connection.execute(insert(destinations).values(company_id=found, prefix=rule.prefix, **values))
            return DestinationView(**connection.execute(_RULES.where(this)).one()._mapping)

        return await self._write(put)

    async def destinations(self, company: str) -> list[DestinationView]:
        def read(connection: Connection) -> list[DestinationView]:
            rows = connection.execute(_RULES.where(destinations.c.company_id == company_id(connection, company)))
            return [DestinationView(**row._mapping) for row in rows]

        return await self._read(read)

    async def remove_destination(self, company: str, prefix: str) -> None:
        def remove(connection: Connection) -> None:
            found = company_id(connection, company)
            this = (destinations.c.company_id == found) & (destinations.c.prefix == prefix)
            if connection.execute(delete(destinations).where(this)).rowcount == 0:
                raise not_found(
                    f"company {company!r} has no rule for {prefix!r}: "
                    f"`callcontrol destination list {company}` shows its rules"
                )

        await self._write(remove)
