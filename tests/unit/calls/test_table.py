"""Every cell of the transition table: moves, ignored events, illegal events, deadlines."""

from __future__ import annotations

import pytest

from callcontrol.domain.calls import effects as do
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.events import Event
from callcontrol.domain.calls.state import Phase
from callcontrol.domain.calls.table import DEADLINES, IGNORED, ROWS, IllegalEvent, decide
from tests.unit.calls.samples import CALLS, EVENTS

CELLS = [(phase, event) for phase in Phase for event in EVENTS]


def _name(value: object) -> str:
    deadline = f"({value.deadline})" if isinstance(value, ev.DeadlinePassed) else ""
    return str(value) if isinstance(value, Phase) else type(value).__name__ + deadline


def _row_of(phase: Phase, event: Event) -> bool:
    deadline = event.deadline if isinstance(event, ev.DeadlinePassed) else None
    return any(row.phase is phase and row.event is type(event) and row.deadline is deadline for row in ROWS)


def test_samples_have_every_kind_of_event() -> None:
    bases = (Event, ev.LegGone)
    kinds = {kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert {type(event) for event in EVENTS} == kinds.difference(bases)
    assert set(CALLS) == set(Phase)


@pytest.mark.parametrize(("phase", "event"), CELLS, ids=_name)
def test_every_cell_moves_ignores_or_is_illegal(phase: Phase, event: Event) -> None:
    call = CALLS[phase]
    stale = isinstance(event, ev.DeadlinePassed) and event.deadline not in DEADLINES[phase]
    if _row_of(phase, event):
        moved, effects = decide(call, event)
        # Every phase that is entered sets a deadline of its own, so nothing waits for ever.
        set_now = {effect.deadline for effect in effects if isinstance(effect, do.SetDeadline)}
        assert set_now <= DEADLINES[moved.phase]
        if moved.phase is not phase and moved.phase is not Phase.ENDED:
            kept = DEADLINES[phase] & DEADLINES[moved.phase]
            assert set_now | kept
    elif stale or (phase, type(event)) in IGNORED:
        assert decide(call, event) == (call, ())
    else:
        with pytest.raises(IllegalEvent, match=type(event).__name__):
            decide(call, event)


def test_a_cell_is_either_a_row_or_ignored_never_both() -> None:
    assert not {(row.phase, row.event) for row in ROWS} & set(IGNORED)


def test_every_ignored_cell_says_why() -> None:
    assert all(why.strip() for why in IGNORED.values())


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_every_deadline_of_a_phase_has_a_row(phase: Phase) -> None:
    rows = {row.deadline for row in ROWS if row.phase is phase and row.event is ev.DeadlinePassed}
    assert rows == DEADLINES[phase] != set()


@pytest.mark.parametrize("event", EVENTS, ids=_name)
def test_after_the_end_nothing_moves_a_call(event: Event) -> None:
    """D7: a duplicate or late event has no effect on the bill."""
    ended = CALLS[Phase.ENDED]
    try:
        assert decide(ended, event) == (ended, ())
    except IllegalEvent:
        assert not isinstance(event, ev.LegGone | ev.CustomerAnswered | ev.CallClosed | ev.HoldExtended)
