"""Recovery: what Asterisk says, compared with what the store says, as the events that were missed.

It runs at every (re)connect, first start or not, and uses the calls' own machines: a call that lives is adopted and
goes on, one that ended meanwhile is settled from Asterisk's record of it to the second, one that never answered is
voided, and what is ours without a call is removed (D5, D6).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.state import Call, LegState, Phase, call_of
from callcontrol.engine.money import admission
from callcontrol.engine.ports.ledger import LedgerUnavailable, NodeMark, OpenCall
from callcontrol.engine.ports.pbx import ChannelEntered, ChannelSnapshot, PbxSnapshot
from callcontrol.engine.ports.records import ChannelRecord
from callcontrol.engine.runner import CallRunner
from callcontrol.engine.world import World

if TYPE_CHECKING:
    from callcontrol.engine.engine import Engine

log = structlog.get_logger(__name__)

LEDGER_RETRY_S = 1.0
RECORD_MARGIN = timedelta(minutes=5)
"""Asterisk's files are searched from this long before the oldest call: clocks and rotation are not exact."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one call's channels: Asterisk now, and Asterisk's own records."""

    snapshot: PbxSnapshot
    records: dict[str, ChannelRecord]
    mark: NodeMark | None

    def channel(self, channel_id: str) -> ChannelSnapshot | None:
        return self.snapshot.channels.get(channel_id)

    def record(self, channel_id: str) -> ChannelRecord:
        return self.records.get(channel_id, ChannelRecord(channel_id))

    def complete(self, call: Call) -> bool:
        """Each leg is alive, or its end is on record, or it was never made."""
        return all(
            self.channel(channel) is not None
            or self.record(channel).ended_at is not None
            or (channel == call.customer_channel and self.never_made(call))
            for channel in _channels(call)
        )

    def never_made(self, call: Call) -> bool:
        """No trace of the customer's channel, while there is one of the agent's."""
        if call.answered_at is not None or self.channel(call.customer_channel) is not None:
            return False
        agent_traced = self.channel(call.agent_channel) or self.record(call.agent_channel).last_seen_at
        return bool(agent_traced) and self.record(call.customer_channel).last_seen_at is None

    def never_dialled(self, call: Call) -> bool:
        """The customer's channel waits and is in no bridge: dialling comes after that."""
        customer = self.channel(call.customer_channel)
        if customer is None or customer.state != "Down":
            return False
        return not any(call.customer_channel in members for members in self.snapshot.bridges.values())


class Recovery:
    """Reconciles the engine's calls with a snapshot. One at a time: a later connect cancels nothing of an earlier."""

    def __init__(self, world: World, engine: Engine) -> None:
        self._world = world
        self._engine = engine
        self._settling: set[asyncio.Task[None]] = set()

    async def reconcile(self, snapshot: PbxSnapshot) -> None:
        """Idempotent. Returns when every living call is owned; calls that ended are settled behind it."""
        stored, mark = await self._stored()
        watch = self._engine.watch
        watch.look()
        watch.resume(mark)
        missing = [
            _restored(open_call, self._world)
            for open_call in stored
            if self._engine.runner_of(open_call.opening.agent_channel) is None
        ]
        calls = [call for call in self._engine.calls if call.phase not in (Phase.CLOSING, Phase.ENDED)] + missing
        if missing and watch.total_s:
            log.warning("clock.stepped_while_away", step_s=watch.total_s, open_calls=len(missing))
        evidence = await self._evidence(calls, snapshot, mark, wait_s=0)
        for call in missing:
            # Made or not, dialling the customer is the step to do next.
            not_dialled = evidence.never_made(call) or evidence.never_dialled(call)
            runner = self._engine.run_call(replace(call, phase=Phase.PREPARING if not_dialled else call.phase))
            if watch.total_s:
                runner.deliver(ev.ClockStepped(self._world.clock.now(), watch.total_s))
        for call in calls:
            if evidence.complete(call):
                self._catch_up(call, evidence)
            else:
                # Its end is not written yet. New calls must not wait for that.
                self._settle_behind(call, snapshot, mark)
        await self._adopt_unstored(snapshot)
        await self._reap(snapshot)

    def stop(self) -> None:
        for task in self._settling:
            task.cancel()

    async def _stored(self) -> tuple[list[OpenCall], NodeMark | None]:
        """Without the ledger there is no knowing which calls are ours: wait for it, the dialplan's limits hold."""
        while True:
            try:
                ledger = self._world.ledger
                return await ledger.open_calls(self._world.node), await ledger.last_mark(self._world.node)
            except LedgerUnavailable as error:
                log.error("recovery.ledger_unavailable", error=repr(error))
                await asyncio.sleep(LEDGER_RETRY_S)

    async def _evidence(
        self, calls: list[Call], snapshot: PbxSnapshot, mark: NodeMark | None, wait_s: float
    ) -> Evidence:
        if not calls:
            return Evidence(snapshot, {}, mark)
        channels = {channel for call in calls for channel in _channels(call)}
        ended = {channel for channel in channels if channel not in snapshot.channels}
        # A clock that was set back dates the files back as well.
        began_at = min(call.started_at + timedelta(seconds=min(0.0, call.clock_step_s)) for call in calls)
        since = self._engine.watch.earliest(began_at) - RECORD_MARGIN
        records = await self._world.records.read(channels, since=since, ended=ended, wait_s=wait_s)
        return Evidence(snapshot, records, mark)

    def _settle_behind(self, call: Call, snapshot: PbxSnapshot, mark: NodeMark | None) -> None:
        async def settle() -> None:
            evidence = await self._evidence([call], snapshot, mark, self._world.record_wait_s)
            self._catch_up(call, evidence)

        task = asyncio.get_running_loop().create_task(settle(), name=f"settle {call.call_id}")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def _catch_up(self, call: Call, evidence: Evidence) -> None:
        """Feed the missing events into the call's own machine."""
        runner = self._engine.runner_of(call.agent_channel)
        if runner is None or runner.call.phase in (Phase.CLOSING, Phase.ENDED):
            return
        now = self._world.clock.now()
        source = feed(runner, evidence, now)
        with structlog.contextvars.bound_contextvars(call_id=call.call_id):
            self._world.observer.reconciled(source)

    async def _adopt_unstored(self, snapshot: PbxSnapshot) -> None:
        """Agents' channels that wait in our application without a call: one that arrived and was lost with us, or an
        emergency call that was dialled while the ledger was away (D16)."""
        for channel in snapshot.channels.values():
            if not channel.in_app or channel.app_args[:1] != ("outbound",) or len(channel.app_args) < 2:
                continue
            if self._engine.runner_of(channel.channel_id) is not None:
                continue
            bridge = next((b for b, members in snapshot.bridges.items() if channel.channel_id in members), None)
            arrival = ChannelEntered(channel.created_at, channel.channel_id, channel.name, channel.app_args)
            ours = call_of(bridge) if bridge is not None else None
            if ours is None:
                self._engine.arrive(replace(arrival, at=self._world.clock.now()))
                continue
            await self._adopt_from_bridge(ours[0], arrival, snapshot)

    async def _adopt_from_bridge(self, call_id: str, arrival: ChannelEntered, snapshot: PbxSnapshot) -> None:
        """In a bridge of ours and not stored: only calls that cost nothing are dialled before they are stored."""
        username, dialled = arrival.endpoint, arrival.app_args[1]
        terms = await admission(self._world, username, dialled)
        if not isinstance(terms, CallTerms) or terms.billable:
            self._engine.spawn_hang_up(arrival.channel_id, "channel")
            return
        call = Call(
            call_id=call_id,
            agent_channel=arrival.channel_id,
            sip_username=username,
            dialled=dialled,
            started_at=arrival.at,
            timing=self._world.timing,
            phase=Phase.DIALLING,
            terms=terms,
            customer=LegState.PRESENT,
        )
        self._engine.run_call(call)
        self._catch_up(call, await self._evidence([call], snapshot, None, wait_s=0))

    async def _reap(self, snapshot: PbxSnapshot) -> None:
        """Channels and bridges of ours that belong to no call. A daemon with an application of its own beside us names
        its legs as we do: the calls whose legs are in its application are its own."""
        kept = {call.call_id for call in self._engine.calls} | _calls_of_others(snapshot)
        for channel_id in snapshot.channels:
            ours = call_of(channel_id)
            if ours is not None and ours[0] not in kept:
                self._engine.spawn_hang_up(channel_id, "channel")
        for bridge_id in snapshot.bridges:
            ours = call_of(bridge_id)
            if ours is not None and ours[0] not in kept:
                with structlog.contextvars.bound_contextvars(bridge_id=bridge_id):
                    self._world.observer.orphan_reaped("bridge")
                await self._world.pbx.destroy_bridge(bridge_id)


def _calls_of_others(snapshot: PbxSnapshot) -> set[str]:
    """By their legs, and by the bridges in which there is a channel of another application."""
    foreign = {channel_id for channel_id, channel in snapshot.channels.items() if channel.in_other_app}
    bridges = {bridge_id for bridge_id, members in snapshot.bridges.items() if foreign & set(members)}
    return {named[0] for named in map(call_of, foreign | bridges) if named is not None}


def feed(runner: CallRunner, evidence: Evidence, now: datetime) -> str:
    """Deliver what the call missed, in the order it happened. Returns the source: `adopted`, `cel`, `estimated` or
    `voided`."""
    call = runner.call
    agent, customer = evidence.channel(call.agent_channel), evidence.channel(call.customer_channel)
    record = evidence.record(call.customer_channel)
    if call.customer is LegState.PRESENT:
        _feed_progress(runner, customer, record, now)
    never_made = evidence.never_made(runner.call)
    gone: list[ev.LegGone] = []
    if agent is None and call.agent is LegState.PRESENT:
        gone.append(_agent_gone(runner.call, evidence, now))
    if customer is None and call.customer is LegState.PRESENT and not (never_made and agent is not None):
        gone.append(_customer_gone(runner.call, evidence, now))
    if not gone:
        runner.deliver(ev.CallAdopted(now))
        return "adopted"
    for event in sorted(gone, key=lambda event: event.at):
        runner.deliver(event)
    if runner.call.answered_at is None:
        return "voided"
    return "estimated" if runner.call.estimated else "cel"


def _feed_progress(runner: CallRunner, customer: ChannelSnapshot | None, record: ChannelRecord, now: datetime) -> None:
    """Created, rang, answered: what the customer's channel did meanwhile."""
    phase = runner.call.phase
    if phase is Phase.PREPARING and customer is not None and customer.in_app:
        runner.deliver(ev.CustomerLegEntered(now))
    answered_at = record.answered_at or (now if customer is not None and customer.state == "Up" else None)
    if runner.call.answered_at is None and answered_at is not None:
        runner.deliver(ev.CustomerAnswered(answered_at))
    elif phase is Phase.DIALLING and customer is not None and customer.state in ("Ring", "Ringing"):
        runner.deliver(ev.CustomerRang(now))


def _agent_gone(call: Call, evidence: Evidence, now: datetime) -> ev.AgentLegGone:
    record = evidence.record(call.agent_channel)
    at, estimated = _ended_at(call, record, evidence, now)
    return ev.AgentLegGone(at, record.q850, None, estimated, _pbx_restarted(call, record, evidence))


def _customer_gone(call: Call, evidence: Evidence, now: datetime) -> ev.CustomerLegGone:
    if evidence.never_made(call):
        return ev.CustomerLegGone(now)  # after whatever ended the call before there was a customer
    record = evidence.record(call.customer_channel)
    at, estimated = _ended_at(call, record, evidence, now)
    return ev.CustomerLegGone(at, record.q850, None, estimated, _pbx_restarted(call, record, evidence))


def _ended_at(call: Call, record: ChannelRecord, evidence: Evidence, now: datetime) -> tuple[datetime, bool]:
    """D6: to the second from Asterisk's record; without one, when it was last seen, and flagged."""
    if record.ended_at is not None:
        return record.ended_at, False
    seen = [call.answered_at or call.started_at]
    if record.last_seen_at is not None:
        seen.append(record.last_seen_at)
    if evidence.mark is not None:
        seen.append(evidence.mark.alive_at)
    return min(max(seen), now), True


def _pbx_restarted(call: Call, record: ChannelRecord, evidence: Evidence) -> bool:
    return record.ended_at is None and evidence.snapshot.asterisk_started_at > call.started_at


def _channels(call: Call) -> tuple[str, ...]:
    """The channels a call still counts on."""
    legs = ((call.agent_channel, call.agent), (call.customer_channel, call.customer))
    return tuple(channel for channel, state in legs if state is LegState.PRESENT)


def _restored(stored: OpenCall, world: World) -> Call:
    """A call as its durable steps describe it; how far dialling got, the snapshot tells."""
    opening = stored.opening
    return Call(
        call_id=opening.call_id,
        agent_channel=opening.agent_channel,
        sip_username=opening.sip_username,
        dialled=opening.dialled,
        started_at=opening.started_at,
        timing=world.timing,
        phase=Phase.TALKING if stored.answered_at else Phase.DIALLING,
        terms=opening.terms,
        held_minutes=stored.held.minutes,
        last_minute=stored.held.last,
        customer=LegState.PRESENT,
        answered_at=stored.answered_at,
        clock_step_s=stored.clock_step_s,
    )
