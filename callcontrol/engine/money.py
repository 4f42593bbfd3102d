"""Runs a call's effects on the ledger, and tells the call what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from callcontrol.domain.admission import Caller, CallTerms, Refusal, admit
from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.causes import Reason
from callcontrol.engine.ports.directory import DirectoryUnavailable
from callcontrol.engine.ports.ledger import CallClosing, CallOpening, KeyReused, LedgerUnavailable
from callcontrol.engine.world import World

log = structlog.get_logger(__name__)

LEDGER_EFFECTS = (do.Authorise, do.RecordAnswer, do.ExtendHold, do.CloseCall)


async def admission(world: World, sip_username: str, dialled: str) -> CallTerms | Refusal:
    """Ask the directory and the rules. An emergency call waits for neither longer than it must (D16)."""
    emergency = dialled in world.emergency_codes
    caller: Caller | None = None
    try:
        async with asyncio.timeout(world.directory_timeout_s if emergency else None):
            caller = await world.directory.caller(sip_username, dialled)
    except (DirectoryUnavailable, TimeoutError):
        if not emergency:
            return Refusal(Reason.LEDGER_UNAVAILABLE)
        log.warning("directory.unavailable", sip_username=sip_username, emergency=True)
    return admit(caller, dialled, emergency_codes=world.emergency_codes, emergency_trunk=world.emergency_trunk)


def opening(world: World, call: Call, terms: CallTerms) -> CallOpening:
    return CallOpening(
        call_id=call.call_id,
        node=world.node,
        sip_username=call.sip_username,
        dialled=call.dialled,
        agent_channel=call.agent_channel,
        customer_channel=call.customer_channel,
        started_at=call.started_at,
        terms=terms,
    )


def closing(world: World, call: Call, decided: CallTerms | Refusal | None) -> CallClosing:
    """Everything the CDR needs, from the call as it is now."""
    assert call.disposition is not None
    assert call.reason is not None
    known = call.terms or decided
    return CallClosing(
        call_id=call.call_id,
        node=world.node,
        sip_username=call.sip_username,
        dialled=call.dialled,
        agent_channel=call.agent_channel,
        customer_channel=call.customer_channel,
        started_at=call.started_at,
        company_id=known.company_id if known else None,
        agent_id=known.agent_id if known else None,
        user_id=known.user_id if known else None,
        direction=known.direction if known else "outbound",
        billable=call.billable,
        number=known.number if known else None,
        rang_at=call.rang_at,
        answered_at=call.answered_at,
        ended_at=call.ended_at or call.started_at,
        disposition=call.disposition,
        reason=call.reason,
        q850=call.q850,
        sip_code=call.sip_code,
        cut_for_exhaustion=call.cut_for_exhaustion,
        estimated=call.estimated,
        clock_step_s=call.clock_step_s,
    )


def _company_of(call: Call) -> int | None:
    return call.terms.company_id if call.terms else None


class Money:
    """One call's dealings with the ledger, run one after the other."""

    def __init__(self, world: World, deliver: Callable[[Event], None]) -> None:
        self._world = world
        self._deliver = deliver
        self._decided: CallTerms | Refusal | None = None
        """What directory and rules said, also where the ledger then said nothing: the CDR names company and agent."""

    async def run(self, effect: Effect, call: Call) -> None:
        """`call` is the call at the moment the effect runs, not when it was asked for."""
        match effect:
            case do.Authorise():
                await self._authorise(call)
            case do.RecordAnswer(answered_at):
                await self._record_answer(call, answered_at)
            case do.ExtendHold(until_minute):
                await self._extend(call, until_minute)
            case do.CloseCall():
                await self._close(call)
            case _:
                raise TypeError(f"not an effect on the ledger: {effect}")

    async def _authorise(self, call: Call) -> None:
        world = self._world
        decided = await admission(world, call.sip_username, call.dialled)
        self._decided = decided
        if isinstance(decided, Refusal):
            world.observer.minutes_refused(decided.reason)
            self._deliver(ev.CallRefused(world.clock.now(), decided.reason))
        elif decided.billable:
            await self._hold_first_minute(call, decided)
        else:
            # Nothing is spent, so nothing waits: the row is stored while the phone already rings (D16).
            self._deliver(ev.CallAuthorised(world.clock.now(), decided, held_minutes=0, last_minute=False))
            try:
                await world.ledger.authorise(opening(world, call, decided))
            except LedgerUnavailable:
                log.warning("ledger.unavailable", operation="authorise", billable=False)

    async def _hold_first_minute(self, call: Call, terms: CallTerms) -> None:
        world = self._world
        try:
            hold = await world.ledger.authorise(opening(world, call, terms))
        except (LedgerUnavailable, KeyReused) as error:
            log.error("ledger.authorise_failed", error=repr(error))
            world.observer.minutes_refused(Reason.LEDGER_UNAVAILABLE)
            self._deliver(ev.CallRefused(world.clock.now(), Reason.LEDGER_UNAVAILABLE, terms))
            return
        if hold is None:
            world.observer.minutes_refused(Reason.POOL_EXHAUSTED)
            self._deliver(ev.CallRefused(world.clock.now(), Reason.POOL_EXHAUSTED, terms))
        else:
            self._deliver(ev.CallAuthorised(world.clock.now(), terms, hold.minutes, hold.last))

    async def _record_answer(self, call: Call, answered_at: datetime) -> None:
        try:
            await self._world.ledger.record_answer(call.call_id, answered_at, company_id=_company_of(call))
        except LedgerUnavailable:
            # The CDR carries the answer too, and Asterisk's own record has it should we die before.
            log.warning("ledger.unavailable", operation="record_answer")

    async def _extend(self, call: Call, until_minute: int) -> None:
        if call.phase is not Phase.TALKING:
            return  # it ended meanwhile: a hold would only be released again
        world = self._world
        try:
            hold = await world.ledger.extend(
                call.call_id, until_minute, world.clock.now(), company_id=_company_of(call)
            )
        except (LedgerUnavailable, KeyReused) as error:
            log.error("ledger.extend_failed", error=repr(error))
            self._deliver(ev.ExtensionFailed(world.clock.now(), exhausted=False))
            return
        now = world.clock.now()
        if hold is None:
            self._deliver(ev.ExtensionFailed(now, exhausted=True))
        else:
            self._deliver(ev.HoldExtended(now, hold.minutes, hold.last))

    async def _close(self, call: Call) -> None:
        if call.phase is not Phase.CLOSING:
            return  # a second request for what is already committed
        world = self._world
        try:
            cdr = await world.ledger.close(closing(world, call, self._decided))
        except LedgerUnavailable as error:
            log.error("ledger.close_failed", error=repr(error))
            self._deliver(ev.CloseFailed(world.clock.now()))
            return
        world.observer.call_closed(call, cdr)
        self._deliver(ev.CallClosed(world.clock.now()))
