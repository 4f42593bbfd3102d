"""The directory as administration sees it. Implemented by the directory room.

Every method is one transaction, durable when it returns. Names arrive normalised (see `validation`). What cannot be
done is an AdminError: NOT_FOUND for a thing that is not there, CONFLICT for one that is there already or is in use,
UNAVAILABLE when the database does not answer or the token key cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callcontrol.domain.destinations import DestinationRule
from callcontrol.domain.rights import Right, Role
from callcontrol.engine.admin import views

Changes = Mapping[str, object]
"""Field name of the view -> new value; what is not in it stays."""


@dataclass(frozen=True, slots=True)
class NewCompany:
    slug: str
    name: str
    time_zone: str
    area_code: str
    blocked: bool
    max_call_minutes: int
    bill_inbound: bool
    auto_answer: bool
    recording: bool


@dataclass(frozen=True, slots=True)
class NewUser:
    company: str | None
    email: str
    name: str
    role: Role
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True)
class NewAgent:
    company: str
    extension: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class TokenAct:
    """Who makes a token visible, and when: the audit trail's line."""

    actor: str
    at: datetime


class CompanyStore(Protocol):
    async def add_company(self, new: NewCompany, at: datetime) -> views.CompanyView: ...

    async def companies(self) -> list[views.CompanyView]: ...

    async def company(self, slug: str) -> views.CompanyView: ...

    async def change_company(self, slug: str, changes: Changes) -> views.CompanyView: ...

    async def remove_company(self, slug: str) -> None:
        """With all that belongs to it. CONFLICT where the ledger knows it: history is never lost."""


class PeopleStore(Protocol):
    async def add_user(self, new: NewUser, at: datetime) -> views.UserView: ...

    async def users(self, company: str | None) -> list[views.UserView]: ...

    async def user(self, email: str) -> views.UserView: ...

    async def change_user(self, email: str, changes: Changes) -> views.UserView: ...

    async def remove_user(self, email: str, at: datetime) -> None: ...

    async def add_agent(self, new: NewAgent, act: TokenAct) -> views.AgentTokenView:
        """The token's first showing, audited as `created`."""

    async def agents(self, company: str | None) -> list[views.AgentView]: ...

    async def change_agent(self, company: str, extension: str, changes: Changes) -> views.AgentView: ...

    async def remove_agent(self, company: str, extension: str, at: datetime) -> None: ...

    async def show_token(self, company: str, extension: str, act: TokenAct) -> views.AgentTokenView:
        """Audited as `shown` before it is returned."""

    async def rotate_token(self, company: str, extension: str, act: TokenAct) -> views.AgentTokenView:
        """Audited as `rotated`; the old token is worth nothing from then on."""


class NumberStore(Protocol):
    async def add_trunk(self, trunk: views.TrunkView) -> views.TrunkView: ...

    async def trunks(self) -> list[views.TrunkView]: ...

    async def change_trunk(self, name: str, changes: Changes) -> views.TrunkView: ...

    async def remove_trunk(self, name: str) -> None:
        """CONFLICT for the default trunk while there are others."""

    async def add_did(self, did: views.DidView) -> views.DidView: ...

    async def dids(self, company: str | None) -> list[views.DidView]: ...

    async def change_did(self, number: str, extension: str | None) -> views.DidView: ...

    async def remove_did(self, number: str) -> None: ...

    async def add_origin_number(self, number: views.OriginNumberView) -> views.OriginNumberView: ...

    async def origin_numbers(self, company: str | None) -> list[views.OriginNumberView]: ...

    async def choose_origin_number(self, company: str, number: str) -> views.OriginNumberView: ...

    async def remove_origin_number(self, company: str, number: str) -> None:
        """CONFLICT for the current number while there are others."""

    async def add_contact(self, contact: views.ContactView) -> views.ContactView: ...

    async def contacts(self, company: str) -> list[views.ContactView]: ...

    async def change_contact(self, company: str, number: str, changes: Changes) -> views.ContactView: ...

    async def remove_contact(self, company: str, number: str) -> None: ...


class DestinationStore(Protocol):
    async def set_destination(
        self, company: str, rule: DestinationRule, at: datetime, actor: str
    ) -> views.DestinationView:
        """A rule about the same prefix is replaced."""

    async def destinations(self, company: str) -> list[views.DestinationView]: ...

    async def remove_destination(self, company: str, prefix: str) -> None: ...


class DirectoryStore(CompanyStore, PeopleStore, NumberStore, DestinationStore, Protocol):
    """All of it."""
