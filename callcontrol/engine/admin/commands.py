"""Every administrative command, as it travels over the control socket: `{"type": "AddCompany", ...}`.

Companies are named by slug, users by e-mail, agents by company and extension, trunks by name, numbers by number.
In `Set...` commands a field left out is left as it is.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from callcontrol.engine.admin.errors import invalid


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all commands."""


# companies


class AddCompany(Command, frozen=True, kw_only=True):
    name: str
    slug: str | None = None
    """Made from the name when not given."""
    time_zone: str = "America/Sao_Paulo"
    area_code: str
    blocked: bool = False
    max_call_minutes: int = 180
    bill_inbound: bool = False
    auto_answer: bool = False
    recording: bool = False


class ListCompanies(Command, frozen=True, kw_only=True):
    pass


class SetCompany(Command, frozen=True, kw_only=True):
    company: str
    name: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    area_code: str | UnsetType = UNSET
    blocked: bool | UnsetType = UNSET
    max_call_minutes: int | UnsetType = UNSET
    bill_inbound: bool | UnsetType = UNSET
    auto_answer: bool | UnsetType = UNSET
    recording: bool | UnsetType = UNSET


class RemoveCompany(Command, frozen=True, kw_only=True):
    company: str


# users


class AddUser(Command, frozen=True, kw_only=True):
    company: str | None = None
    """None for an operator, who belongs to the installation."""
    email: str
    name: str
    role: str
    rights: list[str] = []


class ListUsers(Command, frozen=True, kw_only=True):
    company: str | None = None


class SetUser(Command, frozen=True, kw_only=True):
    email: str
    new_email: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    rights: list[str] | UnsetType = UNSET


class RemoveUser(Command, frozen=True, kw_only=True):
    email: str


# agents


class AddAgent(Command, frozen=True, kw_only=True):
    company: str
    extension: str
    name: str
    email: str | None = None


class ListAgents(Command, frozen=True, kw_only=True):
    company: str | None = None


class SetAgent(Command, frozen=True, kw_only=True):
    company: str
    extension: str
    name: str | UnsetType = UNSET
    email: str | UnsetType | None = UNSET


class RemoveAgent(Command, frozen=True, kw_only=True):
    company: str
    extension: str


class ShowToken(Command, frozen=True, kw_only=True):
    company: str
    extension: str


class RotateToken(Command, frozen=True, kw_only=True):
    company: str
    extension: str


# trunks and numbers


class AddTrunk(Command, frozen=True, kw_only=True):
    name: str
    endpoint: str
    number_format: str = "e164"
    is_default: bool = False
    """The first trunk is the default whatever is said here."""


class ListTrunks(Command, frozen=True, kw_only=True):
    pass


class SetTrunk(Command, frozen=True, kw_only=True):
    name: str
    endpoint: str | UnsetType = UNSET
    number_format: str | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    """Only true can be said: there is always a default trunk while there is any."""


class RemoveTrunk(Command, frozen=True, kw_only=True):
    name: str


class AddDid(Command, frozen=True, kw_only=True):
    company: str
    number: str
    extension: str | None = None


class ListDids(Command, frozen=True, kw_only=True):
    company: str | None = None


class SetDid(Command, frozen=True, kw_only=True):
    number: str
    extension: str | None
    """None: no destination."""


class RemoveDid(Command, frozen=True, kw_only=True):
    number: str


class AddOriginNumber(Command, frozen=True, kw_only=True):
    company: str
    number: str
    make_current: bool = False
    """A company's first number is its current one whatever is said here."""


class ListOriginNumbers(Command, frozen=True, kw_only=True):
    company: str | None = None


class SetOriginNumber(Command, frozen=True, kw_only=True):
    """Choose the number that the company's calls show (R11)."""

    company: str
    number: str


class RemoveOriginNumber(Command, frozen=True, kw_only=True):
    company: str
    number: str


class AddContact(Command, frozen=True, kw_only=True):
    company: str
    number: str
    name: str
    contact_company: str = ""


class ListContacts(Command, frozen=True, kw_only=True):
    company: str


class SetContact(Command, frozen=True, kw_only=True):
    company: str
    number: str
    name: str | UnsetType = UNSET
    contact_company: str | UnsetType = UNSET


class RemoveContact(Command, frozen=True, kw_only=True):
    company: str
    number: str


# destinations


class AllowDestination(Command, frozen=True, kw_only=True):
    """D14: the company may call numbers with this prefix, whatever a shorter prefix or the default says."""

    company: str
    prefix: str


class DenyDestination(Command, frozen=True, kw_only=True):
    company: str
    prefix: str


class RemoveDestination(Command, frozen=True, kw_only=True):
    company: str
    prefix: str


class ListDestinations(Command, frozen=True, kw_only=True):
    company: str


class TestDestination(Command, frozen=True, kw_only=True):
    """What would become of a call to this number, as the company's agents dial it."""

    company: str
    number: str


# minutes


class SetPlan(Command, frozen=True, kw_only=True):
    company: str
    minutes: int
    order_id: str | None = None
    """The same order posted again is the same order; made up when not given."""


class AddAddon(Command, frozen=True, kw_only=True):
    company: str
    minutes: int
    order_id: str


class CorrectPlan(Command, frozen=True, kw_only=True):
    """This month's pool was ordered too large by mistake: `minutes` is the right size."""

    company: str
    minutes: int
    order_id: str
    reason: str


class CancelOrder(Command, frozen=True, kw_only=True):
    """An add-on or a courtesy was ordered by mistake."""

    company: str
    kind: str
    """`addon` or `courtesy`."""
    of_order: str
    minutes: int | None = None
    """None: all of it."""
    order_id: str
    reason: str


class AddCourtesy(Command, frozen=True, kw_only=True):
    company: str
    minutes: int
    order_id: str
    reason: str


class SetPolicy(Command, frozen=True, kw_only=True):
    """What an exhausted pool does to calls in progress (D4)."""

    company: str
    policy: str
    """`cut` or `finish`."""
    limit_minutes: int | None = None
    """What may be overdrawn with `finish`."""
    order_id: str


class RefundCall(Command, frozen=True, kw_only=True):
    call_id: str
    minutes: int | None = None
    """None: all that is left of what was billed."""
    order_id: str
    """The same order posted again is the same refund."""
    reason: str


class ShowUsage(Command, frozen=True, kw_only=True):
    company: str


class ListEntries(Command, frozen=True, kw_only=True):
    company: str
    call_id: str | None = None


# reports


class ListCalls(Command, frozen=True, kw_only=True):
    company: str
    first_day: str | None = None
    """`YYYY-MM-DD`, the company's day (R9)."""
    last_day: str | None = None
    user: str | None = None
    """E-mail."""
    extension: str | None = None
    direction: str | None = None
    """`outbound`, `inbound` or `internal`."""
    statuses: list[str] = []
    """Words of R10, accents and case do not matter; any of them. None given: all."""
    text: str = ""
    """Part of the number, of what was dialled, or of the contact's name or company."""
    after: str | None = None
    """The `next` of the page before."""
    limit: int = 100


class ShowReport(Command, frozen=True, kw_only=True):
    """R8. Without days: the company's present month."""

    company: str
    first_day: str | None = None
    last_day: str | None = None
    by_user: bool = False


# proof


class AuditLedger(Command, frozen=True, kw_only=True):
    company: str | None = None


class ReplayLedger(Command, frozen=True, kw_only=True):
    company: str


class ExplainCall(Command, frozen=True, kw_only=True):
    call_id: str


AnyCommand = (
    AddCompany | ListCompanies | SetCompany | RemoveCompany
    | AddUser | ListUsers | SetUser | RemoveUser
    | AddAgent | ListAgents | SetAgent | RemoveAgent | ShowToken | RotateToken
    | AddTrunk | ListTrunks | SetTrunk | RemoveTrunk
    | AddDid | ListDids | SetDid | RemoveDid
    | AddOriginNumber | ListOriginNumbers | SetOriginNumber | RemoveOriginNumber
    | AddContact | ListContacts | SetContact | RemoveContact
    | AllowDestination | DenyDestination | RemoveDestination | ListDestinations | TestDestination
    | SetPlan | CorrectPlan | AddAddon | AddCourtesy | CancelOrder | SetPolicy
    | RefundCall | ShowUsage | ListEntries
    | ListCalls | ShowReport
    | AuditLedger | ReplayLedger | ExplainCall
)  # fmt: skip

_DECODER: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)


def encode(command: Command) -> bytes:
    """Raises AdminError (invalid) for text that is not Unicode, as a terminal can pass it, and absurd numbers."""
    try:
        return msgspec.json.encode(command)
    except (UnicodeEncodeError, OverflowError):
        raise invalid("the input has bytes that are not UTF-8 text, or a number that is too large") from None


def decode(body: bytes) -> Command:
    """Raises AdminError (invalid) for anything that is not a command."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"not a command: {error}") from None
