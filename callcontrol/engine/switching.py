"""Runs a call's effects on Asterisk, and tells the call what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Event
from callcontrol.domain.calls.state import Call, LegState, Phase
from callcontrol.domain.calls.steps import hold_ends_at
from callcontrol.domain.causes import Reason
from callcontrol.engine.clock_watch import ClockWatch
from callcontrol.engine.ports.pbx import Outcome
from callcontrol.engine.ports.records import ChannelRecord
from callcontrol.engine.world import World

log = structlog.get_logger(__name__)

PBX_EFFECTS = (
    do.LimitLeg,
    do.CreateBridge,
    do.CreateCustomerLeg,
    do.PrepareCustomerLeg,
    do.ConnectLegs,
    do.DialCustomer,
    do.AnswerAgent,
    do.Announce,
    do.WarnAgent,
    do.HangUpLeg,
    do.DestroyBridge,
)

CUSTOMER_LEG_ARGS = ("leg", "customer")
"""What a channel made by us carries as arguments of our application."""


_AT_ONCE = frozenset(
    {
        (do.LimitLeg, do.CreateBridge),
        (do.PrepareCustomerLeg, do.ConnectLegs),
        (do.LimitLeg, do.LimitLeg),
    }
)
"""Neighbours that do not need each other: the agent waits for the slower one instead of for both. What recovery reads
from the one being there must not be in a pair: a customer's leg says that limit and bridge were made before it."""


def at_once(effects: Iterable[Effect]) -> list[tuple[Effect, ...]]:
    """The same effects in the same order, those together that may be asked for at once."""
    groups: list[tuple[Effect, ...]] = []
    for effect in effects:
        if groups and (type(groups[-1][-1]), type(effect)) in _AT_ONCE:
            groups[-1] += (effect,)
        else:
            groups.append((effect,))
    return groups


class Switching:
    """One call's requests to Asterisk, run one after the other."""

    def __init__(self, world: World, watch: ClockWatch, deliver: Callable[[Event], None]) -> None:
        self._world = world
        self._watch = watch
        self._deliver = deliver

    async def run(self, group: Sequence[Effect], call: Call) -> None:
        """At once; returns when all have ended, raises what the first of them raised.

        `call` is the call at the moment the effects run: what would spend is dropped if it has moved on.
        """
        ended = await asyncio.gather(*(self._run(effect, call) for effect in group), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _run(self, effect: Effect, call: Call) -> None:
        pbx = self._world.pbx
        match effect:
            case do.LimitLeg(channel, limit_s):
                await self._limit(channel, limit_s, call)
            case do.CreateBridge(bridge):
                await pbx.create_bridge(bridge)
            case do.CreateCustomerLeg(channel, dial_string, originator):
                if call.phase is Phase.PREPARING:
                    await self._create_customer_leg(call, channel, dial_string, originator)
            case do.PrepareCustomerLeg(channel, limit_s, caller_id):
                if call.phase is Phase.DIALLING:
                    variables = {
                        "TIMEOUT(absolute)": str(limit_s),
                        # PJSIP builds From from the connected line of an outbound channel.
                        "CONNECTEDLINE(num,i)": caller_id,
                    }
                    self._check_setup(await pbx.set_variables(channel, variables), effect, call)
            case do.ConnectLegs(bridge, channels):
                if call.phase is Phase.DIALLING:
                    self._check_setup(await pbx.add_to_bridge(bridge, channels), effect, call)
            case do.DialCustomer(channel, ring_timeout_s):
                if call.phase is Phase.DIALLING:
                    outcome = await pbx.dial(channel, caller=None, timeout_s=ring_timeout_s)
                    self._check_setup(outcome, effect, call)
            case do.AnswerAgent(channel):
                await pbx.answer(channel)
            case do.Announce(channel, playback, media):
                if await pbx.play(channel, playback, media) is not Outcome.DONE:
                    self._deliver(ev.AnnouncementFinished(self._world.clock.now()))
            case do.WarnAgent(channel, playback, media):
                # Minutes may have come in between (D3).
                if call.phase is Phase.TALKING and call.last_minute:
                    await self._warn(call, channel, playback, media)
            case do.HangUpLeg(channel, q850):
                await self._hang_up(channel, q850, call)
            case do.DestroyBridge(bridge):
                await pbx.destroy_bridge(bridge)
            case _:
                raise TypeError(f"not an effect on Asterisk: {effect}")

    async def _limit(self, channel: str, limit_s: int, call: Call) -> None:
        outcome = await self._world.pbx.set_variables(channel, {"TIMEOUT(absolute)": str(limit_s)})
        if outcome not in (Outcome.DONE, Outcome.GONE):
            log.error("leg.limit_not_set", channel_id=channel, limit_s=limit_s, outcome=outcome)
            if call.phase is Phase.PREPARING:
                # D5: no leg may be dialled that nothing would end if we died.
                self._deliver(ev.CustomerLegFailed(self._world.clock.now(), Reason.CONGESTION))

    async def _warn(self, call: Call, channel: str, playback: str, media: str) -> None:
        left_s = (hold_ends_at(call) - self._world.clock.now()).total_seconds()
        outcome = await self._world.pbx.play(channel, playback, media)
        if outcome is Outcome.DONE:
            log.info("call.warned", left_s=round(left_s, 1))
        elif outcome is not Outcome.GONE:
            log.warning("call.warning_not_played", outcome=outcome)

    async def _create_customer_leg(self, call: Call, channel: str, dial_string: str, originator: str) -> None:
        outcome = await self._world.pbx.create_channel(
            channel, dial_string, app_args=(*CUSTOMER_LEG_ARGS, call.call_id), originator=originator
        )
        now = self._world.clock.now()
        if outcome is Outcome.EXISTS:
            self._deliver(ev.CustomerLegEntered(now))
        elif outcome is not Outcome.DONE:
            log.warning("leg.not_created", channel_id=channel, dial_string=dial_string, outcome=outcome)
            internal = call.terms is not None and call.terms.direction == "internal"
            unregistered = internal and outcome is Outcome.UNAVAILABLE
            self._deliver(ev.CustomerLegFailed(now, Reason.UNREACHABLE if unregistered else Reason.CONGESTION))

    def _check_setup(self, outcome: Outcome, effect: Effect, call: Call) -> None:
        """A step between creating and ringing failed. A leg that is gone says so itself."""
        if outcome in (Outcome.DONE, Outcome.GONE):
            return
        log.warning("call.setup_failed", effect=type(effect).__name__, outcome=outcome)
        self._deliver(ev.CustomerLegFailed(self._world.clock.now(), Reason.CONGESTION))

    async def _hang_up(self, channel: str, q850: int, call: Call) -> None:
        outcome = await self._world.pbx.hang_up(channel, q850)
        if outcome is not Outcome.GONE:
            return  # Asterisk's event says when it is gone; the deadline asks again should it not come
        if channel == call.agent_channel and call.agent is LegState.PRESENT:
            self._deliver(ev.AgentLegGone(self._world.clock.now()))
        elif channel == call.customer_channel and call.customer is LegState.PRESENT:
            await self._tell_unseen_end(call)

    async def _tell_unseen_end(self, call: Call) -> None:
        """The customer's channel is gone and no event said so yet. It may have been answered in the meantime, which
        nobody may lose (R6): Asterisk's own record tells."""
        channel = call.customer_channel
        record = await self._record(channel, call, wait_s=0)
        if record.started_at is not None and record.ended_at is None:
            record = await self._record(channel, call, wait_s=self._world.record_wait_s)
        if record.answered_at is not None:
            self._deliver(ev.CustomerAnswered(record.answered_at))
        self._deliver(ev.CustomerLegGone(record.ended_at or self._world.clock.now(), record.q850))

    async def _record(self, channel: str, call: Call, wait_s: float) -> ChannelRecord:
        since = self._watch.earliest(call.started_at)
        found = await self._world.records.read([channel], since=since, ended=[channel], wait_s=wait_s)
        return found.get(channel, ChannelRecord(channel))
