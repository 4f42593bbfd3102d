"""The PBX port: what the engine asks of Asterisk, and what Asterisk tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class PbxUnavailable(Exception):
    """Asterisk did not answer a question that has no outcome to carry that: ask again later."""


class Outcome(StrEnum):
    """How a request to the PBX ended. Expected failures are values, not exceptions."""

    DONE = "done"
    GONE = "gone"
    """The channel, bridge or playback is not there (any more)."""
    NOT_IN_STASIS = "not_in_stasis"
    """The channel exists and is not (yet, or no longer) under our control."""
    EXISTS = "exists"
    """Created before with the same id: a retry found its own work."""
    UNAVAILABLE = "unavailable"
    """The endpoint cannot be reached: not registered, no contact, no such trunk."""
    INVALID = "invalid"
    """Asterisk understood and refused: an error of ours or of the configuration; logged with Asterisk's words."""
    UNKNOWN = "unknown"
    """No answer in time or no connection: it may or may not have been done."""


@dataclass(frozen=True, slots=True)
class ChannelSnapshot:
    """One channel as Asterisk reports it now."""

    channel_id: str
    name: str
    """`PJSIP/1001-0000002a`."""
    state: str
    """Asterisk's words: Down, Rsrvd, OffHook, Dialing, Ring, Ringing, Up, Busy."""
    created_at: datetime
    app_args: tuple[str, ...] = ()
    """Arguments of Stasis() without the application's name; empty when the channel is not in our application."""
    in_app: bool = False
    in_other_app: bool = False
    """In a Stasis application that is not ours: another daemon's on the same Asterisk."""


@dataclass(frozen=True, slots=True)
class PbxSnapshot:
    """Everything that lives in Asterisk at one moment."""

    asterisk_started_at: datetime
    channels: dict[str, ChannelSnapshot] = field(default_factory=dict)
    bridges: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Bridge id -> ids of the channels in it."""


# What Asterisk tells. `at` is the timestamp of Asterisk's own event.


@dataclass(frozen=True, slots=True)
class PbxEvent:
    at: datetime
    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelEntered(PbxEvent):
    """StasisStart."""

    name: str
    app_args: tuple[str, ...]

    @property
    def endpoint(self) -> str:
        """`PJSIP/1001-0000002a` -> `1001`: the endpoint Asterisk authenticated, which a From header cannot forge."""
        return self.name.partition("/")[2].rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class ChannelLeft(PbxEvent):
    """StasisEnd: the channel hung up or was given back to the dialplan."""


@dataclass(frozen=True, slots=True)
class ChannelDestroyed(PbxEvent):
    q850: int | None
    sip_code: int | None


class DialStatus(StrEnum):
    """The dial statuses that move a call; failures come as ChannelDestroyed with their causes."""

    RINGING = "RINGING"
    PROGRESS = "PROGRESS"
    PROCEEDING = "PROCEEDING"
    ANSWER = "ANSWER"


@dataclass(frozen=True, slots=True)
class DialProgressed(PbxEvent):
    """A Dial event of the called channel."""

    status: DialStatus


@dataclass(frozen=True, slots=True)
class PlaybackEnded(PbxEvent):
    """`channel_id` is the playback's target channel."""

    playback_id: str


class PbxListener(Protocol):
    """The engine, as the PBX session sees it. Called in the event loop's thread, never concurrently."""

    async def on_connected(self, snapshot: PbxSnapshot) -> None:
        """Reconcile with what lives. Events that arrive meanwhile are buffered and delivered after it returns; some
        may tell what the snapshot shows already. Cancelled when the connection is lost meanwhile: it must be
        repeatable. An exception gives the connection up, and a new one begins with a new snapshot."""

    def on_event(self, event: PbxEvent) -> None:
        """One event, in Asterisk's order. Must not block."""

    def on_disconnected(self) -> None:
        """The connection is lost: calls go on in Asterisk, events are lost until the next on_connected. Exactly once
        after each on_connected, whether that one returned, raised or was cancelled."""


class Pbx(Protocol):
    """Asterisk, as the engine uses it. Every request has a timeout; ids are the caller's."""

    async def snapshot(self) -> PbxSnapshot:
        """Raises PbxUnavailable."""

    async def channel_exists(self, channel_id: str) -> bool | None:
        """None: no answer."""

    async def create_bridge(self, bridge_id: str) -> Outcome:
        """A `mixing,proxy_media` bridge: ringback and early media pass through it."""

    async def destroy_bridge(self, bridge_id: str) -> Outcome: ...

    async def create_channel(
        self, channel_id: str, dial_string: str, *, app_args: tuple[str, ...], originator: str | None
    ) -> Outcome:
        """Create an outbound channel in our application without dialling; ChannelEntered follows."""

    async def set_variables(self, channel_id: str, variables: dict[str, str]) -> Outcome:
        """Channel variables and dialplan functions, several at once."""

    async def add_to_bridge(self, bridge_id: str, channel_ids: tuple[str, ...]) -> Outcome:
        """All of them, or none when one is gone. Nobody's display is changed by it."""

    async def dial(self, channel_id: str, *, caller: str | None, timeout_s: int) -> Outcome:
        """Once only: a second dial ends the leg, so one whose outcome is UNKNOWN is not repeated. When the ring time
        is over the leg ends with causes 19 and 480. `caller` hands that channel's identity on."""

    async def answer(self, channel_id: str) -> Outcome: ...

    async def play(self, channel_id: str, playback_id: str, media: str) -> Outcome:
        """`sound:...` or `tone:...`; on an unanswered channel it is early media. PlaybackEnded follows."""

    async def hang_up(self, channel_id: str, q850: int) -> Outcome: ...

    async def continue_in_dialplan(self, channel_id: str) -> Outcome:
        """Give the channel back to the dialplan, at the priority after Stasis()."""


@dataclass(frozen=True, slots=True)
class SoftphoneAccount:
    """What Asterisk must know of an agent's softphone."""

    sip_username: str
    token: str
    agent_id: int
    display_name: str
    extension: str


class SoftphoneRegistry(Protocol):
    """Agents' PJSIP endpoints in Asterisk, made over ARI: no file edited, no reload."""

    async def put(self, account: SoftphoneAccount) -> Outcome:
        """Create or update; a registered phone stays registered unless its token changed."""

    async def remove(self, sip_username: str) -> Outcome:
        """The endpoint, its registrations and credentials are gone."""

    async def present(self) -> dict[str, str]:
        """SIP user name -> state (`online`, `offline`, `unknown`) of every PJSIP endpoint Asterisk has.
        Raises PbxUnavailable."""
