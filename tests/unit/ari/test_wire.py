"""What Asterisk 22.10.1 sends, decoded."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from callcontrol.ari import wire
from callcontrol.ari.translate import pbx_event, pbx_snapshot
from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    DialProgressed,
    DialStatus,
    PbxEvent,
    PlaybackEnded,
)

AT = datetime(2026, 11, 22, 1, 51, 49, 261000, tzinfo=UTC)
CHANNEL = {
    "id": "pbx-1795312309.43",
    "name": "PJSIP/1001-00000027",
    "state": "Ring",
    "protocol_id": "9b68bfe6-1713-46c1-abf6-c24f12742137",
    "caller": {"name": "Ana", "number": "1001"},
    "connected": {"name": "", "number": ""},
    "accountcode": "agent-7",
    "dialplan": {
        "context": "callcontrol-agents",
        "exten": "551155",
        "priority": 4,
        "app_name": "Stasis",
        "app_data": "callcontrol,outbound,551155",
    },
    "creationtime": "2026-11-22T01:51:49.261+0000",
    "language": "pt_BR",
}


def frame(kind: str, **fields: object) -> bytes:
    common = {
        "type": kind,
        "timestamp": "2026-11-22T01:51:49.261+0000",
        "asterisk_id": "02:fc:00:00:00:01",
        "application": "callcontrol",
    }
    return msgspec.json.encode(common | fields)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            frame("StasisStart", args=["outbound", "551155"], channel=CHANNEL),
            ChannelEntered(AT, "pbx-1795312309.43", "PJSIP/1001-00000027", ("outbound", "551155")),
        ),
        (frame("StasisEnd", channel=CHANNEL), ChannelLeft(AT, "pbx-1795312309.43")),
        (
            frame("Dial", dialstatus="RINGING", forward="", dialstring="", peer=CHANNEL),
            DialProgressed(AT, "pbx-1795312309.43", DialStatus.RINGING),
        ),
        (
            frame("ChannelDestroyed", cause=17, cause_txt="User busy", tech_cause=486, channel=CHANNEL),
            ChannelDestroyed(AT, "pbx-1795312309.43", 17, 486),
        ),
        (
            frame("ChannelDestroyed", cause=0, cause_txt="Unknown", channel=CHANNEL),
            ChannelDestroyed(AT, "pbx-1795312309.43", None, None),
        ),
        (
            frame(
                "PlaybackFinished",
                playback={
                    "id": "cc-1-announcement",
                    "media_uri": "sound:x",
                    "target_uri": "channel:c1",
                    "language": "pt_BR",
                    "state": "done",
                },
            ),
            PlaybackEnded(AT, "c1", "cc-1-announcement"),
        ),
    ],
)
def test_events_that_move_calls(data: bytes, expected: PbxEvent) -> None:
    assert pbx_event(wire.decode_event(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        frame("Dial", dialstatus="", peer=CHANNEL),
        frame("Dial", dialstatus="BUSY", peer=CHANNEL),
        frame("PlaybackFinished", playback={"id": "p", "target_uri": "bridge:b1"}),
        frame("ChannelUserevent", eventname="callcontrol.monitor.start", userevent={"agent": "1001"}),
        frame("ApplicationReplaced"),
        frame("ChannelVarset", variable="X", value="1", channel=CHANNEL),
        frame("SomethingOf2031", anything={"at": "all"}),
    ],
)
def test_events_that_do_not(data: bytes) -> None:
    assert pbx_event(wire.decode_event(data)) is None


def test_what_nobody_asked_for_is_told_apart_by_name() -> None:
    event = wire.decode_event(frame("ChannelVarset", variable="X", value="1"))
    assert isinstance(event, wire.Unknown)
    assert event.type == "ChannelVarset"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b'{"timestamp": "2026-11-22T01:51:49.261+0000"}',
        frame("StasisEnd"),
        frame("StasisEnd", channel={"id": 7}),
        frame("ChannelDestroyed", cause="sixteen", channel=CHANNEL),
        b'{"type": "StasisEnd"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_event(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_event(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T01:51:49.261+0000", AT),
        ("2026-11-21T22:51:49.261-0300", AT),
        ("2026-11-22T01:51:49.261Z", AT),
        ("2026-11-22T01:51:49+00:00", AT.replace(microsecond=0)),
    ],
)
def test_times_are_utc_whatever_asterisks_zone(text: str, expected: datetime) -> None:
    parsed = wire.parse_time(text)
    assert parsed == expected
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T01:51:49.261", "2026-13-22T01:51:49.261+0000"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_time(text)


def test_a_snapshot_tells_our_channels_from_others() -> None:
    channels = [
        CHANNEL,
        CHANNEL | {"id": "other-app", "dialplan": {"app_name": "Stasis", "app_data": "ivr,outbound,551155"}},
        CHANNEL | {"id": "dialplan", "dialplan": {"app_name": "Playback", "app_data": "callcontrol,x"}},
        CHANNEL | {"id": "bare", "dialplan": {"app_name": "Stasis", "app_data": "callcontrol"}},
    ]
    snapshot = pbx_snapshot(
        wire.AsteriskInfo(wire.StatusInfo("2026-11-22T01:46:28.537+0000")),
        wire.decode(msgspec.json.encode(channels), list[wire.Channel]),
        [wire.Bridge("b1", ["pbx-1795312309.43", "dialplan"])],
        "callcontrol",
    )
    assert snapshot.asterisk_started_at == datetime(2026, 11, 22, 1, 46, 28, 537000, tzinfo=UTC)
    assert {name: (c.in_app, c.in_other_app, c.app_args) for name, c in snapshot.channels.items()} == {
        "pbx-1795312309.43": (True, False, ("outbound", "551155")),
        "other-app": (False, True, ()),
        "dialplan": (False, False, ()),
        "bare": (True, False, ()),
    }
    assert snapshot.bridges == {"b1": ("pbx-1795312309.43", "dialplan")}


def test_the_words_of_an_error() -> None:
    assert wire.error_words(b'{"message":"Channel not found"}') == "Channel not found"
    assert wire.error_words(b'{"error":"Allocation failed"}') == "Allocation failed"
    assert wire.error_words(b"<html>") == ""
