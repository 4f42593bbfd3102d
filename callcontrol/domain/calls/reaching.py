"""Moves from the arrival of a call to its answer, or to why there is none.

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
    announce,
    close,
    conclude,
    end,
    limit_before_answer_s,
    preparation,
    terms_of,
    with_terms,
)
from callcontrol.domain.causes import Q850, Disposition, Reason, unanswered_reason


def arrive(call: Call, event: Event) -> Moved:
    """Rules and ledger are asked; until they answer the agent hears nothing and pays nothing."""
    deadline = do.SetDeadline(Deadline.AUTHORISE, after(event.at, call.timing.authorise_timeout_s))
    return call, (do.Authorise(), deadline)


def prepare(call: Call, event: Event) -> Moved:
    """The first minute is committed: only now may anything that costs begin (D1, D5)."""
    assert isinstance(event, ev.CallAuthorised)
    call = replace(with_terms(call, event), phase=Phase.PREPARING, customer=PRESENT)
    return call, preparation(call, event.at)


def prepare_again(call: Call, event: Event) -> Moved:
    """The daemon came back before the customer's leg was made: the same ids, so nothing is made twice."""
    return call, preparation(call, event.at)


def refuse(call: Call, event: Event) -> Moved:
    assert isinstance(event, ev.CallRefused)
    call = replace(call, terms=event.terms or call.terms)
    return announce(call, event.at, event.reason)


def refuse_unanswered_ledger(call: Call, event: Event) -> Moved:
    """Fail closed on money: no answer from the ledger is a refusal (D11)."""
    return announce(call, event.at, Reason.LEDGER_UNAVAILABLE)


def note_late_authorisation(call: Call, event: Event) -> Moved:
    """The minute was held after we gave up waiting: closing the call releases it."""
    assert isinstance(event, ev.CallAuthorised)
    return with_terms(call, event), ()


def abandon(call: Call, event: Event) -> Moved:
    """The agent hung up before anything was dialled. Closing comes after the authorisation still under way."""
    call = conclude(replace(call, agent=GONE), event.at, Disposition.CANCELLED, Reason.CANCELLED, Q850.NORMAL)
    return close(call, event.at)


def dial(call: Call, event: Event) -> Moved:
    """Limit first, then bridge, then INVITE: ringback and early media have a way to the agent from the start."""
    call = replace(call, phase=Phase.DIALLING)
    return call, (
        do.PrepareCustomerLeg(call.customer_channel, limit_before_answer_s(call), terms_of(call).caller_id),
        do.ConnectLegs(call.bridge, (call.agent_channel, call.customer_channel)),
        # Asterisk's own ring timeout is only for the case that we are not there to end it.
        do.DialCustomer(call.customer_channel, call.timing.ring_timeout_s + 5),
        do.SetDeadline(Deadline.RING, after(event.at, call.timing.ring_timeout_s)),
    )


def ring(call: Call, event: Event) -> Moved:
    return replace(call, phase=Phase.RINGING, rang_at=event.at), ()


def ring_on(call: Call, event: Event) -> Moved:
    """The daemon came back to a ringing phone: it rings for what is left of its time, and Asterisk's own timeout, whose
    causes look like a carrier's 480, does not come first."""
    rings_until = after(call.started_at, call.timing.ring_timeout_s)
    return call, (do.SetDeadline(Deadline.RING, max(event.at, rings_until)),)


def fail_to_reach(call: Call, event: Event) -> Moved:
    """The customer's leg ended without an answer: the agent is told why."""
    assert isinstance(event, ev.CustomerLegGone)
    call = replace(call, customer=GONE)
    return announce(call, event.at, unanswered_reason(event.q850, event.sip_code), event.q850, event.sip_code)


def fail_to_dial(call: Call, event: Event) -> Moved:
    """No channel could be made or dialled; if one was made after all, it is hung up."""
    assert isinstance(event, ev.CustomerLegFailed)
    call, effects = announce(call, event.at, event.reason)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NORMAL), *effects)


def give_up_setup(call: Call, event: Event) -> Moved:
    call, effects = announce(call, event.at, Reason.CONGESTION)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NORMAL), *effects)


def give_up_ringing(call: Call, event: Event) -> Moved:
    call, effects = announce(call, event.at, Reason.NO_ANSWER)
    return call, (do.HangUpLeg(call.customer_channel, Q850.NO_ANSWER), *effects)


def cancel(call: Call, event: Event) -> Moved:
    """The agent hung up while the customer was being reached."""
    call = conclude(replace(call, agent=GONE), event.at, Disposition.CANCELLED, Reason.CANCELLED, Q850.NORMAL)
    return end(call, event.at)
