"""What happens in each cell of the transition table: small functions `(call, event) -> (call, effects)`.

A move never decides whether it applies: the table does. Instants come from events; nothing here knows the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, LegState, Phase
from callcontrol.domain.causes import AGENT_ANSWERS, Q850, Disposition, Reason, unanswered_reason

Moved = tuple[Call, tuple[Effect, ...]]
Move = Callable[[Call, Event], Moved]

_PRESENT, _GONE = LegState.PRESENT, LegState.GONE


# Before dialling


def arrive(call: Call, event: Event) -> Moved:
    """Rules and ledger are asked; until they answer the agent hears nothing and pays nothing."""
    deadline = do.SetDeadline(Deadline.AUTHORISE, _after(event.at, call.timing.authorise_timeout_s))
    return call, (do.Authorise(), deadline)


def prepare(call: Call, event: Event) -> Moved:
    """The first minute is committed: only now may anything that costs begin (D1, D5)."""
    assert isinstance(event, ev.CallAuthorised)
    call = replace(_with_terms(call, event), phase=Phase.PREPARING, customer=_PRESENT)
    return call, _preparation(call, event.at)


def prepare_again(call: Call, event: Event) -> Moved:
    """The daemon came back before the customer's leg was made: the same ids, so nothing is made twice."""
    return call, _preparation(call, event.at)


def refuse(call: Call, event: Event) -> Moved:
    assert isinstance(event, ev.CallRefused)
    call = replace(call, terms=event.terms or call.terms)
    return _announce(call, event.at, event.reason)


def refuse_unanswered_ledger(call: Call, event: Event) -> Moved:
    """Fail closed on money: no answer from the ledger is a refusal (D11)."""
    return _announce(call, event.at, Reason.LEDGER_UNAVAILABLE)


def note_late_authorisation(call: Call, event: Event) -> Moved:
    """The minute was held after we gave up waiting: closing the call releases it."""
    assert isinstance(event, ev.CallAuthorised)
    return _with_terms(call, event), ()


def abandon(call: Call, event: Event) -> Moved:
    """The agent hung up before anything was dialled. Closing comes after the authorisation still under way."""
    call = _finish(replace(call, agent=_GONE), event.at, Disposition.CANCELLED, Reason.CANCELLED, Q850.NORMAL)
    return _close(call, event.at)


# Reaching the customer


def dial(call: Call, event: Event) -> Moved:
    """Limit first, then bridge, then INVITE: ringback and early media have a way to the agent from the start."""
    call = replace(call, phase=Phase.DIALLING)
    return call, (
        do.PrepareCustomerLeg(call.customer_channel, _limit_before_answer_s(call), _terms(call).caller_id),
        do.ConnectLegs(call.bridge, (call.agent_channel, call.customer_channel)),
        # Asterisk's own ring timeout is only for the case that we are not there to end it.
        do.DialCustomer(call.customer_channel, call.timing.ring_timeout_s + 5),
        do.SetDeadline(Deadline.RING, _after(event.at, call.timing.ring_timeout_s)),
    )


def ring(call: Call, event: Event) -> Moved:
    return replace(call, phase=Phase.RINGING, rang_at=event.at), ()


def ring_on(call: Call, event: Event) -> Moved:
    """The daemon came back to a ringing phone: it rings for what is left of its time, and Asterisk's own timeout, whose
    causes look like a carrier's 480, does not come first."""
    rings_until = _after(call.started_at, call.timing.ring_timeout_s)
    return call, (do.SetDeadline(Deadline.RING, max(event.at, rings_until)),)


def fail_to_reach(call: Call, event: Event) -> Moved:
    """The customer's leg ended without an answer: the agent is told why."""
    assert isinstance(event, ev.CustomerLegGone)
    call = replace(call, customer=_GONE)
    return _announce(call, event.at, unanswered_reason(event.q850, event.sip_code), event.q850, event.sip_code)


def fail_to_dial(call: Call, event: Event) -> Moved:
    """No channel could be made or dialled; if one was made after all, it is hung up."""
    assert isinstance(event, ev.CustomerLegFailed)
    call, effects = _announce(call, event.at, event.reason)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NORMAL), *effects)


def give_up_setup(call: Call, event: Event) -> Moved:
    call, effects = _announce(call, event.at, Reason.CONGESTION)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NORMAL), *effects)


def give_up_ringing(call: Call, event: Event) -> Moved:
    call, effects = _announce(call, event.at, Reason.NO_ANSWER)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NO_ANSWER), *effects)


def cancel(call: Call, event: Event) -> Moved:
    """The agent hung up while the customer was being reached."""
    call = _finish(replace(call, agent=_GONE), event.at, Disposition.CANCELLED, Reason.CANCELLED, Q850.NORMAL)
    return _end(call, event.at)


# Talking


def answer(call: Call, event: Event) -> Moved:
    """R6: the customer's leg is answered, by a person or by voicemail; the second minute is asked for at once."""
    call = replace(call, phase=Phase.TALKING, answered_at=event.at)
    effects: list[Effect] = [do.AnswerAgent(call.agent_channel), do.RecordAnswer(event.at)]
    if call.billable:
        effects.append(do.ExtendHold(call.held_minutes + 1))
    else:
        effects += _limits(call, _terms(call).max_call_s)
    effects.append(do.SetDeadline(Deadline.MAX_DURATION, _after(event.at, _terms(call).max_call_s)))
    return call, tuple(effects)


def talk_on(call: Call, event: Event) -> Moved:
    """The daemon came back to a talking call: the minute that is being talked must be held now (D5). The next one is
    asked for after that: where there is none, the call still ends with the last minute it can have, not now (D4)."""
    assert call.answered_at is not None
    effects: list[Effect] = [
        do.AnswerAgent(call.agent_channel),  # we may have died between the customer's answer and the agent's
        do.SetDeadline(Deadline.MAX_DURATION, _after(call.answered_at, _terms(call).max_call_s)),
    ]
    if call.billable:
        talking_minute = (event.at - call.answered_at) // timedelta(seconds=call.timing.minute_s) + 1
        # The second one is asked for at the answer, which may be news to us: the same key, so it is asked for once.
        effects.append(do.ExtendHold(max(2, talking_minute, call.held_minutes)))
    return call, tuple(effects)


def prolong(call: Call, event: Event) -> Moved:
    """The commit came first; now Asterisk's own limit follows the hold (D5)."""
    assert isinstance(event, ev.HoldExtended)
    call = replace(call, held_minutes=event.held_minutes, last_minute=event.last_minute)
    hold_ends_at = _hold_ends_at(call)
    next_try = hold_ends_at - timedelta(seconds=call.timing.extend_lead_s)
    if call.last_minute:
        next_try = max(next_try, _after(event.at, call.timing.extend_retry_s))
    return call, (
        *_limits(call, _limit_in_call_s(call, event.at)),
        do.SetDeadline(Deadline.EXTEND, next_try),
        _cut_deadline(call),
    )


def note_late_extension(call: Call, event: Event) -> Moved:
    assert isinstance(event, ev.HoldExtended)
    return replace(call, held_minutes=event.held_minutes, last_minute=event.last_minute), ()


def wait_for_minutes(call: Call, event: Event) -> Moved:
    """None left: cut at the end of the hold unless an add-on comes (D3, D4). Ledger away: D5 bounds it (D11)."""
    assert isinstance(event, ev.ExtensionFailed)
    retry = do.SetDeadline(Deadline.EXTEND, _after(event.at, call.timing.extend_retry_s))
    if not event.exhausted:
        return call, (retry,)
    call = replace(call, last_minute=True)
    # Each time: after the answer of a call that had the last minute from the start, and after a crash, the limit that
    # stands is another one, and longer.
    return call, (*_limits(call, _limit_in_call_s(call, event.at)), retry, _cut_deadline(call))


def extend(call: Call, event: Event) -> Moved:
    return call, (do.ExtendHold(call.held_minutes + 1),)


def cut(call: Call, event: Event) -> Moved:
    """D4. What was talked beyond the hold because nobody was there to cut is not forgiven (D5)."""
    on_time = event.at <= _hold_ends_at(call) + timedelta(seconds=2)
    call = replace(call, cut_for_exhaustion=on_time)
    call = _finish(call, None, Disposition.ANSWERED, Reason.POOL_EXHAUSTED, Q850.NORMAL)
    return _end(call, event.at)


def end_at_max_duration(call: Call, event: Event) -> Moved:
    """D13."""
    return _end(_finish(call, None, Disposition.ANSWERED, Reason.MAX_DURATION, Q850.NORMAL), event.at)


def hang_up(call: Call, event: Event) -> Moved:
    """One party left: one party leaving does not end a bridge, so we hang up the other."""
    assert isinstance(event, ev.LegGone)
    if isinstance(event, ev.AgentLegGone):
        call, reason = replace(call, agent=_GONE), Reason.AGENT_HUNG_UP
    else:
        call, reason = replace(call, customer=_GONE), Reason.CUSTOMER_HUNG_UP
    if event.pbx_restarted:
        reason = Reason.PBX_RESTARTED
    elif call.billable:
        # Asterisk's own limit looks like a normal hang-up (cause 16): the reason is ours to remember.
        second = timedelta(seconds=1)
        hold_ends_at = _hold_ends_at(call)
        if call.last_minute and hold_ends_at - second <= event.at <= hold_ends_at + 2 * second:
            reason = Reason.POOL_EXHAUSTED
            call = replace(call, cut_for_exhaustion=True)
        elif event.at >= hold_ends_at + timedelta(seconds=_grace_s(call)) - second:
            reason = Reason.PBX_LIMIT
    call = replace(call, estimated=event.estimated)
    # An agent's leg is gone with the event that it left us, which names no cause: a phone has no other (Q.850 16).
    unnamed = event.q850 is None and not event.estimated and reason is Reason.AGENT_HUNG_UP
    q850 = Q850.NORMAL if unnamed else event.q850
    call = _finish(call, event.at, Disposition.ANSWERED, reason, q850, event.sip_code)
    return _end(call, event.at)


# Ending


def hang_up_agent(call: Call, event: Event) -> Moved:
    """The announcement is over: the final response carries the cause."""
    return _end(call, event.at)


def note_agent_gone(call: Call, event: Event) -> Moved:
    """Gone while being told, or while being hung up."""
    return _when_gone(replace(call, agent=_GONE), event)


def note_customer_gone(call: Call, event: Event) -> Moved:
    return _when_gone(replace(call, customer=_GONE), event)


def note_late_answer(call: Call, event: Event) -> Moved:
    """Answered in the moment we gave up or the agent did. The carrier's leg was answered, so it counts (R6, R7)."""
    if call.answered_at is not None:
        return call, ()
    # When we gave up is not when the talk ended: the first leg that goes says that, unless the agent is gone already.
    ended_at = max(event.at, call.ended_at) if call.ended_at and call.agent is _GONE else None
    reason = Reason.AGENT_HUNG_UP if call.agent is _GONE else Reason.CUSTOMER_HUNG_UP
    call = replace(call, answered_at=event.at, ended_at=ended_at, disposition=Disposition.ANSWERED, reason=reason)
    return call, (do.RecordAnswer(event.at),)


def hang_up_latecomer(call: Call, event: Event) -> Moved:
    """The customer's channel came into being after it was given up."""
    return replace(call, customer=_PRESENT), (do.HangUpLeg(call.customer_channel, Q850.NORMAL),)


def hang_up_again(call: Call, event: Event) -> Moved:
    """ "Call cut, yet still up" is a defect of other engines: we ask until Asterisk says that it is gone."""
    return call, (
        *_hang_ups(call),
        do.SetDeadline(Deadline.HANG_UP, _after(event.at, call.timing.hangup_timeout_s)),
    )


def retry_close_later(call: Call, event: Event) -> Moved:
    return call, (do.SetDeadline(Deadline.CLOSE, _after(event.at, call.timing.close_retry_s)),)


def close_again(call: Call, event: Event) -> Moved:
    """Settlement is idempotent: asking again costs nothing, not asking could cost a bill."""
    return call, (
        do.CloseCall(),
        do.SetDeadline(Deadline.CLOSE, _after(event.at, call.timing.close_timeout_s)),
    )


def finish(call: Call, event: Event) -> Moved:
    return replace(call, phase=Phase.ENDED), ()


# Shared pieces


def _after(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def _hold_ends_at(call: Call) -> datetime:
    assert call.answered_at is not None
    return _after(call.answered_at, call.held_minutes * call.timing.minute_s)


def _with_terms(call: Call, event: ev.CallAuthorised) -> Call:
    return replace(call, terms=event.terms, held_minutes=event.held_minutes, last_minute=event.last_minute)


def _terms(call: Call) -> CallTerms:
    assert call.terms is not None, "only an authorised call gets here"
    return call.terms


def _grace_s(call: Call) -> int:
    """None on the pool's last minute: nobody could pay for it (billing.md, extend)."""
    return 0 if call.last_minute else call.timing.grace_s


def _limit_before_answer_s(call: Call) -> int:
    """D5: ring timeout + first held minute + grace, for a call whose answer we may not be there to see."""
    talk_s = call.timing.minute_s + _grace_s(call) if call.billable else _terms(call).max_call_s
    return call.timing.ring_timeout_s + talk_s


def _limit_in_call_s(call: Call, now: datetime) -> int:
    """Seconds from now to the end of the hold plus grace, never beyond the longest call allowed; rounded up."""
    assert call.answered_at is not None
    until = min(
        _after(_hold_ends_at(call), _grace_s(call)),
        _after(call.answered_at, _terms(call).max_call_s),
    )
    return max(1, -((now - until) // timedelta(seconds=1)))


def _limits(call: Call, limit_s: int) -> tuple[Effect, ...]:
    """On every leg: a leg whose other side is cut stays up alone."""
    return tuple(do.LimitLeg(channel, limit_s) for channel in (call.agent_channel, call.customer_channel))


def _cut_deadline(call: Call) -> Effect:
    if call.last_minute:
        return do.SetDeadline(Deadline.CUT, _hold_ends_at(call))
    return do.CancelDeadline(Deadline.CUT)


def _preparation(call: Call, now: datetime) -> tuple[Effect, ...]:
    return (
        do.LimitLeg(call.agent_channel, _limit_before_answer_s(call)),
        do.CreateBridge(call.bridge),
        do.CreateCustomerLeg(call.customer_channel, _terms(call).dial_string, call.agent_channel),
        do.SetDeadline(Deadline.SETUP, _after(now, call.timing.setup_timeout_s)),
    )


def _finish(
    call: Call,
    ended_at: datetime | None,
    disposition: Disposition,
    reason: Reason,
    q850: int | None = None,
    sip_code: int | None = None,
) -> Call:
    """Remember how it ended; the first cause is the cause."""
    if call.disposition is not None:
        return call
    return replace(call, ended_at=ended_at, disposition=disposition, reason=reason, q850=q850, sip_code=sip_code)


def _announce(call: Call, now: datetime, reason: Reason, q850: int | None = None, sip_code: int | None = None) -> Moved:
    """Never silence: an announcement in early media, then the SIP response that says the same."""
    told = AGENT_ANSWERS[reason]
    call = _finish(call, now, told.disposition, reason, q850 if q850 is not None else told.q850, sip_code)
    is_tone = told.announcement.startswith("tone:")
    # A sound ends by itself; a tone ends when we say so.
    limit_s = call.timing.tone_s if is_tone else call.timing.announcement_timeout_s
    return replace(call, phase=Phase.ANNOUNCING), (
        do.Announce(
            call.agent_channel,
            call.announcement,
            told.announcement if is_tone else f"sound:callcontrol/{told.announcement}",
        ),
        do.SetDeadline(Deadline.ANNOUNCEMENT, _after(now, limit_s)),
    )


def _hang_ups(call: Call) -> tuple[Effect, ...]:
    """Each leg with a cause, before the bridge goes."""
    told = AGENT_ANSWERS.get(call.reason) if call.reason and call.answered_at is None else None
    cause = told.q850 if told else Q850.NORMAL
    legs = []
    if call.customer is _PRESENT:
        legs.append(do.HangUpLeg(call.customer_channel, Q850.NORMAL))
    if call.agent is _PRESENT:
        legs.append(do.HangUpLeg(call.agent_channel, cause))
    return tuple(legs)


def _end(call: Call, now: datetime) -> Moved:
    if call.agent is not _PRESENT and call.customer is not _PRESENT:
        return _close(call, now)
    return replace(call, phase=Phase.ENDING), (
        *_hang_ups(call),
        do.SetDeadline(Deadline.HANG_UP, _after(now, call.timing.hangup_timeout_s)),
    )


def _when_gone(call: Call, event: Event) -> Moved:
    """A talk ends when its first party leaves, whoever's hang-up came first."""
    assert isinstance(event, ev.LegGone)
    if call.ended_at is None:
        call = replace(call, ended_at=event.at, estimated=event.estimated)
    if call.agent is _PRESENT or call.customer is _PRESENT:
        if call.phase is Phase.ANNOUNCING and call.agent is _GONE:
            return _end(call, event.at)
        return call, ()
    return _close(call, event.at)


def _close(call: Call, now: datetime) -> Moved:
    return replace(call, phase=Phase.CLOSING, ended_at=call.ended_at or now), (
        do.DestroyBridge(call.bridge),
        do.CloseCall(),
        do.SetDeadline(Deadline.CLOSE, _after(now, call.timing.close_timeout_s)),
    )
