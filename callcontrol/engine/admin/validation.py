"""From what a person typed to what is stored, or one sentence that says what is wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from callcontrol.domain.destinations import ImpossiblePrefix, normalise_prefix
from callcontrol.domain.numbers import DestinationKind, UndiallableNumber, normalise, without_separators
from callcontrol.domain.overdraft import ExhaustionPolicy
from callcontrol.domain.rights import GRANTABLE, Right, Role
from callcontrol.domain.searching import folded
from callcontrol.domain.status import CallStatus
from callcontrol.engine.admin.errors import conflict, invalid

Word = TypeVar("Word", bound=StrEnum)

MAX_MINUTES = 10_000_000
"""More minutes than a plan or add-on can have: a typing error, not a sale."""
_MAX_CALL_MINUTES = 1440
_MAX_NAME = 100

RESERVED_SLUGS = frozenset({"nodes"})
"""`callcontrol/v1/nodes/...` is a topic of the installation's own."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_EXTENSION = re.compile(r"[0-9]{2,7}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_ORDER = re.compile(r"[A-Za-z0-9._:/#-]{1,100}")
_LOCAL_NUMBER = re.compile(r"[0-9]{8,9}")

_OUTSIDE = frozenset(DestinationKind) - {DestinationKind.EMERGENCY, DestinationKind.EXTENSION}
_OWNED = frozenset({DestinationKind.GEOGRAPHIC, DestinationKind.MOBILE, DestinationKind.NON_GEOGRAPHIC})


def text(value: str, field: str, *, empty: bool = False) -> str:
    """A name: one line, trimmed, composed (NFC)."""
    trimmed = unicodedata.normalize("NFC", value).strip()
    if not trimmed and not empty:
        raise invalid(f"{field} must not be empty")
    if len(trimmed) > _MAX_NAME:
        raise invalid(f"{field} must have at most {_MAX_NAME} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in trimmed):
        raise invalid(f"{field} must be one line of text")
    return trimmed


def slug(value: str) -> str:
    if len(value) > 40 or not _SLUG.fullmatch(value):
        raise invalid(f"a slug is at most 40 lower-case letters, digits and single dashes: {value!r} is not")
    if value in RESERVED_SLUGS:
        raise conflict(f"the slug {value!r} is reserved: give another --slug")
    return value


def slug_of(name: str) -> str:
    """`Padaria São João` -> `padaria-sao-joao`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    if not made:
        raise invalid(f"no slug can be made from the name {name!r}: give one with --slug")
    return slug(made)


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def time_zone(value: str) -> str:
    if value not in _time_zones():
        raise invalid(f"{value!r} is no time zone: give an IANA name such as America/Sao_Paulo")
    return value


def area_code(value: str) -> str:
    # Whether it exists is for the rules of numbers to say: a local number dialled with it must lead somewhere.
    try:
        normalise("30000000", area_code=value, emergency_codes=(), extensions=())
    except UndiallableNumber:
        raise invalid(f"{value!r} is no area code (DDD) of Brazil: give two digits such as 11") from None
    return value


def between(value: int, low: int, high: int, field: str) -> int:
    if not low <= value <= high:
        raise invalid(f"{field} must be between {low} and {high}, not {value}")
    return value


def max_call_minutes(value: int) -> int:
    return between(value, 1, _MAX_CALL_MINUTES, "the longest call, in minutes,")


def word(value: str, words: Iterable[str], field: str) -> str:
    known = list(words)
    if value not in known:
        raise invalid(f"{field} must be one of {', '.join(known)}, not {value!r}")
    return value


def overdraft_limit(policy: str, limit_minutes: int | None) -> int:
    """D4: `cut` has none, `finish` needs one."""
    word(policy, ExhaustionPolicy, "the policy of an exhausted pool (D4)")
    if policy == ExhaustionPolicy.CUT:
        if limit_minutes is not None:
            raise invalid("the policy cut has no limit: leave --limit out, or give finish")
        return 0
    if limit_minutes is None:
        raise invalid("the policy finish needs --limit: how many minutes may be overdrawn")
    return between(limit_minutes, 1, MAX_MINUTES, "the limit of the overdraft, in minutes,")


def direction(value: str) -> str:
    return word(value, ("outbound", "inbound", "internal"), "the direction")


def status(value: str) -> CallStatus:
    """A word of R10: `nao atendida` is `Não atendida`."""
    for known in CallStatus:
        if folded(value) == folded(known):
            return known
    raise invalid(f"a status is one of {', '.join(CallStatus)}, not {value!r}")


def role(value: str) -> Role:
    return Role(word(value, Role, "the role"))


def rights(values: Iterable[str], of_role: Role) -> frozenset[Right]:
    given = frozenset(Right(word(value, Right, "a right")) for value in values)
    if surplus := given - GRANTABLE[of_role]:
        names = ", ".join(sorted(surplus))
        raise invalid(f"the role {of_role.value} cannot be given: {names}")
    return given


def email(value: str) -> str:
    """Trimmed and case-folded: that is how e-mails are compared."""
    folded = unicodedata.normalize("NFC", value).strip().casefold()
    if len(folded) > 254 or not _EMAIL.fullmatch(folded) or not folded.isprintable():
        raise invalid(f"{value!r} is no e-mail address")
    return folded


def extension(value: str, emergency_codes: Collection[str]) -> str:
    if not _EXTENSION.fullmatch(value):
        raise invalid(f"an extension is 2 to 7 digits: {value!r} is not")
    if value in emergency_codes:
        raise conflict(f"{value} is an emergency or public-service code and cannot be an extension")
    return value


def endpoint(value: str, field: str) -> str:
    if not _ENDPOINT.fullmatch(value):
        raise invalid(f"{field} is at most 40 letters, digits, dots, dashes and underscores: {value!r} is not")
    return value


def number_format(value: str) -> str:
    return word(value, ("e164", "digits", "national"), "the number format")


def only_true(value: bool) -> bool:
    if not value:
        raise invalid("a trunk stops being the default when another one is made it")
    return value


def order_id(value: str) -> str:
    if not _ORDER.fullmatch(value):
        raise invalid(f"an order id is at most 100 letters, digits and . _ : / # -: {value!r} is not")
    return value


def number(value: str, company_area_code: str | None, *, owned: bool = False) -> str:
    """The number's E.164 form, or its national one where no such form exists.

    `owned`: one that a company can own, as DID or origin number. Without an area code it must have its own.
    """
    if company_area_code is None and _LOCAL_NUMBER.fullmatch(without_separators(value)):
        raise invalid(f"{value!r} has no area code: give the number with its DDD")
    try:
        found = normalise(value, area_code=company_area_code or "", emergency_codes=(), extensions=())
    except UndiallableNumber:
        raise invalid(f"{value!r} is no telephone number") from None
    if found.kind not in (_OWNED if owned else _OUTSIDE):
        raise invalid(f"{value!r} is no number that {'a company can own' if owned else 'a contact can have'}")
    return found.number


def prefix(value: str, emergency_codes: Collection[str]) -> str:
    """A prefix of numbers as rules about destinations have it (D14)."""
    try:
        return normalise_prefix(value, emergency_codes=emergency_codes)
    except ImpossiblePrefix as error:
        raise invalid(str(error)) from None


def day(value: str | None, field: str) -> date | None:
    if value is None:
        return None
    try:
        parsed = date.fromisoformat(value)
    except ValueError:
        parsed = None
    # Only the one form: fromisoformat also takes 20261122 and week dates. And no year whose midnight has no UTC.
    if parsed is None or parsed.isoformat() != value or not 2000 <= parsed.year < 3000:
        raise invalid(f"{field} must be a day such as 2026-11-22, not {value!r}")
    return parsed
