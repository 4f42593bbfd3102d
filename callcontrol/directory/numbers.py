"""Trunks, DIDs, origin numbers and contacts in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, select, update

from callcontrol.directory.access import Access
from callcontrol.directory.companies import company_id
from callcontrol.directory.people import agent_id
from callcontrol.directory.tables import agents, companies, contacts, dids, origin_numbers, trunks
from callcontrol.domain.searching import folded
from callcontrol.engine.admin.errors import conflict, not_found
from callcontrol.engine.admin.store import Changes
from callcontrol.engine.admin.views import ContactView, DidView, OriginNumberView, TrunkView

_TRUNKS: Select[*tuple[Any, ...]] = select(
    trunks.c.name, trunks.c.endpoint, trunks.c.number_format, trunks.c.is_default
).order_by(trunks.c.name)
_DIDS: Select[*tuple[Any, ...]] = (
    select(dids.c.number, companies.c.slug.label("company"), agents.c.extension)
    .join_from(dids, companies, dids.c.company_id == companies.c.id)
    .outerjoin(agents, dids.c.agent_id == agents.c.id)
    .order_by(companies.c.slug, dids.c.number)
)
_ORIGINS: Select[*tuple[Any, ...]] = (
    select(companies.c.slug.label("company"), origin_numbers.c.number, origin_numbers.c.is_current)
    .join_from(origin_numbers, companies, origin_numbers.c.company_id == companies.c.id)
    .order_by(companies.c.slug, origin_numbers.c.number)
)
_CONTACTS: Select[*tuple[Any, ...]] = (
    select(companies.c.slug.label("company"), contacts.c.number, contacts.c.name, contacts.c.contact_company)
    .join_from(contacts, companies, contacts.c.company_id == companies.c.id)
    .order_by(contacts.c.name, contacts.c.number)
)


def _trunk(connection: Connection, name: str) -> TrunkView:
    row = connection.execute(_TRUNKS.where(trunks.c.name == name)).one_or_none()
    if row is None:
        raise not_found(f"there is no trunk {name!r}: `callcontrol trunk list` shows them")
    return TrunkView(**row._mapping)


def _did(connection: Connection, number: str) -> DidView:
    row = connection.execute(_DIDS.where(dids.c.number == number)).one_or_none()
    if row is None:
        raise not_found(f"there is no DID {number}: `callcontrol did list` shows them")
    return DidView(**row._mapping)


def _origin(connection: Connection, company: str, number: str) -> OriginNumberView:
    found = company_id(connection, company)
    row = connection.execute(
        _ORIGINS.where(origin_numbers.c.company_id == found, origin_numbers.c.number == number)
    ).one_or_none()
    if row is None:
        raise not_found(
            f"company {company!r} does not own {number}: `callcontrol number list {company}` shows its numbers"
        )
    return OriginNumberView(**row._mapping)


def _folded(contact: ContactView) -> str:
    return folded(f"{contact.name} {contact.contact_company}")


def _contact(connection: Connection, company: str, number: str) -> ContactView:
    found = company_id(connection, company)
    row = connection.execute(_CONTACTS.where(contacts.c.company_id == found, contacts.c.number == number)).one_or_none()
    if row is None:
        raise not_found(f"company {company!r} has no contact {number}: `callcontrol contact list {company}` shows them")
    return ContactView(**row._mapping)


def _endpoint_free(connection: Connection, endpoint: str) -> None:
    """A trunk's endpoint lives in the same namespace of Asterisk as the softphones."""
    taken = select(agents.c.id).where(agents.c.sip_username == endpoint, agents.c.removed_at.is_(None))
    if connection.scalar(taken) is not None:
        raise conflict(f"{endpoint!r} is an agent's SIP user name: name the trunk's endpoint otherwise")


def _make_default(connection: Connection, name: str) -> None:
    # In this order: two defaults at once are forbidden by an index.
    connection.execute(update(trunks).where(trunks.c.name != name).values(is_default=False))
    connection.execute(update(trunks).where(trunks.c.name == name).values(is_default=True))


def _make_current(connection: Connection, company: int, number: str) -> None:
    of_company = update(origin_numbers).where(origin_numbers.c.company_id == company)
    connection.execute(of_company.where(origin_numbers.c.number != number).values(is_current=False))
    connection.execute(of_company.where(origin_numbers.c.number == number).values(is_current=True))


class SqlNumbers(Access):
    """Implements engine.admin.store.NumberStore."""

    # trunks

    async def add_trunk(self, trunk: TrunkView) -> TrunkView:
        def add(connection: Connection) -> TrunkView:
            if connection.execute(_TRUNKS.where(trunks.c.name == trunk.name)).first() is not None:
                raise conflict(f"there is a trunk {trunk.name!r} already")
            _endpoint_free(connection, trunk.endpoint)
            first = connection.scalar(select(func.count()).select_from(trunks)) == 0
            connection.execute(
                insert(trunks).values(
                    name=trunk.name,
                    endpoint=trunk.endpoint,
                    number_format=trunk.number_format,
                    is_default=False,
                )
            )
            if first or trunk.is_default:
                _make_default(connection, trunk.name)
            return _trunk(connection, trunk.name)

        return await self._write(add)

    async def trunks(self) -> list[TrunkView]:
        return await self._read(lambda connection: [TrunkView(**row._mapping) for row in connection.execute(_TRUNKS)])

    async def change_trunk(self, name: str, changes: Changes) -> TrunkView:
        def change(connection: Connection) -> TrunkView:
            _trunk(connection, name)
            values = dict(changes)
            if "endpoint" in values:
                _endpoint_free(connection, str(values["endpoint"]))
            if values.pop("is_default", False):
                _make_default(connection, name)
            if values:
                connection.execute(update(trunks).where(trunks.c.name == name).values(**values))
            return _trunk(connection, name)

        return await self._write(change)

    async def remove_trunk(self, name: str) -> None:
        def remove(connection: Connection) -> None:
            if _trunk(connection, name).is_default and len(connection.execute(_TRUNKS).all()) > 1:
                raise conflict(
                    f"trunk {name!r} is the default: make another one the default first "
                    "(`callcontrol trunk set NAME --default`)"
                )
            connection.execute(delete(trunks).where(trunks.c.name == name))

        await self._write(remove)

    # DIDs

    async def add_did(self, did: DidView) -> DidView:
        def add(connection: Connection) -> DidView:
            found = company_id(connection, did.company)
            other = connection.execute(_DIDS.where(dids.c.number == did.number)).first()
            if other is not None:
                raise conflict(f"DID {did.number} belongs to company {other.company!r} already")
            agent = agent_id(connection, did.company, did.extension) if did.extension is not None else None
            connection.execute(insert(dids).values(company_id=found, number=did.number, agent_id=agent))
            return _did(connection, did.number)

        return await self._write(add)

    async def dids(self, company: str | None) -> list[DidView]:
        def read(connection: Connection) -> list[DidView]:
            query = _DIDS
            if company is not None:
                query = query.where(dids.c.company_id == company_id(connection, company))
            return [DidView(**row._mapping) for row in connection.execute(query)]

        return await self._read(read)

    async def change_did(self, number: str, extension: str | None) -> DidView:
        def change(connection: Connection) -> DidView:
            company = _did(connection, number).company
            agent = agent_id(connection, company, extension) if extension is not None else None
            connection.execute(update(dids).where(dids.c.number == number).values(agent_id=agent))
            return _did(connection, number)

        return await self._write(change)

    async def remove_did(self, number: str) -> None:
        def remove(connection: Connection) -> None:
            _did(connection, number)
            connection.execute(delete(dids).where(dids.c.number == number))

        await self._write(remove)

    # origin numbers

    async def add_origin_number(self, number: OriginNumberView) -> OriginNumberView:
        def add(connection: Connection) -> OriginNumberView:
            found = company_id(connection, number.company)
            other = connection.execute(_ORIGINS.where(origin_numbers.c.number == number.number)).first()
            if other is not None:
                raise conflict(f"{number.number} is owned by company {other.company!r} already")
            owned = select(func.count()).select_from(origin_numbers)
            first = connection.scalar(owned.where(origin_numbers.c.company_id == found)) == 0
            connection.execute(insert(origin_numbers).values(company_id=found, number=number.number, is_current=False))
            if first or number.is_current:
                _make_current(connection, found, number.number)
            return _origin(connection, number.company, number.number)

        return await self._write(add)

    async def origin_numbers(self, company: str | None) -> list[OriginNumberView]:
        def read(connection: Connection) -> list[OriginNumberView]:
            query = _ORIGINS
            if company is not None:
                query = query.where(origin_numbers.c.company_id == company_id(connection, company))
            return [OriginNumberView(**row._mapping) for row in connection.execute(query)]

        return await self._read(read)

    async def choose_origin_number(self, company: str, number: str) -> OriginNumberView:
        def choose(connection: Connection) -> OriginNumberView:
            _origin(connection, company, number)
            _make_current(connection, company_id(connection, company), number)
            return _origin(connection, company, number)

        return await self._write(choose)

    async def remove_origin_number(self, company: str, number: str) -> None:
        def remove(connection: Connection) -> None:
            of_company = origin_numbers.c.company_id == company_id(connection, company)
            owned = connection.scalar(select(func.count()).select_from(origin_numbers).where(of_company)) or 0
            if _origin(connection, company, number).is_current and owned > 1:
                raise conflict(
                    f"{number} is the number that company {company!r} shows: choose another one first "
                    f"(`callcontrol number set {company} NUMBER`)"
                )
            connection.execute(delete(origin_numbers).where(of_company, origin_numbers.c.number == number))

        await self._write(remove)

    # contacts

    async def add_contact(self, contact: ContactView) -> ContactView:
        def add(connection: Connection) -> ContactView:
            found = company_id(connection, contact.company)
            same = select(contacts.c.name).where(contacts.c.company_id == found, contacts.c.number == contact.number)
            other = connection.scalar(same)
            if other is not None:
                raise conflict(f"company {contact.company!r} has {contact.number} already: {other}")
            connection.execute(
                insert(contacts).values(
                    company_id=found,
                    number=contact.number,
                    name=contact.name,
                    contact_company=contact.contact_company,
                    folded=_folded(contact),
                )
            )
            return _contact(connection, contact.company, contact.number)

        return await self._write(add)

    async def contacts(self, company: str) -> list[ContactView]:
        def read(connection: Connection) -> list[ContactView]:
            query = _CONTACTS.where(contacts.c.company_id == company_id(connection, company))
            return [ContactView(**row._mapping) for row in connection.execute(query)]

        return await self._read(read)

    async def change_contact(self, company: str, number: str, changes: Changes) -> ContactView:
        def change(connection: Connection) -> ContactView:
            _contact(connection, company, number)
            same = and_(contacts.c.company_id == company_id(connection, company), contacts.c.number == number)
            connection.execute(update(contacts).where(same).values(**changes))
            changed = _contact(connection, company, number)
            connection.execute(update(contacts).where(same).values(folded=_folded(changed)))
            return changed

        return await self._write(change)

    async def remove_contact(self, company: str, number: str) -> None:
        def remove(connection: Connection) -> None:
            _contact(connection, company, number)
            connection.execute(
                delete(contacts).where(
                    contacts.c.company_id == company_id(connection, company), contacts.c.number == number
                )
            )

        await self._write(remove)
