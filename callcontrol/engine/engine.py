"""The engine: every call of this node, fed by Asterisk's events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime

import structlog

from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.state import Call, Phase, call_of
from callcontrol.domain.causes import Q850
from callcontrol.domain.clock_steps import ClockStep
from callcontrol.engine.clock_watch import ClockWatch
from callcontrol.engine.ports.ledger import NodeMark
from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    DialProgressed,
    DialStatus,
    Outcome,
    PbxEvent,
    PbxSnapshot,
    PlaybackEnded,
)
from callcontrol.engine.recovery import Recovery
from callcontrol.engine.runner import CallRunner
from callcontrol.engine.world import World

log = structlog.get_logger(__name__)

FALLBACK_VARIABLE = "CC_FALLBACK"
"""Set to 1 on a channel given back to the dialplan, which then does what it does when we are down (D12)."""


class Engine:
    """Owns the calls: one runner each, found by call id or by any of its channels. A `PbxListener`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reconciled = False
        """Connected, and every call that lived or died meanwhile is dealt with or being settled."""
        self.asterisk_started_at: datetime | None = None
        self.watch = ClockWatch(world.clock, self._on_clock_step)
        self.mark_due = asyncio.Event()
        """The next mark has more to say than that we live: it shall not wait (D10)."""
        self._runners: dict[str, CallRunner] = {}
        self._call_of_channel: dict[str, str] = {}
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovery = Recovery(world, self)
        self._on_live: list[Callable[[], None]] = []

    def on_live(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each reconciliation: Asterisk may be another one than before."""
        self._on_live.append(tell)

    # PbxListener

    async def on_connected(self, snapshot: PbxSnapshot) -> None:
        self.asterisk_started_at = snapshot.asterisk_started_at
        await self._recovery.reconcile(snapshot)
        self.reconciled = True
        # Calls from now on go by the clock as it is: a process after us shall not compare them with an older one (D10).
        self.mark_due.set()
        for tell in self._on_live:
            tell()

    def on_disconnected(self) -> None:
        self.reconciled = False

    def on_event(self, event: PbxEvent) -> None:
        match event:
            case ChannelEntered():
                self._on_entered(event)
            case DialProgressed(at, channel_id, status):
                self._on_dial(at, channel_id, status)
            case ChannelLeft(at, channel_id):
                # A customer's leg is also destroyed, and only that event has the causes.
                runner = self.runner_of(channel_id)
                if runner is not None and channel_id == runner.call.agent_channel:
                    runner.deliver(ev.AgentLegGone(at))
            case ChannelDestroyed(at, channel_id, q850, sip_code):
                runner = self.runner_of(channel_id)
                if runner is not None:
                    leg_gone = ev.AgentLegGone if channel_id == runner.call.agent_channel else ev.CustomerLegGone
                    runner.deliver(leg_gone(at, q850, sip_code))
            case PlaybackEnded(at, channel_id, playback_id):
                runner = self.runner_of(channel_id)
                if runner is not None and playback_id == runner.call.announcement:
                    runner.deliver(ev.AnnouncementFinished(at))

    # Calls

    @property
    def calls(self) -> list[Call]:
        return [runner.call for runner in self._runners.values()]

    def runner_of(self, channel_id: str) -> CallRunner | None:
        call_id = self._call_of_channel.get(channel_id)
        return self._runners.get(call_id) if call_id is not None else None

    def run_call(self, call: Call) -> CallRunner:
        """Take a call into ownership; events of its channels reach it from now on."""
        runner = CallRunner(
            self.world, call, on_ended=self._forget, is_blind=lambda: not self.reconciled, watch=self.watch
        )
        self._runners[call.call_id] = runner
        self._call_of_channel[call.agent_channel] = call.call_id
        self._call_of_channel[call.customer_channel] = call.call_id
        return runner

    def mark(self) -> NodeMark:
        """What a next process of this node has to know of this one."""
        self.watch.look()
        return NodeMark(
            alive_at=self.world.clock.now(),
            asterisk_started_at=self.asterisk_started_at,
            boot_id=self.watch.boot_id,
            clock_offset_s=self.watch.offset_s,
            clock_steps={call.call_id: call.clock_step_s for call in self.calls if call.clock_step_s},
        )

    def arrive(self, event: ChannelEntered) -> None:
        """An agent dialled: `Stasis(callcontrol,outbound,EXTEN)`."""
        call = Call(
            call_id=self.world.new_call_id(),
            agent_channel=event.channel_id,
            sip_username=event.endpoint,
            dialled=event.app_args[1],
            started_at=event.at,
            timing=self.world.timing,
        )
        self.run_call(call).deliver(ev.CallArrived(event.at))

    def spawn_hang_up(self, channel_id: str, kind: str) -> None:
        """Remove something of ours that has no call."""
        with structlog.contextvars.bound_contextvars(channel_id=channel_id):
            self.world.observer.orphan_reaped(kind)
        self._spawn(self._hang_up(channel_id))

    async def drain(self, timeout_s: float) -> bool:
        """Give new calls back to the dialplan and wait until no call is in mid-step; calls go on in Asterisk and
        are adopted by the next start. False when the time ran out first."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                for runner in list(self._runners.values()):
                    await runner.rest()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let go of every call without touching it."""
        for runner in self._runners.values():
            runner.stop()
        self._recovery.stop()
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task

    # Pieces

    def _on_entered(self, event: ChannelEntered) -> None:
        ours = call_of(event.channel_id)
        runner = self.runner_of(event.channel_id)
        if runner is not None:
            if event.channel_id == runner.call.customer_channel:
                runner.deliver(ev.CustomerLegEntered(event.at))
        elif ours is not None:
            # It came into being after its call was over.
            self.spawn_hang_up(event.channel_id, "channel")
        elif self._draining or event.app_args[:1] != ("outbound",) or len(event.app_args) < 2:
            if not self._draining:
                log.error("call.unknown_arguments", channel_id=event.channel_id, app_args=event.app_args)
            self._spawn(self._give_back(event.channel_id))
        else:
            self.arrive(event)

    def _on_clock_step(self, step: ClockStep) -> None:
        talking = sum(call.phase is Phase.TALKING for call in self.calls)
        log.warning("clock.stepped", step_s=step.size_s, calls_in_progress=talking)
        self.world.observer.clock_stepped(step.size_s)
        for runner in list(self._runners.values()):
            runner.deliver(ev.ClockStepped(step.after.wall, step.size_s))
        self.mark_due.set()

    def _on_dial(self, at: datetime, channel_id: str, status: DialStatus) -> None:
        runner = self.runner_of(channel_id)
        if runner is None or channel_id != runner.call.customer_channel:
            return
        if status is DialStatus.ANSWER:
            runner.deliver(ev.CustomerAnswered(at))
        elif status in (DialStatus.RINGING, DialStatus.PROGRESS):
            runner.deliver(ev.CustomerRang(at))

    def _forget(self, runner: CallRunner) -> None:
        call = runner.call
        self._runners.pop(call.call_id, None)
        self._call_of_channel.pop(call.agent_channel, None)
        self._call_of_channel.pop(call.customer_channel, None)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self, channel_id: str) -> None:
        await self.world.pbx.set_variables(channel_id, {FALLBACK_VARIABLE: "1"})
        await self.world.pbx.continue_in_dialplan(channel_id)

    async def _hang_up(self, channel_id: str) -> None:
        outcome = await self.world.pbx.hang_up(channel_id, Q850.NORMAL)
        if outcome not in (Outcome.DONE, Outcome.GONE):
            log.error("orphan.not_reaped", channel_id=channel_id, outcome=outcome)
