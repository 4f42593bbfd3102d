"""What moves share: the steps `(call, ...) -> (call, effects)` that several of them end with, and their instants."""

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
from callcontrol.domain.causes import AGENT_ANSWERS, Q850, Disposition, Reason

Moved = tuple[Call, tuple[Effect, ...]]
Move = Callable[[Call, Event], Moved]

PRESENT, GONE = LegState.PRESENT, LegState.GONE


def after(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def talk_began_at(call: Call) -> datetime:
    """The answer, as the wall clock that shows the time now would have shown it (D10)."""
    assert call.answered_at is not None
    return after(call.answered_at, call.clock_step_s)


def hold_ends_at(call: Call) -> datetime:
    return after(talk_began_at(call), call.held_minutes * call.timing.minute_s)


def with_terms(call: Call, event: ev.CallAuthorised) -> Call:
    return replace(call, terms=event.terms, held_minutes=event.held_minutes, last_minute=event.last_minute)


def terms_of(call: Call) -> CallTerms:
    assert call.terms is not None, "only an authorised call gets here"
    return call.terms


def grace_s(call: Call) -> int:
    """None on the pool's last minute: nobody could pay for it (billing.md, extend)."""
    return 0 if call.last_minute else call.timing.grace_s


def limit_before_answer_s(call: Call) -> int:
    """D5: ring timeout + first held minute + grace, for a call whose answer we may not be there to see."""
    talk_s = call.timing.minute_s + grace_s(call) if call.billable else terms_of(call).max_call_s
    return call.timing.ring_timeout_s + talk_s


def limit_in_call_s(call: Call, now: datetime) -> int:
    """Seconds from now to the end of the hold plus grace, never beyond the longest call allowed; rounded up."""
    until = after(talk_began_at(call), terms_of(call).max_call_s)
    if call.billable:
        until = min(until, after(hold_ends_at(call), grace_s(call)))
    return max(1, -((now - until) // timedelta(seconds=1)))


def limits(call: Call, limit_s: int) -> tuple[Effect, ...]:
    """On every leg: a leg whose other side is cut stays up alone."""
    return tuple(do.LimitLeg(channel, limit_s) for channel in (call.agent_channel, call.customer_channel))


def cut_deadline(call: Call) -> Effect:
    if call.last_minute:
        return do.SetDeadline(Deadline.CUT, hold_ends_at(call))
    return do.CancelDeadline(Deadline.CUT)


def warnings_due(call: Call, now: datetime) -> int:
    """How many of the warnings before the end of this hold have come by now (D4)."""
    ends_at = hold_ends_at(call)
    return sum(ends_at - timedelta(seconds=lead_s) <= now for lead_s in call.timing.warnings_s)


def warning_deadline(call: Call) -> Effect:
    """The next warning, while nothing more can be held. One that is due already sounds at once (D4)."""
    if not call.last_minute or call.warned >= len(call.timing.warnings_s):
        return do.CancelDeadline(Deadline.WARN)
    lead = timedelta(seconds=call.timing.warnings_s[call.warned])
    return do.SetDeadline(Deadline.WARN, hold_ends_at(call) - lead)


def preparation(call: Call, now: datetime) -> tuple[Effect, ...]:
    return (
        do.LimitLeg(call.agent_channel, limit_before_answer_s(call)),
        do.CreateBridge(call.bridge),
        do.CreateCustomerLeg(call.customer_channel, terms_of(call).dial_string, call.agent_channel),
        do.SetDeadline(Deadline.SETUP, after(now, call.timing.setup_timeout_s)),
    )


def conclude(
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


def announce(call: Call, now: datetime, reason: Reason, q850: int | None = None, sip_code: int | None = None) -> Moved:
    """Never silence: an announcement in early media, then the SIP response that says the same."""
    told = AGENT_ANSWERS[reason]
    call = conclude(call, now, told.disposition, reason, q850 if q850 is not None else told.q850, sip_code)
    is_tone = told.announcement.startswith("tone:")
    # A sound ends by itself; a tone ends when we say so.
    limit_s = call.timing.tone_s if is_tone else call.timing.announcement_timeout_s
    return replace(call, phase=Phase.ANNOUNCING), (
        do.Announce(
            call.agent_channel,
            call.announcement,
            told.announcement if is_tone else f"sound:callcontrol/{told.announcement}",
        ),
        do.SetDeadline(Deadline.ANNOUNCEMENT, after(now, limit_s)),
    )


def hang_ups(call: Call) -> tuple[Effect, ...]:
    """Each leg with a cause, before the bridge goes."""
    told = AGENT_ANSWERS.get(call.reason) if call.reason and call.answered_at is None else None
    cause = told.q850 if told else Q850.NORMAL
    legs = []
    if call.customer is PRESENT:
        legs.append(do.HangUpLeg(call.customer_channel, Q850.NORMAL))
    if call.agent is PRESENT:
        legs.append(do.HangUpLeg(call.agent_channel, cause))
    return tuple(legs)


def without_later_steps(call: Call, event: ev.LegGone) -> Call:
    """A talk that had ended when the clock was set is not touched by it, whenever we are told (D10)."""
    return replace(call, clock_step_s=call.clock_step_s - event.later_step_s) if call.answered_at else call


def note_clock_step(call: Call, event: Event) -> Moved:
    """D10: no part of the talk. Asterisk's own limits go by the wall clock, so they are set anew."""
    assert isinstance(event, ev.ClockStepped)
    if call.answered_at is None or call.ended_at is not None:
        return call, ()
    call = replace(call, clock_step_s=call.clock_step_s + event.step_s)
    return call, limits(call, limit_in_call_s(call, event.at)) if call.phase is Phase.TALKING else ()


def end(call: Call, now: datetime) -> Moved:
    if call.agent is not PRESENT and call.customer is not PRESENT:
        return close(call, now)
    return replace(call, phase=Phase.ENDING), (
        *hang_ups(call),
        do.SetDeadline(Deadline.HANG_UP, after(now, call.timing.hangup_timeout_s)),
    )


def when_gone(call: Call, event: Event) -> Moved:
    """A talk ends when its first party leaves, whoever's hang-up came first."""
    assert isinstance(event, ev.LegGone)
    if call.ended_at is None:
        call = replace(without_later_steps(call, event), ended_at=event.at, estimated=event.estimated)
    if call.agent is PRESENT or call.customer is PRESENT:
        if call.phase is Phase.ANNOUNCING and call.agent is GONE:
            return end(call, event.at)
        return call, ()
    return close(call, event.at)


def close(call: Call, now: datetime) -> Moved:
    return replace(call, phase=Phase.CLOSING, ended_at=call.ended_at or now), (
        do.DestroyBridge(call.bridge),
        do.CloseCall(),
        do.SetDeadline(Deadline.CLOSE, after(now, call.timing.close_timeout_s)),
    )
