"""What one call knows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Disposition, Reason


class Phase(StrEnum):
    """Where a call is. Each is a column of the transition table."""

    AUTHORISING = "authorising"
    """The agent's channel waits while rules are asked and a minute is held."""
    PREPARING = "preparing"
    """A minute is held; the customer's channel is being created."""
    DIALLING = "dialling"
    """The INVITE is on its way to the carrier."""
    RINGING = "ringing"
    """The customer's phone rings, or the carrier plays early media ("Chamando")."""
    TALKING = "talking"
    """Answered and billed ("Em ligação")."""
    ANNOUNCING = "announcing"
    """Not to be, or no more to be, connected: the agent hears why."""
    ENDING = "ending"
    """Legs are being hung up; waiting for Asterisk to say that they are gone."""
    CLOSING = "closing"
    """No leg is left; CDR and minutes are being written."""
    ENDED = "ended"


class LegState(StrEnum):
    """One party's channel, as last told by Asterisk."""

    ABSENT = "absent"
    PRESENT = "present"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Timing:
    """The limits of the configuration that the machine needs, in seconds."""

    authorise_timeout_s: float = 5.0
    setup_timeout_s: float = 5.0
    ring_timeout_s: int = 60
    announcement_timeout_s: float = 8.0
    tone_s: float = 4.0
    hangup_timeout_s: float = 5.0
    close_timeout_s: float = 10.0
    close_retry_s: float = 2.0
    extend_lead_s: int = 65
    extend_retry_s: int = 5
    grace_s: int = 600
    minute_s: int = 60
    """Length of a minute. Only tests of the live cut shorten it, never an operator."""
    warnings_s: tuple[float, ...] = (60, 15)
    """D4: how long before the end of the last held minute the agent hears a tone; the longest first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the aggregate. Immutable; `decide` gives the next one."""

    call_id: str
    agent_channel: str
    sip_username: str
    dialled: str
    started_at: datetime
    timing: Timing
    phase: Phase = Phase.AUTHORISING
    terms: CallTerms | None = None
    held_minutes: int = 0
    last_minute: bool = False
    """The hold cannot grow: no minute was left when it was last extended."""
    warned: int = 0
    """How many of the warnings before the end of this hold are behind us (D4)."""
    agent: LegState = LegState.PRESENT
    customer: LegState = LegState.ABSENT
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    clock_step_s: float = 0.0
    """By how much the wall clock was set between answer and end: no part of the talk (D10)."""
    disposition: Disposition | None = None
    reason: Reason | None = None
    q850: int | None = None
    sip_code: int | None = None
    cut_for_exhaustion: bool = False
    estimated: bool = False

    @property
    def customer_channel(self) -> str:
        """Formed before acting, so that a retry uses the same id."""
        return f"cc-{self.call_id}-customer"

    @property
    def bridge(self) -> str:
        return f"cc-{self.call_id}-bridge"

    @property
    def announcement(self) -> str:
        """The id of the playback to the agent."""
        return f"cc-{self.call_id}-announcement"

    @property
    def warning(self) -> str:
        """The id of the playback of the latest warning tone."""
        return f"cc-{self.call_id}-warning{self.warned}"

    @property
    def billable(self) -> bool:
        return self.terms is not None and self.terms.billable


def call_of(resource_id: str) -> tuple[str, str] | None:
    """`cc-<call id>-<role>` -> (call id, role); None for an id that is not ours."""
    prefix, _, rest = resource_id.partition("-")
    call_id, _, role = rest.rpartition("-")
    return (call_id, role) if prefix == "cc" and call_id and role else None
