"""Facts that move a call. Past tense; `at` is Asterisk's own timestamp wherever Asterisk saw it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Reason


class Deadline(StrEnum):
    """The timers of a call; setting one again replaces it. Entering another phase cancels all but those set there."""

    AUTHORISE = "authorise"
    SETUP = "setup"
    RING = "ring"
    ANNOUNCEMENT = "announcement"
    HANG_UP = "hang_up"
    CLOSE = "close"
    EXTEND = "extend"
    CUT = "cut"
    WARN = "warn"
    MAX_DURATION = "max_duration"


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime


@dataclass(frozen=True, slots=True)
class CallArrived(Event):
    """The agent's channel entered the application."""


@dataclass(frozen=True, slots=True)
class CallAuthorised(Event):
    """The rules allow it and, if it is billable, its first minute is held and committed."""

    terms: CallTerms
    held_minutes: int
    last_minute: bool


@dataclass(frozen=True, slots=True)
class CallRefused(Event):
    """Refused before dialling."""

    reason: Reason
    terms: CallTerms | None = None


@dataclass(frozen=True, slots=True)
class CustomerLegEntered(Event):
    """The customer's channel exists and is in the application, not dialled yet."""


@dataclass(frozen=True, slots=True)
class CustomerLegFailed(Event):
    """The customer's channel could not be created or dialled at all."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class CustomerRang(Event):
    """180, or 183 with early media, from the carrier."""


@dataclass(frozen=True, slots=True)
class CustomerAnswered(Event):
    """R6: from here it costs."""

    later_step_s: float = 0.0
    """By how much the wall clock was set after it and before we were told (D10)."""


@dataclass(frozen=True, slots=True)
class LegGone(Event):
    """A leg's channel is no more. `estimated`: no record of it, `at` is when it was last seen (D6)."""

    q850: int | None = None
    sip_code: int | None = None
    estimated: bool = False
    pbx_restarted: bool = False
    """Asterisk itself went down with it."""
    later_step_s: float = 0.0
    """By how much the wall clock was set after it and before we were told (D10)."""


@dataclass(frozen=True, slots=True)
class CustomerLegGone(LegGone):
    """The customer's channel was destroyed."""


@dataclass(frozen=True, slots=True)
class AgentLegGone(LegGone):
    """The agent's channel left the application or was destroyed."""


@dataclass(frozen=True, slots=True)
class HoldExtended(Event):
    """More minutes are held and committed: `held_minutes` in all, counted from the answer."""

    held_minutes: int
    last_minute: bool


@dataclass(frozen=True, slots=True)
class ExtensionFailed(Event):
    """No more minutes for now: none left (`exhausted`), or the ledger did not answer."""

    exhausted: bool


@dataclass(frozen=True, slots=True)
class AnnouncementFinished(Event):
    """The agent has heard it, or it could not be played."""


@dataclass(frozen=True, slots=True)
class CallClosed(Event):
    """CDR and minutes are committed."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed(Event):
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class CallAdopted(Event):
    """The daemon came back and found this call living: timers, limits and extensions are to be set again."""


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """The wall clock was set by so much, forwards positive; `at` is what it shows now (D10)."""

    step_s: float


@dataclass(frozen=True, slots=True)
class CloseFailed(Event):
    """The ledger did not answer; nothing is lost, it is tried again (D11)."""
