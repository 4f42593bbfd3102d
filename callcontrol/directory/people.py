"""Users, agents and their tokens in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, update

from callcontrol.directory.access import Access
from callcontrol.directory.companies import company_id
from callcontrol.directory.tables import agents, companies, dids, token_showings, trunks, users
from callcontrol.directory.tokens import new_token
from callcontrol.engine.admin.errors import conflict, not_found
from callcontrol.engine.admin.store import Changes, NewAgent, NewUser, TokenAct
from callcontrol.engine.admin.views import AgentTokenView, AgentView, UserView

_USERS: Select[*tuple[Any, ...]] = (
    select(users.c.id, companies.c.slug.label("company"), users.c.email, users.c.name, users.c.role, users.c.rights)
    .outerjoin_from(users, companies, users.c.company_id == companies.c.id)
    .where(users.c.removed_at.is_(None))
    .order_by(companies.c.slug, users.c.email)
)
_AGENTS: Select[*tuple[Any, ...]] = (
    select(
        agents.c.id,
        companies.c.slug.label("company"),
        agents.c.extension,
        agents.c.sip_username,
        agents.c.name,
        agents.c.email,
    )
    .join_from(agents, companies, agents.c.company_id == companies.c.id)
    .where(agents.c.removed_at.is_(None))
    .order_by(companies.c.slug, agents.c.extension)
)


def _user(connection: Connection, email: str) -> UserView:
    row = connection.execute(_USERS.where(users.c.email == email)).one_or_none()
    if row is None:
        raise not_found(f"there is no user {email!r}: `callcontrol user list` shows them")
    return UserView(**row._mapping)


def _agent(connection: Connection, company: str, extension: str) -> AgentView:
    found = company_id(connection, company)
    row = connection.execute(_AGENTS.where(agents.c.company_id == found, agents.c.extension == extension)).one_or_none()
    if row is None:
        raise not_found(
            f"company {company!r} has no agent {extension!r}: `callcontrol agent list {company}` shows them"
        )
    return AgentView(**row._mapping)


def agent_id(connection: Connection, company: str, extension: str) -> int:
    """Raises AdminError (not found)."""
    return _agent(connection, company, extension).id


def _present(connection: Connection, *conditions: ColumnElement[bool]) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(select(agents).where(agents.c.removed_at.is_(None), *conditions)).first()


def _email_free(connection: Connection, company: str, found: int, email: str | None, but: int | None) -> None:
    if email is None:
        return
    other = _present(connection, agents.c.company_id == found, agents.c.email == email)
    if other is not None and other.id != but:
        raise conflict(f"agent {other.extension!r} of company {company!r} has the e-mail {email!r} already")


def _free_sip_username(connection: Connection, company: str, extension: str) -> str:
    """The extension itself while that is free in the installation, else `<slug>-<extension>`."""
    for candidate in (extension, f"{company}-{extension}"):
        if _present(connection, agents.c.sip_username == candidate) is not None:
            continue
        # A trunk's endpoint lives in the same namespace of Asterisk as the softphones.
        if connection.scalar(select(trunks.c.id).where(trunks.c.endpoint == candidate)) is None:
            return candidate
    raise conflict(f"no SIP user name is free for agent {extension!r}: choose another extension")


class SqlPeople(Access):
    """Implements engine.admin.store.PeopleStore."""

    # users

    async def add_user(self, new: NewUser, at: datetime) -> UserView:
        def add(connection: Connection) -> UserView:
            found = company_id(connection, new.company) if new.company is not None else None
            self._user_fits(connection, found, new.email, new.role, None)
            connection.execute(
                insert(users).values(
                    company_id=found,
                    email=new.email,
                    name=new.name,
                    role=new.role.value,
                    rights=sorted(right.value for right in new.rights),
                    created_at=at,
                )
            )
            return _user(connection, new.email)

        return await self._write(add)

    async def users(self, company: str | None) -> list[UserView]:
        def read(connection: Connection) -> list[UserView]:
            query = _USERS
            if company is not None:
                query = query.where(users.c.company_id == company_id(connection, company))
            return [UserView(**row._mapping) for row in connection.execute(query)]

        return await self._read(read)

    async def user(self, email: str) -> UserView:
        return await self._read(lambda connection: _user(connection, email))

    async def change_user(self, email: str, changes: Changes) -> UserView:
        def change(connection: Connection) -> UserView:
            before = _user(connection, email)
            found = company_id(connection, before.company) if before.company is not None else None
            values = {"email": before.email, "role": before.role, **changes}
            self._user_fits(connection, found, str(values["email"]), str(values["role"]), before.id)
            connection.execute(update(users).where(users.c.id == before.id).values(**values))
            return _user(connection, str(values["email"]))

        return await self._write(change)

    async def remove_user(self, email: str, at: datetime) -> None:
        def remove(connection: Connection) -> None:
            found = _user(connection, email)
            connection.execute(update(users).where(users.c.id == found.id).values(removed_at=at))

        await self._write(remove)

    def _user_fits(self, connection: Connection, company: int | None, email: str, role: str, but: int | None) -> None:
        present: Sequence[Row[*tuple[Any, ...]]] = connection.execute(
            select(users.c.id, users.c.email).where(
                users.c.removed_at.is_(None),
                (users.c.email == email)
                | ((users.c.company_id == company) & (users.c.role == "administrator") & (role == "administrator")),
            )
        ).all()
        for other in present:
            if other.id == but:
                continue
            if other.email == email:
                raise conflict(f"there is a user {email!r} already")
            raise conflict(f"the company has an administrator already: {other.email}")

    # agents

    async def add_agent(self, new: NewAgent, act: TokenAct) -> AgentTokenView:
        def add(connection: Connection) -> AgentTokenView:
            found = company_id(connection, new.company)
            if _present(connection, agents.c.company_id == found, agents.c.extension == new.extension):
                raise conflict(f"company {new.company!r} has an agent {new.extension!r} already")
            _email_free(connection, new.company, found, new.email, None)
            sip_username = _free_sip_username(connection, new.company, new.extension)
            self._vault.ensure_key(tokens_exist=tokens_exist(connection))
            token = new_token()
            connection.execute(
                insert(agents).values(
                    company_id=found,
                    extension=new.extension,
                    sip_username=sip_username,
                    email=new.email,
                    name=new.name,
                    token_encrypted=self._vault.encrypt(token),
                    created_at=act.at,
                )
            )
            return _shown(connection, _agent(connection, new.company, new.extension), token, "created", act)

        return await self._write(add)

    async def agents(self, company: str | None) -> list[AgentView]:
        def read(connection: Connection) -> list[AgentView]:
            query = _AGENTS
            if company is not None:
                query = query.where(agents.c.company_id == company_id(connection, company))
            return [AgentView(**row._mapping) for row in connection.execute(query)]

        return await self._read(read)

    async def change_agent(self, company: str, extension: str, changes: Changes) -> AgentView:
        def change(connection: Connection) -> AgentView:
            before = _agent(connection, company, extension)
            found = company_id(connection, company)
            email = changes.get("email", before.email)
            _email_free(connection, company, found, None if email is None else str(email), before.id)
            connection.execute(update(agents).where(agents.c.id == before.id).values(**changes))
            return _agent(connection, company, extension)

        return await self._write(change)

    async def remove_agent(self, company: str, extension: str, at: datetime) -> None:
        def remove(connection: Connection) -> None:
            found = _agent(connection, company, extension)
            connection.execute(update(dids).where(dids.c.agent_id == found.id).values(agent_id=None))
            # The row stays for the calls that name it; its token does not.
            connection.execute(update(agents).where(agents.c.id == found.id).values(removed_at=at, token_encrypted=""))

        await self._write(remove)

    async def show_token(self, company: str, extension: str, act: TokenAct) -> AgentTokenView:
        def show(connection: Connection) -> AgentTokenView:
            agent = _agent(connection, company, extension)
            encrypted = connection.scalar(select(agents.c.token_encrypted).where(agents.c.id == agent.id))
            return _shown(connection, agent, self._vault.decrypt(encrypted or ""), "shown", act)

        return await self._write(show)

    async def rotate_token(self, company: str, extension: str, act: TokenAct) -> AgentTokenView:
        def rotate(connection: Connection) -> AgentTokenView:
            agent = _agent(connection, company, extension)
            token = new_token()
            connection.execute(
                update(agents).where(agents.c.id == agent.id).values(token_encrypted=self._vault.encrypt(token))
            )
            return _shown(connection, agent, token, "rotated", act)

        return await self._write(rotate)


def tokens_exist(connection: Connection) -> bool:
    """Is any token stored that only the present key can read?"""
    return _present(connection) is not None


def _shown(connection: Connection, agent: AgentView, token: str, occasion: str, act: TokenAct) -> AgentTokenView:
    connection.execute(
        insert(token_showings).values(
            at=act.at,
            actor=act.actor,
            occasion=occasion,
            company_slug=agent.company,
            extension=agent.extension,
            sip_username=agent.sip_username,
        )
    )
    return AgentTokenView(
        company=agent.company, extension=agent.extension, sip_username=agent.sip_username, token=token
    )
