"""An Asterisk in memory: the Pbx port, phones and carriers that a test scripts, and a connection that can be lost.

What it does is what 22.10.1 was measured to do; tests/contract runs the same suite on both. Time is a VirtualClock's:
nothing happens unless a test lets it (`await fake.clock.advance(s)`, `await fake.settle()`).

    fake = FakePbx(VirtualClock())
    fake.carrier["PJSIP/+5511912345678@carrier"] = answers(talks_s=97)
    await fake.connect(engine)
    agent = fake.agent_dials("1001", "912345678")
    await fake.clock.advance(120)
    assert fake.channels == {}
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    ChannelSnapshot,
    DialProgressed,
    DialStatus,
    Outcome,
    PbxEvent,
    PbxListener,
    PbxSnapshot,
    PbxUnavailable,
    PlaybackEnded,
)
from tests.support.carrier import Act, Script, Step, answers
from tests.support.clock import VirtualClock, VirtualTimer

AGENT_SIP_CODES = {
    1: 404,
    3: 404,
    16: 603,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 403,
    22: 410,
    27: 502,
    28: 484,
    29: 501,
}
AGENT_SIP_CODES |= {34: 503, 38: 500, 41: 603, 42: 503}
"""Final response that an unanswered caller gets for each cause (measured on 22.10.1)."""

RING_TIMEOUT = (19, 480)
"""Causes of a leg whose dial timed out."""


@dataclass(slots=True)
class FakeChannel:
    """One channel. The test reads it, also after its end (`fake.ended`)."""

    channel_id: str
    name: str
    created_at: datetime
    state: str
    dial_string: str | None = None
    """Of an outbound channel; None for a phone's own call."""
    app_args: tuple[str, ...] = ()
    in_app: bool = False
    in_other_app: bool = False
    """A test says so of a channel that another daemon has made."""
    known: bool = False
    """Its StasisStart was delivered (or lost): only now do requests for it succeed."""
    variables: dict[str, str] = field(default_factory=dict)
    limit: VirtualTimer | None = None
    limit_at: datetime | None = None
    """When TIMEOUT(absolute) ends it."""
    ring_timer: VirtualTimer | None = None
    script: VirtualTimer | None = None
    shown_number: str | None = None
    """The origin number in the INVITE (R11)."""
    dialled: bool = False
    dialled_at: datetime | None = None
    ring_timeout_s: int | None = None
    playing: dict[str, VirtualTimer | None] = field(default_factory=dict)
    played: list[str] = field(default_factory=list)
    """Media that was played to it, in order."""
    heard: list[str] = field(default_factory=list)
    """What a phone was told while it waited: `ringing`, `early media`, `answered`."""
    hangup_q850: int | None = None
    """The cause it ended with."""
    sip_code: int | None = None
    """Final response to an unanswered phone."""
    in_fallback: bool = False
    """Given to the dialplan: nobody was there, or the daemon gave it back."""

    @property
    def outbound(self) -> bool:
        return self.dial_string is not None

    @property
    def up(self) -> bool:
        return self.state == "Up"


@dataclass(frozen=True, slots=True)
class FakeRequest:
    """One request as it came in."""

    at: datetime
    method: str
    target: str
    arguments: tuple[object, ...]
    outcome: Outcome


@dataclass(slots=True)
class _Fault:
    outcome: Outcome
    done: bool


class FakePbx:
    """Implements callcontrol.engine.ports.pbx.Pbx."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.started_at = self.clock.now()
        self.channels: dict[str, FakeChannel] = {}
        self.bridges: dict[str, set[str]] = {}
        self.ended: dict[str, FakeChannel] = {}
        """Channels that are no more, by id."""
        self.requests: list[FakeRequest] = []
        self.carrier: dict[str, Script] = {}
        """Dial string -> what the called side does; others do `default_script`."""
        self.default_script: Script = answers()
        self.unreachable: set[str] = set()
        """Dial strings whose endpoint is not registered or does not exist."""
        self.playback_s = 2.0
        """Length of a sound. A tone plays until it is stopped or the channel ends."""
        self.missing_media: set[str] = set()
        """What cannot be played: its PlaybackEnded comes at once."""
        self.answering = True
        """False: requests get no answer (and are not done)."""
        self._faults: dict[str, deque[_Fault]] = {}
        self._delays: dict[str, float] = {}
        self._ids = itertools.count(1)
        self._listener: PbxListener | None = None
        self._live = False
        self._waiting: deque[PbxEvent] = deque()
        self._scheduled = False

    # The daemon's connection, as AriSession keeps it

    async def connect(self, listener: PbxListener) -> None:
        """Snapshot, `on_connected`, then what happened meanwhile, then live."""
        self._listener, self._live = listener, False
        self._waiting.clear()
        await listener.on_connected(self._snapshot())
        self._live = True
        self._schedule()

    def lose_connection(self) -> None:
        """Events that were not delivered are lost, and so are all until the next `connect`. Calls go on."""
        listener, self._listener, self._live = self._listener, None, False
        for event in self._waiting:
            self._know(event)
        self._waiting.clear()
        if listener is not None:
            listener.on_disconnected()

    async def reconnect(self, listener: PbxListener) -> None:
        self.lose_connection()
        await self.connect(listener)

    def restart(self) -> None:
        """Asterisk crashed and came back: nothing lives, nobody was told."""
        self.lose_connection()
        for channel in list(self.channels.values()):
            self._stop_timers(channel)
            self.ended[channel.channel_id] = channel
        self.channels.clear()
        self.bridges.clear()
        self.started_at = self.clock.now()

    @property
    def connected(self) -> bool:
        return self._listener is not None

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.clock.settle()

    # Phones and carriers

    def agent_dials(self, sip_username: str, dialled: str, *, direction: str = "outbound") -> str:
        """An INVITE of a registered phone reaches `Stasis(callcontrol,outbound,DIALLED)`. Returns the channel id."""
        number = next(self._ids)
        channel = FakeChannel(
            channel_id=f"pbx-{self.started_at.timestamp():.0f}.{number}",
            name=f"PJSIP/{sip_username}-{number:08x}",
            created_at=self.clock.now(),
            state="Ring",
        )
        self.channels[channel.channel_id] = channel
        # D12: the dialplan's own limit, before Stasis().
        self._limit(channel, 15)
        if self._listener is None:
            channel.in_fallback = True
        else:
            self._enter(channel, (direction, dialled))
        return channel.channel_id

    def phone_hangs_up(self, channel_id: str) -> None:
        """The party at the other end of this channel hangs up: BYE, or CANCEL from a phone that waits."""
        channel = self.channels[channel_id]
        self._end(channel, 16 if channel.up or channel.outbound else 0)

    def carrier_does(self, channel_id: str, step: Step, q850: int = 16, sip_code: int | None = None) -> None:
        """Beyond the script: the called side of this dialled channel acts now."""
        self._act(self.channels[channel_id], Act(0, step, q850, sip_code), ())

    def customer_of(self, agent_channel: str) -> str | None:
        """The channel bridged with this one."""
        for members in self.bridges.values():
            if agent_channel in members:
                return next(iter(members - {agent_channel}), None)
        return None

    # Faults

    def fail_next(self, method: str, outcome: Outcome, *, done: bool = False) -> None:
        """The next call of this Pbx method returns `outcome`; `done`: it is carried out all the same."""
        self._faults.setdefault(method, deque()).append(_Fault(outcome, done))

    def delay_answers(self, method: str, seconds: float) -> None:
        """From now on this method is carried out at once and answered so much later: events overtake the answer."""
        self._delays[method] = seconds

    def asked(self, method: str) -> list[FakeRequest]:
        return [request for request in self.requests if request.method == method]

    # Pbx

    async def snapshot(self) -> PbxSnapshot:
        await asyncio.sleep(0)
        if not self.answering:
            raise PbxUnavailable("no answer")
        return self._snapshot()

    async def channel_exists(self, channel_id: str) -> bool | None:
        outcome = await self._serve("channel_exists", channel_id, (), lambda: self._present(channel_id))
        return {Outcome.DONE: True, Outcome.GONE: False}.get(outcome)

    async def create_bridge(self, bridge_id: str) -> Outcome:
        def act() -> Outcome:
            if bridge_id in self.bridges:
                return Outcome.EXISTS
            self.bridges[bridge_id] = set()
            return Outcome.DONE

        return await self._serve("create_bridge", bridge_id, (), act)

    async def destroy_bridge(self, bridge_id: str) -> Outcome:
        def act() -> Outcome:
            return Outcome.GONE if self.bridges.pop(bridge_id, None) is None else Outcome.DONE

        return await self._serve("destroy_bridge", bridge_id, (), act)

    async def create_channel(
        self, channel_id: str, dial_string: str, *, app_args: tuple[str, ...], originator: str | None
    ) -> Outcome:
        def act() -> Outcome:
            if channel_id in self.channels:
                return Outcome.EXISTS
            if dial_string in self.unreachable:
                return Outcome.UNAVAILABLE
            technology, _, resource = dial_string.partition("/")
            endpoint = resource.rpartition("@")[2]
            channel = FakeChannel(
                channel_id=channel_id,
                name=f"{technology}/{endpoint}-{next(self._ids):08x}",
                created_at=self.clock.now(),
                state="Down",
                dial_string=dial_string,
            )
            self.channels[channel_id] = channel
            self._enter(channel, app_args)
            return Outcome.DONE

        return await self._serve("create_channel", channel_id, (dial_string, app_args, originator), act)

    async def set_variables(self, channel_id: str, variables: dict[str, str]) -> Outcome:
        def act(channel: FakeChannel) -> Outcome:
            channel.variables |= variables
            if "TIMEOUT(absolute)" in variables:
                self._limit(channel, float(variables["TIMEOUT(absolute)"]))
            return Outcome.DONE

        return await self._serve_channel("set_variables", channel_id, (dict(variables),), act)

    async def add_to_bridge(self, bridge_id: str, channel_ids: tuple[str, ...]) -> Outcome:
        def act() -> Outcome:
            if bridge_id not in self.bridges:
                return Outcome.GONE
            for outcome in map(self._controllable, channel_ids):
                if outcome is not None:
                    return outcome
            for members in self.bridges.values():
                members -= set(channel_ids)
            self.bridges[bridge_id] |= set(channel_ids)
            return Outcome.DONE

        return await self._serve("add_to_bridge", bridge_id, (channel_ids,), act)

    async def dial(self, channel_id: str, *, caller: str | None, timeout_s: int) -> Outcome:
        def act(channel: FakeChannel) -> Outcome:
            if channel.state != "Down":
                return Outcome.INVALID
            if channel.dialled:
                # As measured: accepted, and it ends the leg.
                self._end(channel, 16)
                return Outcome.DONE
            channel.dialled, channel.dialled_at = True, self.clock.now()
            channel.ring_timeout_s = timeout_s
            channel.shown_number = channel.variables.get("CONNECTEDLINE(num,i)")
            channel.ring_timer = self.clock.call_in(timeout_s, lambda: self._end(channel, *RING_TIMEOUT))
            self._play_script(channel, self.carrier.get(channel.dial_string or "", self.default_script))
            return Outcome.DONE

        return await self._serve_channel("dial", channel_id, (caller, timeout_s), act)

    async def answer(self, channel_id: str) -> Outcome:
        def act(channel: FakeChannel) -> Outcome:
            if channel.state == "Down":
                return Outcome.INVALID
            if not channel.up:
                channel.state = "Up"
                channel.heard.append("answered")
            return Outcome.DONE

        return await self._serve_channel("answer", channel_id, (), act)

    async def play(self, channel_id: str, playback_id: str, media: str) -> Outcome:
        def act(channel: FakeChannel) -> Outcome:
            if channel.state == "Down":
                return Outcome.INVALID
            channel.played.append(media)
            if not channel.up:
                channel.heard.append("early media")
            channel.playing[playback_id] = None
            if not media.startswith("tone:"):
                length_s = 0 if media in self.missing_media else self.playback_s
                channel.playing[playback_id] = self.clock.call_in(length_s, lambda: self._played(channel, playback_id))
            return Outcome.DONE

        return await self._serve_channel("play", channel_id, (playback_id, media), act)

    async def hang_up(self, channel_id: str, q850: int) -> Outcome:
        def act() -> Outcome:
            channel = self.channels.get(channel_id)
            if channel is None:
                return Outcome.GONE
            # A leg that was made and never dialled ends like one that refused.
            never_dialled = channel.outbound and not channel.dialled
            self._end(channel, q850, 603 if never_dialled else None)
            return Outcome.DONE

        return await self._serve("hang_up", channel_id, (q850,), act)

    async def continue_in_dialplan(self, channel_id: str) -> Outcome:
        def act(channel: FakeChannel) -> Outcome:
            channel.in_app = False
            channel.in_fallback = True
            self._leave_bridges(channel)
            self._emit(ChannelLeft(self.clock.now(), channel_id))
            return Outcome.DONE

        return await self._serve_channel("continue_in_dialplan", channel_id, (), act)

    # Within

    async def _serve(
        self, method: str, target: str, arguments: tuple[object, ...], act: Callable[[], Outcome]
    ) -> Outcome:
        # On its way there ...
        await asyncio.sleep(0)
        faults = self._faults.get(method)
        fault = faults.popleft() if faults else None
        if not self.answering:
            fault = _Fault(Outcome.UNKNOWN, done=False)
        outcome = act() if fault is None or fault.done else fault.outcome
        if fault is not None:
            outcome = fault.outcome
        self.requests.append(FakeRequest(self.clock.now(), method, target, arguments, outcome))
        # ... and back.
        if method in self._delays:
            await self.clock.sleep(self._delays[method])
        await asyncio.sleep(0)
        return outcome

    async def _serve_channel(
        self, method: str, channel_id: str, arguments: tuple[object, ...], act: Callable[[FakeChannel], Outcome]
    ) -> Outcome:
        def checked() -> Outcome:
            refusal = self._controllable(channel_id)
            return act(self.channels[channel_id]) if refusal is None else refusal

        return await self._serve(method, channel_id, arguments, checked)

    def _present(self, channel_id: str) -> Outcome:
        return Outcome.DONE if channel_id in self.channels else Outcome.GONE

    def _controllable(self, channel_id: str) -> Outcome | None:
        channel = self.channels.get(channel_id)
        if channel is None:
            return Outcome.GONE
        return None if channel.in_app and channel.known else Outcome.NOT_IN_STASIS

    def _enter(self, channel: FakeChannel, app_args: tuple[str, ...]) -> None:
        channel.in_app, channel.app_args = True, app_args
        self._emit(ChannelEntered(self.clock.now(), channel.channel_id, name=channel.name, app_args=app_args))

    def _limit(self, channel: FakeChannel, seconds: float) -> None:
        if channel.limit is not None:
            channel.limit.cancel()
        channel.limit = channel.limit_at = None
        if seconds > 0:
            channel.limit_at = self.clock.now() + timedelta(seconds=seconds)
            # By the wall clock, as measured: a step forwards past it ends the call at once.
            channel.limit = self.clock.call_when_shown(channel.limit_at, lambda: self._end(channel, 16))

    def _play_script(self, channel: FakeChannel, script: Script) -> None:
        if script and channel.channel_id in self.channels:
            channel.script = self.clock.call_in(script[0].after_s, lambda: self._act(channel, script[0], script[1:]))

    def _act(self, channel: FakeChannel, act: Act, rest: Script) -> None:
        if channel.channel_id not in self.channels:
            return
        match act.step:
            case Step.PROCEED:
                self._dial_event(channel, DialStatus.PROCEEDING)
            case Step.RING:
                channel.state = "Ringing"
                self._tell_partner(channel, "ringing")
                self._dial_event(channel, DialStatus.RINGING)
            case Step.EARLY_MEDIA:
                self._tell_partner(channel, "early media")
                self._dial_event(channel, DialStatus.PROGRESS)
            case Step.ANSWER:
                channel.state = "Up"
                if channel.ring_timer is not None:
                    channel.ring_timer.cancel()
                self._dial_event(channel, DialStatus.ANSWER)
            case Step.REFUSE:
                self._end(channel, act.q850, act.sip_code)
            case Step.HANG_UP:
                self._end(channel, act.q850)
        self._play_script(channel, rest)

    def _tell_partner(self, channel: FakeChannel, what: str) -> None:
        """Ringback and early media pass through the bridge to whoever waits in it."""
        for members in self.bridges.values():
            if channel.channel_id in members:
                for other in members - {channel.channel_id}:
                    if not self.channels[other].up:
                        self.channels[other].heard.append(what)

    def _dial_event(self, channel: FakeChannel, status: DialStatus) -> None:
        self._emit(DialProgressed(self.clock.now(), channel.channel_id, status=status))

    def _played(self, channel: FakeChannel, playback_id: str) -> None:
        channel.playing.pop(playback_id, None)
        self._emit(PlaybackEnded(self.clock.now(), channel.channel_id, playback_id=playback_id))

    def _end(self, channel: FakeChannel, q850: int, sip_code: int | None = None) -> None:
        """The channel hangs up, whoever wanted it. The other one in its bridge stays."""
        if self.channels.pop(channel.channel_id, None) is None:
            return
        self._stop_timers(channel)
        self._leave_bridges(channel)
        channel.hangup_q850 = q850 or None
        if not channel.outbound and not channel.up:
            channel.sip_code = AGENT_SIP_CODES.get(q850)
        self.ended[channel.channel_id] = channel
        now = self.clock.now()
        for playback_id in channel.playing:
            self._emit(PlaybackEnded(now, channel.channel_id, playback_id=playback_id))
        if channel.in_app:
            channel.in_app = False
            self._emit(ChannelLeft(now, channel.channel_id))
            if channel.outbound:
                # A phone's own channel is no longer subscribed to after StasisEnd.
                self._emit(ChannelDestroyed(now, channel.channel_id, q850=q850 or None, sip_code=sip_code))

    def _leave_bridges(self, channel: FakeChannel) -> None:
        for members in self.bridges.values():
            members.discard(channel.channel_id)

    def _stop_timers(self, channel: FakeChannel) -> None:
        for timer in (channel.limit, channel.ring_timer, channel.script, *channel.playing.values()):
            if timer is not None:
                timer.cancel()

    def _snapshot(self) -> PbxSnapshot:
        return PbxSnapshot(
            asterisk_started_at=self.started_at,
            channels={
                channel.channel_id: ChannelSnapshot(
                    channel_id=channel.channel_id,
                    name=channel.name,
                    state=channel.state,
                    created_at=channel.created_at,
                    app_args=channel.app_args if channel.in_app else (),
                    in_app=channel.in_app,
                    in_other_app=channel.in_other_app,
                )
                for channel in self.channels.values()
            },
            bridges={bridge_id: tuple(sorted(members)) for bridge_id, members in self.bridges.items()},
        )

    def _emit(self, event: PbxEvent) -> None:
        if self._listener is None:
            self._know(event)
            return
        self._waiting.append(event)
        self._schedule()

    def _schedule(self) -> None:
        if self._live and self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        """One event at a time, so that what it sets going runs among the others."""
        self._scheduled = False
        if not self._live or not self._waiting or self._listener is None:
            return
        event = self._waiting.popleft()
        self._know(event)
        self._listener.on_event(event)
        self._schedule()

    def _know(self, event: PbxEvent) -> None:
        if isinstance(event, ChannelEntered) and event.channel_id in self.channels:
            self.channels[event.channel_id].known = True
