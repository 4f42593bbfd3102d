"""Moves of an answered call: holds ahead of time, limits behind them, the cut, the hang-up.

A move never decides whether it applies: the table does. Instants come from events; nothing here knows the time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.steps import (
    GONE,
    Moved,
    after,
    conclude,
    cut_deadline,
    end,
    grace_s,
    hold_ends_at,
    limit_in_call_s,
    limits,
    talk_began_at,
    terms_of,
    warning_deadline,
    warnings_due,
    without_later_steps,
)
from callcontrol.domain.causes import Q850, Disposition, Reason

WARNING_SOUND = "sound:callcontrol/minute-warning"
"""180 ms (scripts/make-prompts): while it sounds the parties do not hear each other, which is to be 250 ms at most."""


def answer(call: Call, event: Event) -> Moved:
    """R6: the customer's leg is answered, by a person or by voicemail; the second minute is asked for at once."""
    assert isinstance(event, ev.CustomerAnswered)
    clock_step_s = call.clock_step_s + event.later_step_s
    call = replace(call, phase=Phase.TALKING, answered_at=event.at, clock_step_s=clock_step_s)
    effects: list[Effect] = [do.AnswerAgent(call.agent_channel), do.RecordAnswer(event.at)]
    if call.billable:
        effects.append(do.ExtendHold(call.held_minutes + 1))
    else:
        effects += limits(call, terms_of(call).max_call_s)
    effects.append(do.SetDeadline(Deadline.MAX_DURATION, after(talk_began_at(call), terms_of(call).max_call_s)))
    return call, tuple(effects)


def talk_on(call: Call, event: Event) -> Moved:
    """The daemon came back to a talking call: the minute that is being talked must be held now (D5). The next one is
    asked for after that: where there is none, the call still ends with the last minute it can have, not now (D4)."""
    effects: list[Effect] = [
        do.AnswerAgent(call.agent_channel),  # we may have died between the customer's answer and the agent's
        do.SetDeadline(Deadline.MAX_DURATION, after(talk_began_at(call), terms_of(call).max_call_s)),
    ]
    if call.billable:
        talking_minute = (event.at - talk_began_at(call)) // timedelta(seconds=call.timing.minute_s) + 1
        # Warnings that are past were heard before we died, or are too late to be of use.
        call = replace(call, warned=max(call.warned, warnings_due(call, event.at)))
        # The second one is asked for at the answer, which may be news to us: the same key, so it is asked for once.
        effects.append(do.ExtendHold(max(2, talking_minute, call.held_minutes)))
    return call, tuple(effects)


def prolong(call: Call, event: Event) -> Moved:
    """The commit came first; now Asterisk's own limit follows the hold (D5)."""
    assert isinstance(event, ev.HoldExtended)
    # Another end of the hold is approached with its own warnings.
    warned = call.warned if event.held_minutes == call.held_minutes else 0
    call = replace(call, held_minutes=event.held_minutes, last_minute=event.last_minute, warned=warned)
    next_try = hold_ends_at(call) - timedelta(seconds=call.timing.extend_lead_s)
    if call.last_minute:
        next_try = max(next_try, after(event.at, call.timing.extend_retry_s))
    return call, (
        *limits(call, limit_in_call_s(call, event.at)),
        do.SetDeadline(Deadline.EXTEND, next_try),
        cut_deadline(call),
        warning_deadline(call),
    )


def note_late_extension(call: Call, event: Event) -> Moved:
    assert isinstance(event, ev.HoldExtended)
    return replace(call, held_minutes=event.held_minutes, last_minute=event.last_minute), ()


def wait_for_minutes(call: Call, event: Event) -> Moved:
    """None left: cut at the end of the hold unless an add-on comes (D3, D4). Ledger away: D5 bounds it (D11)."""
    assert isinstance(event, ev.ExtensionFailed)
    retry = do.SetDeadline(Deadline.EXTEND, after(event.at, call.timing.extend_retry_s))
    if not event.exhausted:
        return call, (retry,)
    call = replace(call, last_minute=True)
    # Each time: after the answer of a call that had the last minute from the start, and after a crash, the limit that
    # stands is another one, and longer.
    return call, (
        *limits(call, limit_in_call_s(call, event.at)),
        retry,
        cut_deadline(call),
        warning_deadline(call),
    )


def extend(call: Call, event: Event) -> Moved:
    return call, (do.ExtendHold(call.held_minutes + 1),)


def warn(call: Call, event: Event) -> Moved:
    """D4: the agent, and nobody else, hears that the last held minute ends. Of several that are due, one sounds."""
    call = replace(call, warned=max(call.warned + 1, warnings_due(call, event.at)))
    return call, (do.WarnAgent(call.agent_channel, call.warning, WARNING_SOUND), warning_deadline(call))


def cut(call: Call, event: Event) -> Moved:
    """D4. What was talked beyond the hold because nobody was there to cut is not forgiven (D5)."""
    on_time = event.at <= hold_ends_at(call) + timedelta(seconds=2)
    call = replace(call, cut_for_exhaustion=on_time)
    call = conclude(call, None, Disposition.ANSWERED, Reason.POOL_EXHAUSTED, Q850.NORMAL)
    return end(call, event.at)


def end_at_max_duration(call: Call, event: Event) -> Moved:
    """D13."""
    return end(conclude(call, None, Disposition.ANSWERED, Reason.MAX_DURATION, Q850.NORMAL), event.at)


def hang_up(call: Call, event: Event) -> Moved:
    """One party left: one party leaving does not end a bridge, so we hang up the other."""
    assert isinstance(event, ev.LegGone)
    call = without_later_steps(call, event)
    if isinstance(event, ev.AgentLegGone):
        call, reason = replace(call, agent=GONE), Reason.AGENT_HUNG_UP
    else:
        call, reason = replace(call, customer=GONE), Reason.CUSTOMER_HUNG_UP
    if event.pbx_restarted:
        reason = Reason.PBX_RESTARTED
    elif call.billable:
        # Asterisk's own limit looks like a normal hang-up (cause 16): the reason is ours to remember.
        second = timedelta(seconds=1)
        hold_end = hold_ends_at(call)
        if call.last_minute and hold_end - second <= event.at <= hold_end + 2 * second:
            reason = Reason.POOL_EXHAUSTED
            call = replace(call, cut_for_exhaustion=True)
        elif event.at >= hold_end + timedelta(seconds=grace_s(call)) - second:
            reason = Reason.PBX_LIMIT
    call = replace(call, estimated=event.estimated)
    # An agent's leg is gone with the event that it left us, which names no cause: a phone has no other (Q.850 16).
    unnamed = event.q850 is None and not event.estimated and reason is Reason.AGENT_HUNG_UP
    q850 = Q850.NORMAL if unnamed else event.q850
    call = conclude(call, event.at, Disposition.ANSWERED, reason, q850, event.sip_code)
    return end(call, event.at)
