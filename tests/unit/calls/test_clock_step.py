"""D10 in the call's machine: a step is no part of the talk, and everything that goes by the answer follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.table import decide
from callcontrol.domain.causes import Reason
from tests.unit.calls.samples import CALLS, FREE_TERMS, TERMS, after

HOUR = 3600.0
TALKING = replace(CALLS[Phase.TALKING], held_minutes=2)
"""Answered at 5, so held until 125."""


def run(call: Call, *events: Event) -> tuple[Call, list[Effect]]:
    effects: tuple[Effect, ...] = ()
    for event in events:
        call, effects = decide(call, event)
    return call, list(effects)


@pytest.mark.parametrize("phase", [Phase.AUTHORISING, Phase.PREPARING, Phase.DIALLING, Phase.RINGING])
def test_what_is_not_answered_is_not_touched(phase: Phase) -> None:
    assert decide(CALLS[phase], ev.ClockStepped(after(HOUR), HOUR)) == (CALLS[phase], ())


@pytest.mark.parametrize("step_s", [HOUR, -HOUR])
def test_asterisks_limits_go_by_the_wall_clock_and_are_set_anew(step_s: float) -> None:
    """65 s after the answer 55 s of the hold are left, whatever the clock shows."""
    call, effects = run(TALKING, ev.ClockStepped(after(70 + step_s), step_s))
    assert call.clock_step_s == step_s
    assert {limit.limit_s for limit in effects if isinstance(limit, do.LimitLeg)} == {55 + 600}
    free = replace(TALKING, terms=FREE_TERMS)
    _, effects = run(free, ev.ClockStepped(after(70 + step_s), step_s))
    assert {limit.limit_s for limit in effects if isinstance(limit, do.LimitLeg)} == {TERMS.max_call_s - 65}


@pytest.mark.parametrize("step_s", [HOUR, -HOUR])
def test_the_hold_the_tones_and_the_cut_follow(step_s: float) -> None:
    call, _ = run(TALKING, ev.ClockStepped(after(30 + step_s), step_s))
    call, effects = run(call, ev.ExtensionFailed(after(60 + step_s), exhausted=True))
    assert do.SetDeadline(Deadline.CUT, after(125 + step_s)) in effects
    assert do.SetDeadline(Deadline.WARN, after(65 + step_s)) in effects
    on_time, _ = run(call, ev.DeadlinePassed(after(125.1 + step_s), Deadline.CUT))
    assert on_time.cut_for_exhaustion
    late, _ = run(call, ev.DeadlinePassed(after(140 + step_s), Deadline.CUT))
    assert not late.cut_for_exhaustion


def test_an_adopted_call_counts_its_minutes_and_its_longest_time_without_the_step() -> None:
    call = replace(TALKING, clock_step_s=HOUR)
    _, effects = run(call, ev.CallAdopted(after(5 + 130 + HOUR)))
    assert do.ExtendHold(3) in effects
    assert do.SetDeadline(Deadline.MAX_DURATION, after(5 + TERMS.max_call_s + HOUR)) in effects


def test_several_add_up() -> None:
    steps = [ev.ClockStepped(after(30), HOUR), ev.ClockStepped(after(40), -10.0), ev.ClockStepped(after(50), 5.0)]
    assert run(TALKING, *steps)[0].clock_step_s == HOUR - 5


def test_asterisks_cut_at_the_end_of_the_hold_is_known_as_one() -> None:
    call = replace(TALKING, last_minute=True)
    call, _ = run(call, ev.ClockStepped(after(30 + HOUR), HOUR), ev.AgentLegGone(after(125 + HOUR), 16))
    assert (call.reason, call.cut_for_exhaustion) == (Reason.POOL_EXHAUSTED, True)


def test_a_step_while_the_legs_are_being_hung_up_counts_until_the_first_is_gone() -> None:
    call, _ = run(TALKING, ev.DeadlinePassed(after(100), Deadline.MAX_DURATION))
    call, _ = run(call, ev.ClockStepped(after(101 + HOUR), HOUR))
    assert call.clock_step_s == HOUR
    call, _ = run(call, ev.AgentLegGone(after(102 + HOUR)), ev.ClockStepped(after(103), -HOUR))
    assert call.clock_step_s == HOUR
    call, _ = run(call, ev.CustomerLegGone(after(104)), ev.ClockStepped(after(204), 100.0))
    assert (call.phase, call.clock_step_s) == (Phase.CLOSING, HOUR)


def test_told_late_an_end_from_before_the_step_is_not_touched_by_it() -> None:
    call, _ = run(TALKING, ev.ClockStepped(after(90 + HOUR), HOUR))
    call, _ = run(call, ev.CustomerLegGone(after(89), 16, later_step_s=HOUR))
    assert call.clock_step_s == 0


def test_told_late_an_answer_from_before_the_step_is() -> None:
    call, _ = run(CALLS[Phase.RINGING], ev.CustomerAnswered(after(5), later_step_s=HOUR))
    assert call.clock_step_s == HOUR


def test_an_answer_in_the_moment_the_agent_gave_up_counts_with_its_steps() -> None:
    call, _ = run(CALLS[Phase.RINGING], ev.DeadlinePassed(after(62), Deadline.RING), ev.CustomerAnswered(after(62.1)))
    call, _ = run(call, ev.ClockStepped(after(63 + HOUR), HOUR))
    assert call.clock_step_s == HOUR
