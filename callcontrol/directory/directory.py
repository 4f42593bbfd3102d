"""The directory as the engine asks it during calls: who is dialling, and which softphones must exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, true, update

from callcontrol.database import Database, DatabaseUnavailable
from callcontrol.directory.tables import (
    agents,
    companies,
    destinations,
    origin_numbers,
    provisioned_softphones,
    trunks,
    users,
)
from callcontrol.directory.tokens import TokenVault
from callcontrol.domain.admission import Caller, Trunk
from callcontrol.domain.destinations import DestinationRule
from callcontrol.domain.rights import Role
from callcontrol.engine.ports.directory import DirectoryUnavailable
from callcontrol.engine.ports.pbx import SoftphoneAccount

T = TypeVar("T")

_dialled = agents.alias("dialled")
_CALLER: Select[*tuple[Any, ...]] = (
    select(
        companies.c.id.label("company_id"),
        companies.c.slug,
        companies.c.time_zone,
        companies.c.area_code,
        companies.c.blocked,
        companies.c.max_call_minutes,
        agents.c.id.label("agent_id"),
        agents.c.extension,
        agents.c.name,
        users.c.id.label("user_id"),
        users.c.role,
        origin_numbers.c.number.label("origin_number"),
        trunks.c.name.label("trunk_name"),
        trunks.c.endpoint,
        trunks.c.number_format,
        _dialled.c.sip_username.label("dialled_sip_username"),
        destinations.c.prefix,
        destinations.c.allowed,
    )
    .join_from(agents, companies, agents.c.company_id == companies.c.id)
    .outerjoin(
        users,
        (users.c.email == agents.c.email) & (users.c.company_id == agents.c.company_id) & users.c.removed_at.is_(None),
    )
    .outerjoin(
        origin_numbers,
        (origin_numbers.c.company_id == agents.c.company_id) & origin_numbers.c.is_current,
    )
    .outerjoin(trunks, trunks.c.is_default)
    .outerjoin(
        _dialled,
        (_dialled.c.company_id == agents.c.company_id)
        & (_dialled.c.extension == bindparam("dialled"))
        & _dialled.c.removed_at.is_(None),
    )
    .outerjoin(destinations, destinations.c.company_id == agents.c.company_id)
    .where(agents.c.sip_username == bindparam("sip_username"), agents.c.removed_at.is_(None))
)
"""A row for each rule of the company's about destinations, and one where it has none."""
_DEFAULT_TRUNK = select(trunks.c.name, trunks.c.endpoint, trunks.c.number_format).where(trunks.c.is_default.is_(true()))
_SOFTPHONES = select(
    agents.c.sip_username, agents.c.token_encrypted, agents.c.id, agents.c.name, agents.c.extension
).where(agents.c.removed_at.is_(None))
_PROVISIONED = select(provisioned_softphones.c.sip_username, provisioned_softphones.c.fingerprint).where(
    provisioned_softphones.c.node == bindparam("node")
)
_THIS_SOFTPHONE = (provisioned_softphones.c.node == bindparam("of_node")) & (
    provisioned_softphones.c.sip_username == bindparam("of_sip_username")
)
_FORGET = delete(provisioned_softphones).where(_THIS_SOFTPHONE)
_REMEMBER = update(provisioned_softphones).where(_THIS_SOFTPHONE)


class SqlDirectory:
    """Implements engine.ports.directory.Directory."""

    def __init__(self, database: Database, vault: TokenVault) -> None:
        self._database = database
        self._vault = vault

    async def caller(self, sip_username: str, dialled: str) -> Caller | None:
        parameters = {"sip_username": sip_username, "dialled": dialled}
        rows = await self._read(lambda connection: connection.execute(_CALLER, parameters).all())
        return _caller(rows, dialled) if rows else None

    async def default_trunk(self) -> Trunk | None:
        row = await self._read(lambda connection: connection.execute(_DEFAULT_TRUNK).one_or_none())
        return None if row is None else Trunk(row.name, row.endpoint, row.number_format)

    async def softphones(self) -> list[SoftphoneAccount]:
        """Raises KeyUnusable, which is a DirectoryUnavailable, when the tokens cannot be decrypted."""
        rows = await self._read(lambda connection: connection.execute(_SOFTPHONES).all())
        return [
            SoftphoneAccount(
                sip_username=row.sip_username,
                token=self._vault.decrypt(row.token_encrypted),
                agent_id=row.id,
                display_name=row.name,
                extension=row.extension,
            )
            for row in rows
        ]

    async def provisioned(self, node: str) -> dict[str, str]:
        rows = await self._read(lambda connection: connection.execute(_PROVISIONED, {"node": node}).all())
        return {row.sip_username: row.fingerprint for row in rows}

    async def mark_provisioned(self, node: str, sip_username: str, fingerprint: str | None) -> None:
        this = {"of_node": node, "of_sip_username": sip_username}

        def mark(connection: Connection) -> None:
            if fingerprint is None:
                connection.execute(_FORGET, this)
                return
            known = connection.execute(_REMEMBER.values(fingerprint=fingerprint), this)
            if known.rowcount == 0:
                connection.execute(
                    insert(provisioned_softphones).values(node=node, sip_username=sip_username, fingerprint=fingerprint)
                )

        try:
            await self._database.writer.submit(mark, repeatable=True)
        except DatabaseUnavailable as error:
            raise DirectoryUnavailable(str(error)) from error

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            return await self._database.ask(query)
        except DatabaseUnavailable as error:
            raise DirectoryUnavailable(str(error)) from error


def _caller(rows: Sequence[Row[*tuple[Any, ...]]], dialled: str) -> Caller:
    row = rows[0]
    trunk = Trunk(row.trunk_name, row.endpoint, row.number_format) if row.trunk_name is not None else None
    return Caller(
        company_id=row.company_id,
        company_slug=row.slug,
        time_zone=row.time_zone,
        area_code=row.area_code,
        blocked=row.blocked,
        destinations=tuple(DestinationRule(rule.prefix, rule.allowed) for rule in rows if rule.prefix is not None),
        max_call_minutes=row.max_call_minutes,
        agent_id=row.agent_id,
        agent_extension=row.extension,
        agent_name=row.name,
        user_id=row.user_id,
        role=Role(row.role) if row.role is not None else None,
        origin_number=row.origin_number,
        trunk=trunk,
        extensions={dialled: row.dialled_sip_username} if row.dialled_sip_username is not None else {},
    )
