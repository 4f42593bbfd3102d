"""A session against a peer that misbehaves. (With a real Asterisk: tests/contract/test_session.py.)"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog

from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.session import ApplicationTaken, AriSession
from callcontrol.engine.ports.pbx import PbxEvent, PbxSnapshot
from tests.contract.recorder import Recorder
from tests.unit.ari.peer import AT, Peer, entered

PASSWORD = "a-password-that-nobody-may-see"


class Observed:
    """An AriObserver that counts."""

    def __init__(self) -> None:
        self.connected: list[bool] = []
        self.events: list[str] = []
        self.routes: set[tuple[str, str, int]] = set()

    def ari_connected(self, connected: bool) -> None:
        self.connected.append(connected)

    def ari_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.routes.add((method, route, status))

    def ari_event(self, event_type: str, lag_s: float) -> None:
        self.events.append(event_type)


class Line:
    """A peer, a listener, and the session between them."""

    def __init__(self, peer: Peer, told: Recorder, **options: Any) -> None:
        self.peer = peer
        self.told = told
        self.observed = Observed()
        self.connection = AriConnection(peer.url, "callcontrol", PASSWORD, request_timeout_s=2, observer=self.observed)
        defaults: dict[str, Any] = {"heartbeat_s": 0.1, "backoff": Backoff(0.01, 0.02)}
        self.session = AriSession(self.connection, told, observer=self.observed, **{**defaults, **options})
        self.running = asyncio.create_task(self.session.run())

    async def live(self, times: int = 1) -> None:
        await self.told.until(lambda: self.told.told.count("connected") == times, 10, f"connected {times} times")

    async def close(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ApplicationTaken):
            await self.running
        await self.connection.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def line(peer: Peer) -> AsyncIterator[Callable[..., Line]]:
    lines: list[Line] = []

    def open_line(told: Recorder | None = None, **options: Any) -> Line:
        lines.append(Line(peer, told or Recorder(), **options))
        return lines[-1]

    yield open_line
    for each in lines:
        await each.close()


async def test_stream_then_filter_then_snapshot_on_every_connect(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    await peer.drop()
    await one.live(2)
    setup = [
        "GET /ari/events?app=callcontrol&subscribeAll=false",
        "PUT /ari/applications/callcontrol/eventFilter",
        *("GET /ari/asterisk/info", "GET /ari/channels", "GET /ari/bridges"),
    ]
    assert [request for request in peer.requests if request not in ("ping", "GET /ari/asterisk/ping")] == setup * 2
    assert one.told.told == ["connected", "lost", "connected"]
    assert one.observed.connected == [True, False, True]


async def test_what_comes_during_reconciliation_comes_after_it_in_order(peer: Peer, line: Callable[..., Line]) -> None:
    reconciling, finish = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        async def on_connected(self, snapshot: PbxSnapshot) -> None:
            reconciling.set()
            await finish.wait()
            await super().on_connected(snapshot)

    one = line(Slow())
    await reconciling.wait()
    for number in range(50):
        await peer.tell(entered(f"c{number}"))
    await peer.until(lambda: peer.requests.count("ping") >= 2, "a heartbeat, behind the events")
    assert one.told.told == []
    assert not one.session.connected
    finish.set()
    await one.told.until(lambda: len(one.told.events) == 50, 10, "50 events")
    assert one.told.told[0] == "connected"
    assert [event.channel_id for event in one.told.events] == [f"c{number}" for number in range(50)]
    assert one.session.connected


async def test_a_half_open_websocket_is_given_up(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    peer.answers_pings = False
    await one.told.until(lambda: "lost" in one.told.told, 10, "the loss")
    assert not one.session.connected
    peer.answers_pings = True
    await one.live(2)
    assert one.told.told.count("lost") == 1


async def test_a_quiet_websocket_that_answers_pings_is_kept(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    await peer.until(lambda: peer.requests.count("ping") >= 6, "6 heartbeats")
    await peer.tell(entered("late"))
    await one.told.until(lambda: one.told.events, 10, "the event")
    assert one.told.told == ["connected", "ChannelEntered"]


async def test_the_stream_outlives_the_time_limit_of_requests(peer: Peer, line: Callable[..., Line]) -> None:
    one = line(heartbeat_s=0.5)
    await one.live()
    await peer.until(lambda: peer.requests.count("ping") >= 6, "3 s, where requests have 2")
    assert one.told.told == ["connected"]


async def test_not_ready_while_requests_go_unanswered(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    peer.answers_rest = False
    await peer.until(lambda: not one.session.connected, "not connected, looked at with each ping")
    peer.answers_rest = True
    await peer.until(lambda: one.session.connected, "connected again")
    # The events never stopped.
    assert one.told.told == ["connected"]


async def test_another_process_takes_the_application(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    await peer.tell({"type": "ApplicationReplaced", "timestamp": AT, "application": "callcontrol"})
    with pytest.raises(ApplicationTaken, match="callcontrol"):
        await asyncio.wait_for(one.running, 10)
    assert one.told.told == ["connected", "lost"]
    assert one.observed.connected == [True, False]


async def test_a_reconciliation_that_fails_is_done_again_from_a_new_snapshot(
    peer: Peer, line: Callable[..., Line]
) -> None:
    class Failing(Recorder):
        async def on_connected(self, snapshot: PbxSnapshot) -> None:
            await super().on_connected(snapshot)
            if len(self.snapshots) < 3:
                raise RuntimeError("the ledger is away")

    one = line(Failing())
    await one.live(3)
    await peer.tell(entered("c1"))
    await one.told.until(lambda: one.told.events, 10, "live at last")
    assert one.told.told == ["connected", "lost", "connected", "lost", "connected", "ChannelEntered"]
    assert one.observed.connected == [True]


async def test_a_reconciliation_is_cancelled_by_the_loss_of_its_connection(
    peer: Peer, line: Callable[..., Line]
) -> None:
    class Endless(Recorder):
        async def on_connected(self, snapshot: PbxSnapshot) -> None:
            await super().on_connected(snapshot)
            if len(self.snapshots) == 1:
                await asyncio.Event().wait()

    one = line(Endless())
    await one.live()
    await peer.drop()
    await one.live(2)
    assert one.told.told == ["connected", "lost", "connected"]


async def test_one_event_that_fails_does_not_stop_the_others(peer: Peer, line: Callable[..., Line]) -> None:
    class Defective(Recorder):
        def on_event(self, event: PbxEvent) -> None:
            super().on_event(event)
            if event.channel_id == "c1":
                raise KeyError(event.channel_id)

    one = line(Defective())
    await one.live()
    for frame in (entered("c1"), "not json", '{"type": "StasisEnd"}', {"type": "ChannelVarset", "timestamp": AT}):
        await peer.tell(frame)
    await peer.tell(entered("c2"))
    await one.told.until(lambda: len(one.told.events) == 2, 10, "the event behind them")
    assert one.observed.events == ["StasisStart", "malformed", "malformed", "other", "StasisStart"]
    assert one.told.told == ["connected", "ChannelEntered", "ChannelEntered"]


async def test_a_backlog_without_end_starts_again_from_a_snapshot(peer: Peer, line: Callable[..., Line]) -> None:
    finish = asyncio.Event()

    class Slow(Recorder):
        async def on_connected(self, snapshot: PbxSnapshot) -> None:
            await super().on_connected(snapshot)
            if len(self.snapshots) == 1:
                await finish.wait()

    one = line(Slow(), backlog=10)
    await one.live()
    for number in range(11):
        await peer.tell(entered(f"c{number}"))
    await one.live(2)
    assert one.told.events == []


async def test_cancelling_it_is_a_loss_too(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    await one.close()
    assert one.told.told == ["connected", "lost"]
    assert not one.session.connected
    assert one.session.last_heard == 0.0


async def test_refused_credentials_are_tried_again_and_never_logged(peer: Peer, line: Callable[..., Line]) -> None:
    peer.status = 401
    with structlog.testing.capture_logs() as logs:
        one = line()
        await peer.until(lambda: len(peer.requests) >= 3, "three attempts")
        peer.status = 200
        await one.live()
    assert any(entry["event"] == "ari.not_connected" for entry in logs)
    assert PASSWORD not in repr(logs)
    assert PASSWORD not in repr(vars(one.connection))
    assert one.told.told == ["connected"]


async def test_routes_are_a_closed_set(peer: Peer, line: Callable[..., Line]) -> None:
    one = line()
    await one.live()
    assert {(method, route) for method, route, _ in one.observed.routes} >= {
        ("PUT", "/applications/{app}/eventFilter"),
        ("GET", "/asterisk/info"),
        ("GET", "/channels"),
        ("GET", "/bridges"),
    }


async def test_nobody_there(line: Callable[..., Line], peer: Peer) -> None:
    await peer.stop()
    pauses: list[float] = []
    tried = asyncio.Event()

    def pause(_: float, high: float) -> float:
        pauses.append(high)
        if len(pauses) == 4:
            tried.set()
        return 0.0

    one = line(backoff=Backoff(1.0, 3.0, uniform=pause))
    await asyncio.wait_for(tried.wait(), 10)
    assert pauses[:4] == [1.0, 2.0, 3.0, 3.0]
    assert one.told.told == []
    assert not one.session.connected
