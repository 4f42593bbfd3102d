"""Which destinations a company may call (D14): its own prefixes first, else what the kind of the number says.

Prefixes are those of normalised numbers: E.164 with `+` (`+55119`, `+1`, `+` for every such number), or the beginning
of a number that is kept in its national form (`0300`, `0800`, `0900`, `4004`, a three-digit service).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from callcontrol.domain.numbers import Destination, DestinationKind, UndiallableNumber, normalise, without_separators

DENIED_BY_DEFAULT = frozenset({DestinationKind.PREMIUM, DestinationKind.INTERNATIONAL})
_ALWAYS_ALLOWED = frozenset({DestinationKind.EMERGENCY, DestinationKind.EXTENSION})
"""D16; and calls inside the company cost nothing."""

_NATIONAL_PREFIX = re.compile("1[0-9]{2}|400[34][0-9]{0,4}|0[3589]00[0-9]{0,7}")
"""Long enough to say which numbers are meant: `11` could be an area code as well as the services from 110 to 119."""
_E164_PREFIX = re.compile("[+][0-9]{0,15}")
_E164_LENGTHS = range(8, 17)
"""With the `+`: from the shortest number that E.164 leaves a country to its limit of 15 digits."""


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """A company's word about all numbers with this prefix."""

    prefix: str
    """Normalised (see `normalise_prefix`); unique in a company."""
    allowed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    rule: DestinationRule | None
    """The rule that decided; None: the kind's default, or a number that no rule can forbid (D16, internal calls)."""


class ImpossiblePrefix(ValueError):
    """No number that a rule could be about begins like this; the message says what a prefix looks like."""


def judge(destination: Destination, rules: Iterable[DestinationRule]) -> Verdict:
    """D14: the rule with the longest matching prefix decides, without one the default of the kind."""
    if destination.kind in _ALWAYS_ALLOWED:
        return Verdict(True, None)
    matching = (rule for rule in rules if destination.number.startswith(rule.prefix))
    longest = max(matching, key=lambda rule: len(rule.prefix), default=None)
    if longest is None:
        return Verdict(destination.kind not in DENIED_BY_DEFAULT, None)
    return Verdict(longest.allowed, longest)


def normalise_prefix(written: str, *, emergency_codes: Container[str]) -> str:
    """The prefix without what people write between digits. Raises ImpossiblePrefix, nothing else."""
    prefix = without_separators(written)
    if prefix in emergency_codes:
        raise ImpossiblePrefix(f"{prefix} is an emergency or public-service code: it always passes (D16)")
    if _NATIONAL_PREFIX.fullmatch(prefix) or (_E164_PREFIX.fullmatch(prefix) and _begins_a_number(prefix)):
        return prefix
    raise ImpossiblePrefix(
        f"no number begins with {written!r}: give + and the country code, as in +1 or +5511, "
        "or the beginning of a 0300, 0500, 0800, 0900, 4003 or 4004 number, or a three-digit service"
    )


def _begins_a_number(prefix: str) -> bool:
    """Asked of the rules of numbers themselves. A digit repeated is enough: what they look at is at the beginning."""
    return any(_is_number(prefix.ljust(length, digit)) for length in _E164_LENGTHS for digit in "0123456789")


def _is_number(text: str) -> bool:
    try:
        return normalise(text, area_code="", emergency_codes=(), extensions=()).number == text
    except UndiallableNumber:
        return False
