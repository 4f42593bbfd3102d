"""May this agent call this number, and on what terms? Decided before anything is held or dialled."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from callcontrol.domain.causes import Reason
from callcontrol.domain.destinations import DestinationRule, judge
from callcontrol.domain.numbers import Destination, DestinationKind, UndiallableNumber, normalise, without_separators
from callcontrol.domain.rights import Role, may_use_minutes


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's PJSIP endpoint and how it wants numbers: `e164` (+55...), `digits` (55...), `national` (0 DDD...)."""

    name: str
    endpoint: str
    number_format: str = "e164"


@dataclass(frozen=True, slots=True)
class Caller:
    """What the directory knows of the agent who dials, and of the extension dialled, if it is one."""

    company_id: int
    company_slug: str
    time_zone: str
    area_code: str
    blocked: bool
    destinations: tuple[DestinationRule, ...]
    """What the company says itself of the numbers that it may call (D14)."""
    max_call_minutes: int
    agent_id: int
    agent_extension: str
    agent_name: str
    user_id: int | None
    role: Role | None
    origin_number: str | None
    trunk: Trunk | None
    extensions: dict[str, str]
    """Dialled extension -> SIP user name, holding at most the one that was dialled."""


@dataclass(frozen=True, slots=True)
class CallTerms:
    """Everything about an admitted call that was decided before dialling and never changes."""

    company_id: int | None
    agent_id: int | None
    user_id: int | None
    direction: str
    """`outbound` or `internal`."""
    number: str
    dial_string: str
    trunk: str | None
    caller_id: str
    billable: bool
    max_call_s: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Refused before dialling (R8: listed, never counted)."""

    reason: Reason
    number: str | None = None
    company_id: int | None = None
    agent_id: int | None = None
    user_id: int | None = None
    direction: str = "outbound"


_UNLIMITED_S = 24 * 3600
"""An emergency call has no cap (D16); this only reaps a channel that nothing else would ever end."""


def admit(
    caller: Caller | None, dialled: str, *, emergency_codes: Container[str], emergency_trunk: Trunk | None
) -> CallTerms | Refusal:
    """Terms of the call, or why it is refused. Emergency codes pass whoever dials them (D16)."""
    code = without_separators(dialled)
    if code in emergency_codes:
        return _emergency(caller, code, emergency_trunk)
    if caller is None:
        return Refusal(Reason.UNKNOWN_AGENT)

    def refuse(reason: Reason, destination: Destination | None = None) -> Refusal:
        internal = destination is not None and destination.kind is DestinationKind.EXTENSION
        return Refusal(
            reason,
            destination.number if destination else None,
            caller.company_id,
            caller.agent_id,
            caller.user_id,
            "internal" if internal else "outbound",
        )

    try:
        destination = normalise(
            dialled, area_code=caller.area_code, emergency_codes=emergency_codes, extensions=caller.extensions
        )
    except UndiallableNumber:
        return refuse(Reason.UNDIALLABLE_NUMBER)
    if caller.blocked:
        return refuse(Reason.COMPANY_BLOCKED, destination)
    if destination.kind is DestinationKind.EXTENSION:
        return _internal(caller, destination)
    if not may_use_minutes(caller.role):
        return refuse(Reason.FOLLOW_UP_MANAGER, destination)
    if not judge(destination, caller.destinations).allowed:
        return refuse(Reason.DESTINATION_DENIED, destination)
    if caller.origin_number is None:
        return refuse(Reason.NO_ORIGIN_NUMBER, destination)
    if caller.trunk is None:
        return refuse(Reason.NO_TRUNK, destination)
    return CallTerms(
        company_id=caller.company_id,
        agent_id=caller.agent_id,
        user_id=caller.user_id,
        direction="outbound",
        number=destination.number,
        dial_string=_through(caller.trunk, destination.number),
        trunk=caller.trunk.name,
        caller_id=caller.origin_number,
        billable=True,
        max_call_s=caller.max_call_minutes * 60,
        time_zone=caller.time_zone,
    )


def _emergency(caller: Caller | None, code: str, emergency_trunk: Trunk | None) -> CallTerms | Refusal:
    trunk = (caller.trunk if caller else None) or emergency_trunk
    if trunk is None:
        return Refusal(Reason.NO_TRUNK, code)
    return CallTerms(
        company_id=caller.company_id if caller else None,
        agent_id=caller.agent_id if caller else None,
        user_id=caller.user_id if caller else None,
        direction="outbound",
        number=code,
        dial_string=f"PJSIP/{code}@{trunk.endpoint}",
        trunk=trunk.name,
        caller_id=(caller.origin_number if caller else None) or "",
        billable=False,
        max_call_s=_UNLIMITED_S,
        time_zone=caller.time_zone if caller else "UTC",
    )


def _internal(caller: Caller, destination: Destination) -> CallTerms:
    return CallTerms(
        company_id=caller.company_id,
        agent_id=caller.agent_id,
        user_id=caller.user_id,
        direction="internal",
        number=destination.number,
        dial_string=f"PJSIP/{caller.extensions[destination.number]}",
        trunk=None,
        caller_id=caller.agent_extension,
        billable=False,
        max_call_s=caller.max_call_minutes * 60,
        time_zone=caller.time_zone,
    )


def _through(trunk: Trunk, number: str) -> str:
    """The dial string for a number that is in E.164 (`+...`) or, where no such form exists, national."""
    if number.startswith("+55") and trunk.number_format == "national":
        number = "0" + number[3:]
    elif number.startswith("+") and trunk.number_format in ("digits", "national"):
        number = number[1:] if trunk.number_format == "digits" else "00" + number[1:]
    return f"PJSIP/{number}@{trunk.endpoint}"
