"""D4: the agent is warned 60 s and 15 s before the end of the last held minute, once each, unless minutes come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.table import decide
from tests.unit.calls.samples import CALLS, after

TWO_MINUTES = replace(CALLS[Phase.TALKING], held_minutes=2)
"""Answered at 5, so held until 125."""
EXHAUSTED_AT_60 = ev.ExtensionFailed(after(60), exhausted=True)


def run(call: Call, *events: Event) -> tuple[Call, list[Effect]]:
    """The last event's effects."""
    effects: tuple[Effect, ...] = ()
    for event in events:
        call, effects = decide(call, event)
    return call, list(effects)


def tone(at: float) -> ev.DeadlinePassed:
    return ev.DeadlinePassed(after(at), Deadline.WARN)


def warns(effects: list[Effect]) -> bool:
    found = [effect for effect in effects if isinstance(effect, do.WarnAgent)]
    assert all(effect.channel == TWO_MINUTES.agent_channel for effect in found), "the agent only"
    return bool(found)


def next_tone(effects: list[Effect]) -> object:
    """When the next one is to sound; None: not any more."""
    [timer] = [
        effect
        for effect in effects
        if isinstance(effect, do.SetDeadline | do.CancelDeadline) and effect.deadline is Deadline.WARN
    ]
    return timer.at if isinstance(timer, do.SetDeadline) else None


def test_sixty_and_fifteen_seconds_before_the_end_once_each() -> None:
    call, effects = run(TWO_MINUTES, EXHAUSTED_AT_60)
    assert next_tone(effects) == after(65)
    call, effects = run(call, tone(65))
    assert warns(effects)
    assert next_tone(effects) == after(110)
    call, effects = run(call, ev.ExtensionFailed(after(70), exhausted=True))
    assert next_tone(effects) == after(110), "asking again for minutes sounds nothing again"
    call, effects = run(call, tone(110))
    assert warns(effects)
    assert next_tone(effects) is None
    _, effects = run(call, ev.ExtensionFailed(after(115), exhausted=True))
    assert next_tone(effects) is None


def test_with_one_minute_left_the_first_sounds_at_the_answer() -> None:
    call, _ = run(replace(CALLS[Phase.RINGING], last_minute=True), ev.CustomerAnswered(after(5)))
    call, effects = run(call, ev.ExtensionFailed(after(5.01), exhausted=True))
    assert next_tone(effects) == after(5)
    _, effects = run(call, tone(5.02))
    assert warns(effects)
    assert next_tone(effects) == after(50)


def test_d3_minutes_that_come_cancel_the_pending_tone_and_the_cut_until_they_run_out_again() -> None:
    call, effects = run(TWO_MINUTES, EXHAUSTED_AT_60, tone(65), ev.HoldExtended(after(80), 3, False))
    assert next_tone(effects) is None
    assert do.CancelDeadline(Deadline.CUT) in effects
    call, effects = run(call, ev.ExtensionFailed(after(120), exhausted=True))
    assert next_tone(effects) == after(125)
    call, effects = run(call, tone(125))
    assert warns(effects)
    assert next_tone(effects) == after(170)


def test_one_last_minute_bought_in_the_last_minute_has_warnings_of_its_own() -> None:
    """Held until 185 then, and the last again."""
    _, effects = run(TWO_MINUTES, EXHAUSTED_AT_60, tone(65), tone(110), ev.HoldExtended(after(112), 3, True))
    assert next_tone(effects) == after(125)
    assert do.SetDeadline(Deadline.CUT, after(185)) in effects


def test_of_two_that_are_due_one_sounds() -> None:
    """That nothing is left may become known late: the ledger was away."""
    call, effects = run(TWO_MINUTES, ev.ExtensionFailed(after(112), exhausted=True))
    assert next_tone(effects) == after(65)
    _, effects = run(call, tone(112))
    assert warns(effects)
    assert next_tone(effects) is None


@pytest.mark.parametrize(("back_at", "next_at"), [(40, 65), (80, 110), (112, None)])
def test_after_a_restart_only_those_still_to_come(back_at: float, next_at: float | None) -> None:
    restored = replace(TWO_MINUTES, last_minute=True)
    call, _ = run(restored, ev.CallAdopted(after(back_at)))
    _, effects = run(call, ev.HoldExtended(after(back_at), 2, True))
    assert next_tone(effects) == (None if next_at is None else after(next_at))


def test_d11_a_ledger_that_is_away_says_nothing_of_the_end() -> None:
    _, effects = run(TWO_MINUTES, ev.ExtensionFailed(after(60), exhausted=False))
    assert effects == [do.SetDeadline(Deadline.EXTEND, after(65))]


@pytest.mark.parametrize("phase", [Phase.ENDING, Phase.CLOSING])
def test_a_call_that_ends_warns_of_nothing(phase: Phase) -> None:
    assert decide(CALLS[phase], tone(65)) == (CALLS[phase], ())


def test_the_test_clock_shortens_the_minute_not_the_rule() -> None:
    short = replace(TWO_MINUTES, timing=replace(TWO_MINUTES.timing, minute_s=8, warnings_s=(8.0, 2.0)))
    call, effects = run(short, ev.ExtensionFailed(after(10), exhausted=True))
    assert next_tone(effects) == after(5 + 16 - 8)
    _, effects = run(call, tone(13))
    assert next_tone(effects) == after(5 + 16 - 2)
