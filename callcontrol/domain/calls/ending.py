"""Moves of a call that ends: the agent is told, legs go, the bill is closed.

A move never decides whether it applies: the table does. Instants come from events; nothing here knows the time.
"""

from __future__ import annotations

from dataclasses import replace

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.steps import (
    GONE,
    PRESENT,
    Moved,
    after,
    end,
    hang_ups,
    when_gone,
)
from callcontrol.domain.causes import Q850, Disposition, Reason


def hang_up_agent(call: Call, event: Event) -> Moved:
    """The announcement is over: the final response carries the cause."""
    return end(call, event.at)


def note_agent_gone(call: Call, event: Event) -> Moved:
    """Gone while being told, or while being hung up."""
    return when_gone(replace(call, agent=GONE), event)


def note_customer_gone(call: Call, event: Event) -> Moved:
    return when_gone(replace(call, customer=GONE), event)


def note_late_answer(call: Call, event: Event) -> Moved:
    """Answered in the moment we gave up or the agent did. The carrier's leg was answered, so it counts (R6, R7)."""
    assert isinstance(event, ev.CustomerAnswered)
    if call.answered_at is not None:
        return call, ()
    # When we gave up is not when the talk ended: the first leg that goes says that, unless the agent is gone already.
    ended_at = max(event.at, call.ended_at) if call.ended_at and call.agent is GONE else None
    reason = Reason.AGENT_HUNG_UP if call.agent is GONE else Reason.CUSTOMER_HUNG_UP
    call = replace(call, clock_step_s=call.clock_step_s + event.later_step_s)
    call = replace(call, answered_at=event.at, ended_at=ended_at, disposition=Disposition.ANSWERED, reason=reason)
    return call, (do.RecordAnswer(event.at),)


def hang_up_latecomer(call: Call, event: Event) -> Moved:
    """The customer's channel came into being after it was given up."""
    return replace(call, customer=PRESENT), (do.HangUpLeg(call.customer_channel, Q850.NORMAL),)


def hang_up_again(call: Call, event: Event) -> Moved:
    """ "Call cut, yet still up" is a defect of other engines: we ask until Asterisk says that it is gone."""
    return call, (
        *hang_ups(call),
        do.SetDeadline(Deadline.HANG_UP, after(event.at, call.timing.hangup_timeout_s)),
    )


def retry_close_later(call: Call, event: Event) -> Moved:
    return call, (do.SetDeadline(Deadline.CLOSE, after(event.at, call.timing.close_retry_s)),)


def close_again(call: Call, event: Event) -> Moved:
    """Settlement is idempotent: asking again costs nothing, not asking could cost a bill."""
    return call, (
        do.CloseCall(),
        do.SetDeadline(Deadline.CLOSE, after(event.at, call.timing.close_timeout_s)),
    )


def finish(call: Call, event: Event) -> Moved:
    return replace(call, phase=Phase.ENDED), ()
