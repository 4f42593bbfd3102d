"""Whatever the world tells a call, and in whatever order: it ends once, and what it bills is bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.events import Event
from callcontrol.domain.calls.state import Call, LegState, Phase
from callcontrol.domain.calls.table import IllegalEvent, decide
from callcontrol.domain.causes import Disposition
from tests.unit.calls.samples import EVENTS, NEW, T0


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Any events, any order, repeated, at times that never go back."""
    at, told = T0, []
    for event in draw(st.lists(st.sampled_from(EVENTS), max_size=40)):
        at += timedelta(seconds=draw(st.integers(0, 90)))
        told.append(replace(event, at=at))
    return told


def end(call: Call) -> tuple[Call, list[do.Effect]]:
    """Both legs go, the announcement ends, the ledger confirms."""
    done: list[do.Effect] = []
    for kind in (ev.AgentLegGone, ev.CustomerLegGone):
        call, effects = decide(call, kind(T0 + timedelta(days=1)))
        done += effects
    return call, done


@given(stories())
@settings(max_examples=400, deadline=None)
def test_any_story_ends_with_one_settlement(story: list[Event]) -> None:
    call, effects = NEW, []
    for event in story:
        before = call
        try:
            call, more = decide(call, event)
        except IllegalEvent:
            assert call is before
            continue
        effects += more
        if before.answered_at is not None:
            assert call.answered_at == before.answered_at, "the start of the bill never moves (D7)"
        if before.phase is Phase.ENDED:
            assert call == before
    if call.phase is Phase.AUTHORISING or call.customer is LegState.ABSENT:
        call, more = decide(call, ev.AgentLegGone(T0 + timedelta(days=1)))
    else:
        call, more = end(call)
    effects += more
    assert call.phase in (Phase.CLOSING, Phase.ENDED)
    assert any(isinstance(effect, do.CloseCall) for effect in effects)
    assert call.agent is not LegState.PRESENT
    assert call.disposition is not None
    assert call.ended_at is not None
    assert (call.disposition is Disposition.ANSWERED) == (call.answered_at is not None)
    if call.answered_at is not None:
        assert call.ended_at >= call.answered_at
