"""Runs one call: one writer, its deadlines, its lanes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.table import DEADLINES, IllegalEvent, decide
from callcontrol.engine.clock_watch import ClockWatch
from callcontrol.engine.lane import Lane
from callcontrol.engine.money import LEDGER_EFFECTS, Money
from callcontrol.engine.ports.clock import Timer
from callcontrol.engine.switching import Switching, at_once
from callcontrol.engine.world import World

log = structlog.get_logger(__name__)


BLIND_RETRY = timedelta(seconds=1)
NEEDS_SIGHT = frozenset({Deadline.SETUP, Deadline.RING})
"""Deadlines for an event that did not come. Without a connection its absence says nothing: the call may be talking."""


class CallRunner:
    """The mailbox of a call. Events are decided one at a time, in the order they were delivered."""

    def __init__(
        self,
        world: World,
        call: Call,
        *,
        on_ended: Callable[[CallRunner], None],
        is_blind: Callable[[], bool],
        watch: ClockWatch,
    ) -> None:
        """`is_blind`: events may be missing now, and come later as recovery's."""
        self.call = call
        self._is_blind = is_blind
        self._world = world
        self._watch = watch
        self._on_ended = on_ended
        self._mailbox: deque[Event] = deque()
        self._deciding = False
        self._timers: dict[Deadline, Timer] = {}
        self._money = Money(world, self.deliver)
        self._switching = Switching(world, watch, self.deliver)
        context = {"call_id": call.call_id, "agent_channel": call.agent_channel}
        self._ledger_lane = Lane(f"ledger {call.call_id}", self._wake, context)
        self._pbx_lane = Lane(f"pbx {call.call_id}", self._wake, context)
        self._tone_lane = Lane(f"tone {call.call_id}", self._wake, context)
        self._waiters: list[asyncio.Future[None]] = []
        world.observer.call_changed(None, call)

    @property
    def settled(self) -> bool:
        """Nothing is under way for this call: it could be left to Asterisk and taken up again (drain)."""
        resting = self.call.phase in (Phase.DIALLING, Phase.RINGING, Phase.TALKING, Phase.ENDED)
        return resting and self._ledger_lane.idle and self._pbx_lane.idle

    def deliver(self, event: Event) -> None:
        """Put a fact into the mailbox and decide whatever is in it. Never blocks, never raises."""
        # Before a time of the new clock is judged, the call has to know that the clock was set (D10).
        self._watch.look()
        if isinstance(event, ev.CustomerAnswered | ev.LegGone) and (later_s := self._watch.since(event.at)):
            event = replace(event, later_step_s=later_s)
        self._mailbox.append(event)
        if self._deciding:
            return
        self._deciding = True
        try:
            while self._mailbox:
                self._decide(self._mailbox.popleft())
        finally:
            self._deciding = False

    async def rest(self) -> None:
        """Wait until the call is settled."""
        while not self.settled:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def stop(self) -> None:
        """Let go of the call without touching it: the process ends, Asterisk's limits hold, recovery adopts it."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._ledger_lane.abandon()
        self._pbx_lane.abandon()
        self._tone_lane.abandon()

    def _decide(self, event: Event) -> None:
        before = self.call
        try:
            self.call, effects = decide(before, event)
        except IllegalEvent as error:
            log.error("call.illegal_event", call_id=before.call_id, error=str(error))
            return
        if self.call.phase is not before.phase:
            self._cancel_timers_except(DEADLINES[self.call.phase])
        if self.call != before:
            self._world.observer.call_changed(before, self.call)
        self._start(*effects)
        self._wake()
        if self.call.phase is Phase.ENDED and before.phase is not Phase.ENDED:
            self._on_ended(self)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _start(self, *effects: Effect) -> None:
        for group in at_once(effects):
            match group[0]:
                case do.SetDeadline(deadline, at):
                    self._cancel_timer(deadline)
                    self._timers[deadline] = self._world.clock.call_at(at, partial(self._pass, deadline))
                case do.CancelDeadline(deadline):
                    self._cancel_timer(deadline)
                case effect if isinstance(effect, LEDGER_EFFECTS):
                    self._ledger_lane.put(partial(self._run_money, effect))
                case do.WarnAgent():
                    self._pbx_lane.put(partial(self._start_tone, group))
                case _:
                    self._pbx_lane.put(partial(self._run_switching, group))

    async def _run_money(self, effect: Effect) -> None:
        await self._money.run(effect, self.call)

    async def _run_switching(self, group: tuple[Effect, ...]) -> None:
        await self._switching.run(group, self.call)

    async def _start_tone(self, group: tuple[Effect, ...]) -> None:
        """After what was asked before it (the agent's answer), and in a lane of its own: Asterisk may be slow to play
        it, and no cut, limit or hang-up shall wait for that (D4)."""
        self._tone_lane.put(partial(self._run_switching, group))

    def _pass(self, deadline: Deadline) -> None:
        self._timers.pop(deadline, None)
        if deadline in NEEDS_SIGHT and self._is_blind():
            self._start(do.SetDeadline(deadline, self._world.clock.now() + BLIND_RETRY))
            return
        self.deliver(ev.DeadlinePassed(self._world.clock.now(), deadline))

    def _cancel_timer(self, deadline: Deadline) -> None:
        timer = self._timers.pop(deadline, None)
        if timer is not None:
            timer.cancel()

    def _cancel_timers_except(self, kept: frozenset[Deadline]) -> None:
        for deadline in [d for d in self._timers if d not in kept]:
            self._cancel_timer(deadline)
