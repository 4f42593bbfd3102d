"""Dialled numbers: from what an agent's phone sends to E.164, or to the national form where there is no other.

Sources: the rule book ("Numbers"); Anatel's numbering plans (Resolution 749/2022: area codes, subscriber numbers of 8
digits for fixed and 9 for mobile lines, 0X00 codes, three-digit public services); ITU-T E.164.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from callcontrol.domain.countries import is_foreign_number


class DestinationKind(StrEnum):
    EMERGENCY = "emergency"
    EXTENSION = "extension"
    GEOGRAPHIC = "geographic"
    MOBILE = "mobile"
    SERVICE = "service"
    """A three-digit public service that is not among the emergency codes."""
    NON_GEOGRAPHIC = "non_geographic"
    """0300, 0500, 0800, 4003 and 4004 numbers."""
    PREMIUM = "premium"
    """0900 numbers."""
    INTERNATIONAL = "international"


@dataclass(frozen=True, slots=True)
class Destination:
    kind: DestinationKind
    number: str
    """E.164 with `+`; national form where none exists (0300, 0800, 4004, three digits); the extension itself."""


class UndiallableNumber(ValueError):
    """What was dialled is no number at all: carries what was dialled."""


_SEPARATORS = str.maketrans("", "", " \t\u00a0-\u2010\u2011\u2013./()")

_AREA = "(?P<area>1[1-9]|2[12478]|3[1-578]|4[1-9]|5[13-5]|6[1-9]|7[134579]|8[1-9]|9[1-9])"
_SUBSCRIBER = "(?P<subscriber>9[0-9]{8}|[2-8][0-9]{7})"
"""Mobile numbers have nine digits and begin with 9; an eight-digit one that begins with 9 is one that lost a digit.
Which first digits fixed lines have is the carrier's to know: the plan opens new ones."""
_CARRIER = "(?:[1-9][0-9])"

_KEPT = (
    (re.compile("1[0-9]{2}"), DestinationKind.SERVICE),
    (re.compile("400[34][0-9]{4}"), DestinationKind.NON_GEOGRAPHIC),
    (re.compile("0[358]00[0-9]{6,7}"), DestinationKind.NON_GEOGRAPHIC),
    (re.compile("0900[0-9]{6,7}"), DestinationKind.PREMIUM),
)
_AREA_CODE = re.compile(_AREA)
_LOCAL = re.compile(_SUBSCRIBER)
_BRAZILIAN = (
    re.compile(f"(?:0{_CARRIER}?)?{_AREA}{_SUBSCRIBER}"),
    re.compile(f"(?:[+]|00{_CARRIER}?)?55{_AREA}{_SUBSCRIBER}"),
)
_FOREIGN = (
    re.compile("(?:[+]|00)(?P<foreign>[1-9][0-9]+)"),
    re.compile(f"00{_CARRIER}(?P<foreign>[1-9][0-9]+)"),
)
"""The first that gives a possible number counts: `0031...` is the Netherlands if the length fits, else carrier 31."""


def without_separators(dialled: str) -> str:
    """What people write between digits does not count: spaces, dashes, dots, slashes, parentheses."""
    return dialled.translate(_SEPARATORS)


def normalise(
    dialled: str, *, area_code: str, emergency_codes: Container[str], extensions: Container[str]
) -> Destination:
    """Where a dialled number leads. An emergency code is one before anything else (D16), then an extension.

    `area_code` is the company's, for numbers dialled without one. Raises UndiallableNumber, nothing else.
    """
    number = without_separators(dialled)
    if number in emergency_codes:
        return Destination(DestinationKind.EMERGENCY, number)
    if number in extensions:
        return Destination(DestinationKind.EXTENSION, number)
    for pattern, kind in _KEPT:
        if pattern.fullmatch(number):
            return Destination(kind, number)
    if _LOCAL.fullmatch(number) and _AREA_CODE.fullmatch(area_code):
        number = f"+55{area_code}{number}"
    for pattern in _BRAZILIAN:
        if match := pattern.fullmatch(number):
            return _brazilian(match["area"], match["subscriber"])
    for pattern in _FOREIGN:
        if (match := pattern.fullmatch(number)) and is_foreign_number(match["foreign"]):
            return Destination(DestinationKind.INTERNATIONAL, f"+{match['foreign']}")
    raise UndiallableNumber(dialled)


def _brazilian(area: str, subscriber: str) -> Destination:
    kind = DestinationKind.MOBILE if len(subscriber) == 9 else DestinationKind.GEOGRAPHIC
    return Destination(kind, f"+55{area}{subscriber}")
