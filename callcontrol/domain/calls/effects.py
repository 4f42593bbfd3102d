"""What a call wants done. Imperative; the engine runs them in order, each kind in its lane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from callcontrol.domain.calls.events import Deadline


@dataclass(frozen=True, slots=True)
class Effect:
    pass


# The ledger's lane: one after the other, in order


@dataclass(frozen=True, slots=True)
class Authorise(Effect):
    """Ask the directory and the rules, hold the first minute. Comes back as CallAuthorised or CallRefused."""


@dataclass(frozen=True, slots=True)
class RecordAnswer(Effect):
    """Make the answer durable."""

    answered_at: datetime


@dataclass(frozen=True, slots=True)
class ExtendHold(Effect):
    """Hold at least `until_minute` minutes, counted from the answer. Comes back as HoldExtended or ExtensionFailed."""

    until_minute: int


@dataclass(frozen=True, slots=True)
class CloseCall(Effect):
    """CDR and minutes in one transaction; retried until it is committed. Comes back as CallClosed."""


# Asterisk's lane: one after the other, in order


@dataclass(frozen=True, slots=True)
class LimitLeg(Effect):
    """Asterisk ends this channel by itself `limit_s` from now (D5); 0 lifts the limit."""

    channel: str
    limit_s: int


@dataclass(frozen=True, slots=True)
class CreateBridge(Effect):
    bridge: str


@dataclass(frozen=True, slots=True)
class CreateCustomerLeg(Effect):
    """Create the channel without dialling. Fails as CustomerLegFailed."""

    channel: str
    dial_string: str
    originator: str


@dataclass(frozen=True, slots=True)
class PrepareCustomerLeg(Effect):
    """Before it is dialled: its own limit (D5) and the number it shows."""

    channel: str
    limit_s: int
    caller_id: str


@dataclass(frozen=True, slots=True)
class ConnectLegs(Effect):
    """Both channels into the bridge, before dialling, so that ringback and early media reach the agent."""

    bridge: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DialCustomer(Effect):
    """Send the INVITE. Fails as CustomerLegFailed."""

    channel: str
    ring_timeout_s: int


@dataclass(frozen=True, slots=True)
class AnswerAgent(Effect):
    channel: str


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Play a sound or a tone to the agent in early media. Comes back as AnnouncementFinished."""

    channel: str
    playback: str
    media: str


@dataclass(frozen=True, slots=True)
class WarnAgent(Effect):
    """Play a short sound to the agent of a talking call (D4). Nothing waits for it, and nothing comes back."""

    channel: str
    playback: str
    media: str


@dataclass(frozen=True, slots=True)
class HangUpLeg(Effect):
    """Hang up with a Q.850 cause. A channel already gone comes back as its LegGone."""

    channel: str
    q850: int


@dataclass(frozen=True, slots=True)
class DestroyBridge(Effect):
    bridge: str


# Timers


@dataclass(frozen=True, slots=True)
class SetDeadline(Effect):
    """DeadlinePassed at `at`, unless replaced or the phase is left first."""

    deadline: Deadline
    at: datetime


@dataclass(frozen=True, slots=True)
class CancelDeadline(Effect):
    deadline: Deadline
