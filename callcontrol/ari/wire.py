"""What Asterisk sends, as types. Sans-I/O.

Source: the models that Asterisk 22.10.1 publishes, `rest-api/api-docs/events.json`, `channels.json`, `bridges.json`,
`playbacks.json`, `asterisk.json` and `endpoints.json`. Only fields that are used are declared; the rest is skipped
by the decoder without being built.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from callcontrol.engine.ports.pbx import PbxUnavailable


class WireError(PbxUnavailable):
    """Asterisk sent something that is not what it publishes: what was asked stays unknown."""


def parse_time(text: str) -> datetime:
    """ARI's Date (`2026-11-22T01:46:28.537+0000`, in Asterisk's own zone) as an aware UTC time. Raises WireError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WireError(f"not a time: {text!r}") from error
    if moment.tzinfo is None:
        raise WireError(f"a time without its zone: {text!r}")
    return moment.astimezone(UTC)


class Dialplan(msgspec.Struct, frozen=True):
    """`DialplanCEP`: where the channel is; `app_data` holds the arguments of the application it is in."""

    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    id: str
    name: str
    state: str
    creationtime: str
    dialplan: Dialplan = Dialplan()


class Bridge(msgspec.Struct, frozen=True):
    id: str
    channels: list[str]


class Playback(msgspec.Struct, frozen=True):
    id: str
    target_uri: str
    """`channel:ID` or `bridge:ID`."""
    state: str = ""


class Endpoint(msgspec.Struct, frozen=True):
    resource: str
    state: str = "unknown"


class StatusInfo(msgspec.Struct, frozen=True):
    startup_time: str


class AsteriskInfo(msgspec.Struct, frozen=True):
    status: StatusInfo


class ConfigTuple(msgspec.Struct, frozen=True):
    """One attribute of a dynamic configuration object."""

    attribute: str
    value: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has."""

    type: str
    timestamp: str

    @property
    def at(self) -> datetime:
        """Asterisk's own time of the event, UTC. Raises WireError."""
        return parse_time(self.timestamp)


class StasisStart(Event, frozen=True, kw_only=True):
    """A channel entered the application."""

    channel: Channel
    args: list[str] = []


class StasisEnd(Event, frozen=True, kw_only=True):
    """A channel left the application: it was hung up, or goes on in the dialplan."""

    channel: Channel


class Dial(Event, frozen=True, kw_only=True):
    """A step of dialling `peer`; an empty status is the first one."""

    peer: Channel
    dialstatus: str


class ChannelDestroyed(Event, frozen=True, kw_only=True):
    """`cause` is Q.850, 0 where there is none; `tech_cause` is the SIP code (22.7 and later), where there was one."""

    channel: Channel
    cause: int
    tech_cause: int | None = None


class PlaybackFinished(Event, frozen=True, kw_only=True):
    playback: Playback


class ChannelUserevent(Event, frozen=True, kw_only=True):
    eventname: str
    userevent: dict[str, Any] = {}


class ApplicationReplaced(Event, frozen=True, kw_only=True):
    """Another websocket registered our application: this one is deaf from here."""

    application: str = ""


class Unknown(Event, frozen=True, kw_only=True):
    """An event that we did not ask for: the filter was not set yet, or Asterisk has learnt something new."""


EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        StasisStart,
        StasisEnd,
        Dial,
        ChannelDestroyed,
        PlaybackFinished,
        ChannelUserevent,
        ApplicationReplaced,
    )
}
"""The events that pass the filter: 9 of the 68 that a bridged call makes."""

_head = msgspec.json.Decoder(Event)
_bodies = {name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()}


def decode_event(data: bytes | str) -> Event:
    """One text frame of the events websocket. Raises WireError for what is no event, or a malformed one of ours."""
    try:
        head = _head.decode(data)
        decoder = _bodies.get(head.type)
        return decoder.decode(data) if decoder else Unknown(type=head.type, timestamp=head.timestamp)
    except msgspec.MsgspecError as error:
        raise WireError(str(error)) from error


T = TypeVar("T")


def decode(data: bytes, kind: type[T]) -> T:
    """The body of an answer, for example `decode(body, list[Channel])`. Raises WireError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise WireError(str(error)) from error


class _Message(msgspec.Struct, frozen=True):
    message: str = ""
    error: str = ""


def error_words(body: bytes) -> str:
    """Asterisk's own words in an error's body (`message`, or `error`), empty where there are none."""
    try:
        found = msgspec.json.decode(body, type=_Message)
    except msgspec.MsgspecError:
        return ""
    return found.message or found.error
