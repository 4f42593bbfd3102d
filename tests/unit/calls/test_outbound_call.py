"""What one outbound call does, told as given / when / then. Rule numbers in the names and docstrings."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.table import decide
from callcontrol.domain.causes import AGENT_ANSWERS, Q850, Disposition, Reason
from tests.unit.calls.samples import CALLS, FREE_TERMS, NEW, TERMS, after

E = TypeVar("E", bound=Effect)
AGENT, CUSTOMER = NEW.agent_channel, NEW.customer_channel


def run(call: Call, *events: Event) -> tuple[Call, list[Effect]]:
    effects: list[Effect] = []
    for event in events:
        call, more = decide(call, event)
        effects += more
    return call, effects


def of(effects: list[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_d1_nothing_is_dialled_before_the_minute_is_held() -> None:
    call, effects = run(NEW, ev.CallArrived(after(0)))
    assert of(effects, do.Authorise)
    assert not of(effects, do.CreateCustomerLeg)
    call, effects = run(call, ev.CallAuthorised(after(1), TERMS, 1, False))
    assert call.phase is Phase.PREPARING
    assert of(effects, do.CreateCustomerLeg) == [do.CreateCustomerLeg(CUSTOMER, TERMS.dial_string, AGENT)]


def test_d5_every_leg_is_limited_before_it_is_dialled() -> None:
    """Ring timeout + first held minute + grace."""
    _, effects = run(NEW, ev.CallAuthorised(after(1), TERMS, 1, False), ev.CustomerLegEntered(after(2)))
    assert of(effects, do.LimitLeg) == [do.LimitLeg(AGENT, 60 + 60 + 600)]
    assert of(effects, do.PrepareCustomerLeg) == [do.PrepareCustomerLeg(CUSTOMER, 720, TERMS.caller_id)]
    kinds = [type(effect) for effect in effects]
    assert kinds.index(do.PrepareCustomerLeg) < kinds.index(do.ConnectLegs) < kinds.index(do.DialCustomer)


def test_d5_no_grace_on_the_pools_last_minute() -> None:
    _, effects = run(NEW, ev.CallAuthorised(after(1), TERMS, 1, last_minute=True))
    assert of(effects, do.LimitLeg) == [do.LimitLeg(AGENT, 60 + 60)]


def test_r6_the_answer_of_the_customers_leg_starts_the_bill_and_asks_for_the_second_minute() -> None:
    call, effects = run(CALLS[Phase.RINGING], ev.CustomerAnswered(after(5)))
    assert (call.phase, call.answered_at) == (Phase.TALKING, after(5))
    assert of(effects, do.AnswerAgent) == [do.AnswerAgent(AGENT)]
    assert of(effects, do.RecordAnswer) == [do.RecordAnswer(after(5))]
    assert of(effects, do.ExtendHold) == [do.ExtendHold(2)]


def test_d5_the_limit_follows_every_extension_on_both_legs() -> None:
    _, effects = run(CALLS[Phase.TALKING], ev.HoldExtended(after(5), 5, False))
    assert of(effects, do.LimitLeg) == [do.LimitLeg(AGENT, 300 + 600), do.LimitLeg(CUSTOMER, 300 + 600)]
    assert do.SetDeadline(Deadline.EXTEND, after(5 + 300 - 65)) in effects


def test_d13_the_limit_never_goes_beyond_the_longest_call() -> None:
    _, effects = run(CALLS[Phase.TALKING], ev.HoldExtended(after(5), 1000, False))
    assert {limit.limit_s for limit in of(effects, do.LimitLeg)} == {TERMS.max_call_s}


def test_d4_without_minutes_the_call_is_cut_at_the_end_of_its_hold() -> None:
    call, effects = run(CALLS[Phase.TALKING], ev.ExtensionFailed(after(5), exhausted=True))
    assert do.SetDeadline(Deadline.CUT, after(65)) in effects
    assert do.SetDeadline(Deadline.EXTEND, after(10)) in effects
    assert {limit.limit_s for limit in of(effects, do.LimitLeg)} == {60}
    call, effects = run(call, ev.DeadlinePassed(after(65), Deadline.CUT))
    assert (call.phase, call.reason, call.cut_for_exhaustion) == (Phase.ENDING, Reason.POOL_EXHAUSTED, True)
    assert {hang_up.channel for hang_up in of(effects, do.HangUpLeg)} == {AGENT, CUSTOMER}


def test_d3_an_addon_in_between_cancels_the_cut() -> None:
    call, _ = run(CALLS[Phase.TALKING], ev.ExtensionFailed(after(5), exhausted=True))
    call, effects = run(call, ev.HoldExtended(after(40), 6, False))
    assert do.CancelDeadline(Deadline.CUT) in effects
    assert not call.last_minute


def test_d4_asterisks_own_cut_at_the_end_of_the_hold_is_exhaustion_and_capped() -> None:
    """Its event says cause 16 like any hang-up: the reason is ours to remember."""
    call, _ = run(CALLS[Phase.TALKING], ev.ExtensionFailed(after(5), exhausted=True))
    call, _ = run(call, ev.AgentLegGone(after(65), 16))
    assert (call.reason, call.cut_for_exhaustion) == (Reason.POOL_EXHAUSTED, True)


def test_d5_what_was_talked_beyond_the_hold_while_nobody_could_cut_is_not_forgiven() -> None:
    call, _ = run(CALLS[Phase.TALKING], ev.ExtensionFailed(after(300), exhausted=True))
    call, _ = run(call, ev.DeadlinePassed(after(300), Deadline.CUT))
    assert not call.cut_for_exhaustion


def test_d11_a_call_in_progress_goes_on_without_the_ledger() -> None:
    call, effects = run(CALLS[Phase.TALKING], ev.ExtensionFailed(after(5), exhausted=False))
    assert call.phase is Phase.TALKING
    assert effects == [do.SetDeadline(Deadline.EXTEND, after(10))]


def test_d11_no_answer_from_the_ledger_refuses_the_call() -> None:
    call, effects = run(NEW, ev.DeadlinePassed(after(5), Deadline.AUTHORISE))
    assert (call.reason, call.disposition) == (Reason.LEDGER_UNAVAILABLE, Disposition.REFUSED)
    assert of(effects, do.Announce)


def test_d11_a_minute_held_after_we_gave_up_is_still_closed() -> None:
    call, _ = run(NEW, ev.DeadlinePassed(after(5), Deadline.AUTHORISE))
    call, effects = run(call, ev.CallAuthorised(after(6), TERMS, 1, False))
    assert (call.terms, effects) == (TERMS, [])
    call, effects = run(call, ev.AgentLegGone(after(7)))
    assert call.phase is Phase.CLOSING
    assert of(effects, do.CloseCall)


@pytest.mark.parametrize("ender", ["agent", "customer"])
def test_one_party_leaving_hangs_up_the_other(ender: str) -> None:
    gone: Event = ev.AgentLegGone(after(66), 16) if ender == "agent" else ev.CustomerLegGone(after(66), 16)
    other = CUSTOMER if ender == "agent" else AGENT
    call, effects = run(CALLS[Phase.TALKING], gone)
    assert of(effects, do.HangUpLeg) == [do.HangUpLeg(other, Q850.NORMAL)]
    assert (call.disposition, call.reason, call.ended_at) == (
        Disposition.ANSWERED,
        Reason.AGENT_HUNG_UP if ender == "agent" else Reason.CUSTOMER_HUNG_UP,
        after(66),
    )
    rest: Event = ev.CustomerLegGone(after(67), 16) if ender == "agent" else ev.AgentLegGone(after(67), 16)
    call, effects = run(call, rest)
    assert call.phase is Phase.CLOSING
    assert call.ended_at == after(66), "a talk ends when its first party leaves"
    assert of(effects, do.CloseCall)


@pytest.mark.parametrize(
    ("q850", "sip", "reason", "disposition"),
    [
        (17, 486, Reason.BUSY, Disposition.BUSY),
        (17, 600, Reason.BUSY, Disposition.BUSY),
        (19, None, Reason.NO_ANSWER, Disposition.NO_ANSWER),
        (21, 603, Reason.REJECTED, Disposition.FAILED),
        (21, 403, Reason.REJECTED, Disposition.FAILED),
        (20, 480, Reason.UNREACHABLE, Disposition.FAILED),
        (1, 404, Reason.INVALID_NUMBER, Disposition.FAILED),
        (28, 484, Reason.INVALID_NUMBER, Disposition.FAILED),
        (34, 503, Reason.CONGESTION, Disposition.FAILED),
        (None, None, Reason.CONGESTION, Disposition.FAILED),
    ],
)
def test_an_unanswered_call_tells_the_agent_why(
    q850: int | None, sip: int | None, reason: Reason, disposition: Disposition
) -> None:
    call, effects = run(CALLS[Phase.RINGING], ev.CustomerLegGone(after(9), q850, sip))
    assert (call.phase, call.reason, call.disposition, call.sip_code) == (Phase.ANNOUNCING, reason, disposition, sip)
    assert of(effects, do.Announce)[0].media.endswith(AGENT_ANSWERS[reason].announcement)
    call, effects = run(call, ev.AnnouncementFinished(after(11)))
    assert of(effects, do.HangUpLeg) == [do.HangUpLeg(AGENT, AGENT_ANSWERS[reason].q850)]


def test_the_agent_hanging_up_while_it_rings_cancels() -> None:
    call, effects = run(CALLS[Phase.RINGING], ev.AgentLegGone(after(9)))
    assert (call.phase, call.disposition, call.reason) == (Phase.ENDING, Disposition.CANCELLED, Reason.CANCELLED)
    assert call.q850 == Q850.NORMAL
    assert of(effects, do.HangUpLeg) == [do.HangUpLeg(CUSTOMER, Q850.NORMAL)]


def test_an_agent_who_hung_up_leaves_a_cause_unless_the_end_is_a_guess() -> None:
    """The event that an agent's channel has left us names none."""
    call, _ = run(CALLS[Phase.TALKING], ev.AgentLegGone(after(66)))
    assert (call.reason, call.q850) == (Reason.AGENT_HUNG_UP, Q850.NORMAL)
    call, _ = run(CALLS[Phase.TALKING], ev.AgentLegGone(after(66), estimated=True))
    assert call.q850 is None


def test_the_agent_hanging_up_before_the_hold_is_known_still_closes_after_it() -> None:
    call, effects = run(NEW, ev.CallArrived(after(0)), ev.AgentLegGone(after(1)))
    assert call.phase is Phase.CLOSING
    kinds = [type(effect) for effect in effects]
    assert kinds.index(do.Authorise) < kinds.index(do.CloseCall), "same lane: the void comes after the hold"


def test_ring_timeout() -> None:
    call, effects = run(CALLS[Phase.RINGING], ev.DeadlinePassed(after(62), Deadline.RING))
    assert (call.disposition, call.reason) == (Disposition.NO_ANSWER, Reason.NO_ANSWER)
    assert of(effects, do.HangUpLeg) == [do.HangUpLeg(CUSTOMER, Q850.NO_ANSWER)]


def test_r6_answered_in_the_moment_the_agent_gave_up_counts() -> None:
    call, _ = run(CALLS[Phase.RINGING], ev.AgentLegGone(after(9)), ev.CustomerAnswered(after(9.1)))
    assert call.disposition is Disposition.ANSWERED
    call, _ = run(call, ev.CustomerLegGone(after(9.2), 16, 200))
    assert call.phase is Phase.CLOSING
    assert call.answered_at == call.ended_at == after(9.1)


def test_a_leg_that_stays_is_hung_up_until_it_is_gone() -> None:
    call, effects = run(CALLS[Phase.ENDING], ev.DeadlinePassed(after(15), Deadline.HANG_UP))
    assert {hang_up.channel for hang_up in of(effects, do.HangUpLeg)} == {AGENT, CUSTOMER}
    assert call.phase is Phase.ENDING


def test_d16_an_emergency_call_has_no_hold_and_never_asks_for_minutes() -> None:
    call, effects = run(
        NEW,
        ev.CallAuthorised(after(1), FREE_TERMS, 0, False),
        ev.CustomerLegEntered(after(2)),
        ev.CustomerAnswered(after(3)),
    )
    assert call.phase is Phase.TALKING
    assert not of(effects, do.ExtendHold)


def test_d6_a_settlement_that_fails_is_tried_again() -> None:
    call, effects = run(CALLS[Phase.CLOSING], ev.CloseFailed(after(10)))
    assert effects == [do.SetDeadline(Deadline.CLOSE, after(12))]
    call, effects = run(call, ev.DeadlinePassed(after(12), Deadline.CLOSE))
    assert of(effects, do.CloseCall)


def test_d5_an_adopted_call_claims_what_was_talked_meanwhile() -> None:
    talking = replace(CALLS[Phase.TALKING], held_minutes=2)
    _, effects = run(talking, ev.CallAdopted(after(5 + 240)))
    assert of(effects, do.ExtendHold) == [do.ExtendHold(5)]  # 240 s talked: the fifth has begun


def test_d13_max_duration() -> None:
    call, _ = run(CALLS[Phase.TALKING], ev.DeadlinePassed(after(10805), Deadline.MAX_DURATION))
    assert call.reason is Reason.MAX_DURATION
