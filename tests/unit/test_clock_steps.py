"""D10: what a step of the wall clock is, and which instants were read before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.clock_steps import ClockReading, ClockStep, step_between

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def stepped(size_s: float, watched_s: float = 1.0) -> ClockStep:
    """Read at noon, and so much later by the boot clock."""
    step = step_between(ClockReading(NOON, 100.0), ClockReading(at(watched_s + size_s), 100.0 + watched_s))
    assert step is not None
    return step


@pytest.mark.parametrize("size_s", [2.001, -2.001, 3600, -86_400])
def test_both_clocks_apart_by_more_than_two_seconds_is_a_step(size_s: float) -> None:
    assert stepped(size_s).size_s == size_s


@pytest.mark.parametrize("size_s", [0, 0.5, 2, -2, 1.999])
def test_less_is_drift(size_s: float) -> None:
    assert step_between(ClockReading(NOON, 5.0), ClockReading(at(1 + size_s), 6.0)) is None


@given(st.floats(0, 1e6), st.floats(0, 3600))
def test_how_long_we_were_away_is_no_evidence(boot_s: float, away_s: float) -> None:
    """Frozen, swapped out, asleep with the machine: both clocks went on together."""
    assert step_between(ClockReading(NOON, boot_s), ClockReading(at(away_s), boot_s + away_s)) is None


@given(
    st.floats(2.1, 86_400) | st.floats(-86_400, -2.1),
    st.floats(0, 1),
    st.floats(0, 7200),
    st.floats(0, 0.5),
)
def test_a_watched_step_parts_old_instants_from_new(
    size_s: float, set_after_s: float, ago_s: float, lag: float
) -> None:
    """Watched every second. What came after it is never taken for older, whatever we lag, nor what came before it for
    newer, as long as it is told at once."""
    step = stepped(size_s)
    new = at(set_after_s + step.size_s)
    later = new + timedelta(seconds=ago_s)
    assert not step.came_after(later, now=max(step.after.wall, later + timedelta(seconds=lag)))
    old = at(set_after_s) - timedelta(seconds=lag)
    assert step.came_after(old, now=step.after.wall)


@pytest.mark.parametrize(("size_s", "after"), [(30, False), (-30, True)])
def test_while_nobody_watched_in_doubt_for_whoever_pays(size_s: float, after: bool) -> None:
    """Away for a minute: 12:00:31 may have been shown by either clock. A forward step is taken out, and a backward one
    added, for an end that came after it."""
    step = stepped(size_s, watched_s=60)
    assert step.came_after(at(31 if size_s > 0 else 20), now=step.after.wall) is after


@pytest.mark.parametrize("size_s", [30, -30])
def test_where_only_one_clock_can_have_shown_it_there_is_no_doubt(size_s: float) -> None:
    step = stepped(size_s, watched_s=60)
    old, new = (at(10), at(80)) if size_s > 0 else (at(50), at(-10))
    assert step.came_after(old, now=step.after.wall)
    assert not step.came_after(new, now=step.after.wall)
