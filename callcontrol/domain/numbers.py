"""Dialled numbers: placeholder interface, see Destination. (Filled in by its own commit.)"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum


class DestinationKind(StrEnum):
    EMERGENCY = "emergency"
    EXTENSION = "extension"
    GEOGRAPHIC = "geographic"
    MOBILE = "mobile"
    SERVICE = "service"
    NON_GEOGRAPHIC = "non_geographic"
    PREMIUM = "premium"
    INTERNATIONAL = "international"


@dataclass(frozen=True, slots=True)
class Destination:
    kind: DestinationKind
    number: str
    """E.164 with `+`; national form where none exists (0300, 0800, 4004, three digits); the extension itself."""


class UndiallableNumber(ValueError):
    """What was dialled is no number at all: carries what was dialled."""


def normalise(dialled: str, *, area_code: str, emergency_codes: Container[str], extensions: Container[str]) -> Destination:
    raise UndiallableNumber(dialled)
