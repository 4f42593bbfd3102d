"""From Asterisk's words to the engine's: events and snapshots."""

from __future__ import annotations

from callcontrol.ari import wire
from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    ChannelSnapshot,
    DialProgressed,
    DialStatus,
    PbxEvent,
    PbxSnapshot,
    PlaybackEnded,
)

_DIAL_STATUSES = frozenset(DialStatus)


def pbx_event(event: wire.Event) -> PbxEvent | None:
    """None for what moves no call. Raises WireError for a time that is none."""
    match event:
        case wire.StasisStart(channel=channel, args=args):
            return ChannelEntered(event.at, channel.id, name=channel.name, app_args=tuple(args))
        case wire.StasisEnd(channel=channel):
            return ChannelLeft(event.at, channel.id)
        case wire.Dial(peer=peer, dialstatus=status) if status in _DIAL_STATUSES:
            # Failures (BUSY, NOANSWER, ...) are not told here: ChannelDestroyed follows with the causes themselves.
            return DialProgressed(event.at, peer.id, status=DialStatus(status))
        case wire.ChannelDestroyed(channel=channel, cause=cause, tech_cause=sip_code):
            # Cause 0: nothing gave one.
            return ChannelDestroyed(event.at, channel.id, q850=cause or None, sip_code=sip_code or None)
        case wire.PlaybackFinished(playback=playback):
            kind, _, target = playback.target_uri.partition(":")
            return PlaybackEnded(event.at, target, playback_id=playback.id) if kind == "channel" else None
        case _:
            return None


def channel_snapshot(channel: wire.Channel, app: str) -> ChannelSnapshot:
    """A channel is in our application when Stasis() is what it runs and ours is the first argument."""
    name, *args = channel.dialplan.app_data.split(",")
    in_stasis = channel.dialplan.app_name == "Stasis"
    in_app = in_stasis and name == app
    return ChannelSnapshot(
        channel_id=channel.id,
        name=channel.name,
        state=channel.state,
        created_at=wire.parse_time(channel.creationtime),
        app_args=tuple(args) if in_app else (),
        in_app=in_app,
        in_other_app=in_stasis and not in_app,
    )


def pbx_snapshot(
    info: wire.AsteriskInfo, channels: list[wire.Channel], bridges: list[wire.Bridge], app: str
) -> PbxSnapshot:
    return PbxSnapshot(
        asterisk_started_at=wire.parse_time(info.status.startup_time),
        channels={channel.id: channel_snapshot(channel, app) for channel in channels},
        bridges={bridge.id: tuple(bridge.channels) for bridge in bridges},
    )
