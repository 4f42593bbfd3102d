"""The wall clock is set while a daemon carries calls, or while it is dead: what is billed is what was talked (D10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.clock_watch import ClockWatch
from callcontrol.engine.heartbeat import keep_marking
from callcontrol.engine.ports.minutes import CallRow
from tests.support.carrier import answers, answers_at_once
from tests.support.clock import VirtualClock
from tests.support.site import DIAL_STRING, NUMBER, Site, site
from tests.support.waiting import until

HOUR = 3600.0
STEPS = pytest.mark.parametrize("step_s", [300.0, -HOUR, 10.0, -10.0, 2.5, -2.5])
"""Asterisk itself ends a call whose limit, by the wall clock, a step forwards passes: that is another test."""


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def die_without_a_mark(s: Site) -> None:
    """As `die`, and the last sign of life is the one before."""
    s.pbx.lose_connection()
    await s.engine.close()
    await s._open.__aexit__(None, None, None)  # type: ignore[attr-defined]


async def marked(s: Site) -> None:
    await s.books.ledger.mark_alive("main", s.engine.mark())


async def the_row(s: Site) -> CallRow:
    [row] = await s.call_rows()
    return row


@STEPS
async def test_while_talking(s: Site, step_s: float) -> None:
    """Shown as recorded, billed as talked, and flagged."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(50)
    s.set_clock(step_s)
    await s.advance(60)
    row = await the_row(s)
    assert (row.disposition, row.billsec, row.billed_minutes, row.clock_step_s) == (
        Disposition.ANSWERED,
        97,
        2,
        step_s,
    )
    assert row.answered_at is not None
    assert row.ended_at is not None
    assert (row.ended_at - row.answered_at).total_seconds() == pytest.approx(97 + step_s, abs=0.5)
    assert s.notes.clock_steps == [step_s]
    await s.assert_clean()


async def test_several_steps_add_up(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    for step_s in (300.0, -7200.0, 5.0):
        await s.advance(10)
        s.set_clock(step_s)
    await s.advance(100)
    row = await the_row(s)
    assert (row.billsec, row.billed_minutes, row.clock_step_s) == (97, 2, 300 - 7200 + 5)
    await s.assert_clean()


@STEPS
async def test_before_the_answer_touches_nothing(s: Site, step_s: float) -> None:
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=20, talks_s=65)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    s.set_clock(step_s)
    await s.advance(100)
    row = await the_row(s)
    assert (row.billsec, row.billed_minutes, row.clock_step_s) == (65, 2, 0)
    await s.assert_clean()


async def test_a_call_answered_after_the_step_is_not_touched(s: Site) -> None:
    s.set_clock(-HOUR)
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=65)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(100)
    row = await the_row(s)
    assert (row.billsec, row.clock_step_s) == (65, 0)
    await s.assert_clean()


@pytest.mark.parametrize("drift_s", [2.0, -2.0, 1.5])
async def test_slow_drift_is_no_step(s: Site, drift_s: float) -> None:
    """Up to two seconds in a second: what the clock shows is what counts."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=40)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    for _ in range(10):
        s.clock.step(drift_s)
        s.engine.watch.look()
        await s.advance(1)
    await s.advance(60)
    row = await the_row(s)
    assert (row.billsec, row.clock_step_s) == (max(0, 40 + int(drift_s * 10)), 0)
    assert row.billed_minutes == 1
    await s.assert_clean()


@pytest.mark.parametrize("step_s", [50.0, -HOUR, 10.0, -10.0, 2.5, -2.5])
async def test_the_cut_is_on_time_and_billed_as_held(tmp_path: Path, step_s: float) -> None:
    """D4: two minutes are two minutes, and the tones are where they should be."""
    async with site(tmp_path, plan=2) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(30)
        s.set_clock(step_s)
        await s.advance(75)
        assert len(s.pbx.asked("play")) == 1
        await s.advance(5)
        assert len(s.pbx.asked("play")) == 2
        await s.advance(20)
        row = await the_row(s)
        assert (row.reason, row.billsec, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 120, 2)
        await s.assert_clean()


@pytest.mark.parametrize(("plan", "step_s"), [(2, 300.0), (100, HOUR)])
async def test_a_step_past_asterisks_own_limit_ends_the_call_and_it_pays_what_was_talked(
    tmp_path: Path, plan: int, step_s: float
) -> None:
    """As measured: Asterisk's limits go by the wall clock, and nobody is asked first."""
    async with site(tmp_path, plan=plan) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(30)
        s.set_clock(step_s)
        await s.advance(5)
        row = await the_row(s)
        assert (row.disposition, row.billed_minutes, row.clock_step_s) == (Disposition.ANSWERED, 1, step_s)
        assert row.billsec in (29, 30)
        await s.assert_clean()


@STEPS
@pytest.mark.parametrize("noted", [True, False])
async def test_a_crash_right_after_the_step(s: Site, step_s: float, noted: bool) -> None:
    """Stored or not before the crash, it counts once."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(50)
    await marked(s)
    s.set_clock(step_s)
    if noted:
        await marked(s)
    await die_without_a_mark(s)
    await s.clock.advance(1)
    await s.start()
    await s.advance(60)
    row = await the_row(s)
    assert (row.billsec, row.billed_minutes, row.clock_step_s) == (97, 2, step_s)
    assert not row.estimated
    await s.assert_clean()


async def test_the_mark_and_the_steps_are_stored_at_once_without_waiting_for_the_next(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    marking = asyncio.create_task(keep_marking(s.engine, interval_s=3600))
    try:
        await until(lambda: s.books.ledger.last_mark("main"), "a mark")
        s.clock.step(-HOUR)
        s.engine.watch.look()

        async def stored() -> float:
            [call] = await s.books.ledger.open_calls("main")
            return call.clock_step_s

        assert await until(stored, "the stored step") == -HOUR
    finally:
        marking.cancel()
    mark = await s.books.ledger.last_mark("main")
    assert mark is not None
    assert mark.clock_offset_s == pytest.approx(s.engine.watch.offset_s)


async def test_a_process_that_lives_shortly_has_left_its_clock_behind(s: Site) -> None:
    """Set back before it and forwards after it, together nothing: its call knows of one of the two."""
    await s.die()
    s.clock.step(-HOUR)
    await s.start()
    marking = asyncio.create_task(keep_marking(s.engine, interval_s=3600))

    async def marked_anew() -> bool:
        mark = await s.books.ledger.last_mark("main")
        return mark is not None and mark.clock_offset_s == pytest.approx(s.engine.watch.offset_s)

    await until(marked_anew, "a mark with the clock of this process")
    marking.cancel()
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    await die_without_a_mark(s)
    s.clock.step(300)
    await s.start()
    await s.advance(80)
    row = await the_row(s)
    assert (row.billsec, row.clock_step_s) == (97, 300)
    await s.assert_clean()


@STEPS
async def test_while_the_daemon_is_dead_and_the_call_lives(s: Site, step_s: float) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    await s.die()
    await s.clock.advance(10)
    s.clock.step(step_s)
    await s.clock.advance(10)
    await s.start()
    assert s.engine.calls[0].clock_step_s == step_s
    await s.advance(80)
    row = await the_row(s)
    assert (row.billsec, row.billed_minutes, row.clock_step_s) == (97, 2, step_s)
    await s.assert_clean()


@pytest.mark.parametrize("step_s", [-HOUR, 300.0, -300.0])
@pytest.mark.parametrize("ended", ["before", "after"])
async def test_while_the_daemon_is_dead_and_the_call_ends(s: Site, step_s: float, ended: str) -> None:
    """Settled from Asterisk's record: before the step nothing is taken out, after it all of it."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    await s.die()
    await s.clock.advance(10)
    if ended == "before":
        s.pbx.phone_hangs_up(agent)
    await s.clock.advance(10)
    s.clock.step(step_s)
    await s.clock.advance(10)
    if ended == "after":
        s.pbx.phone_hangs_up(agent)
    await s.clock.advance(10)
    await s.start()
    await s.advance(2)
    row = await the_row(s)
    assert row.billsec == pytest.approx(40 if ended == "before" else 60, abs=1)
    assert row.clock_step_s == (0 if ended == "before" else step_s)
    assert row.billed_minutes == 1
    await s.assert_clean()


async def test_a_call_answered_and_ended_while_the_daemon_is_dead_around_the_step(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=20, talks_s=65)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    await s.die()
    await s.clock.advance(40)
    s.clock.step(-HOUR)
    await s.clock.advance(100)
    await s.start()
    await s.advance(2)
    row = await the_row(s)
    assert (row.billsec, row.billed_minutes, row.clock_step_s) == (65, 2, -HOUR)
    await s.assert_clean()


async def test_the_machine_was_started_anew(s: Site) -> None:
    """Another boot's clock proves nothing; Asterisk is another one too, so the end is when it was last seen."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(70)
    s.pbx.recording = False
    s.pbx.records.clear()
    await s.die()
    s.pbx.restart()
    s.clock.step(HOUR)
    s.clock.boot_id = "another"
    await s.start()
    await s.advance(1)
    row = await the_row(s)
    assert row.estimated
    assert (row.billsec, row.clock_step_s) == (69, 0)
    await s.assert_clean()


async def test_an_end_without_a_record_was_seen_before_the_step(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(70)
    s.pbx.recording = False
    s.pbx.records.clear()
    await s.die()
    s.pbx.restart()
    s.clock.step(-30)
    await s.clock.advance(60)
    await s.start()
    await s.advance(1)
    row = await the_row(s)
    assert row.estimated
    assert (row.billsec, row.clock_step_s) == (69, 0)
    await s.assert_clean()


SIZES = st.sampled_from([250.0, 40.0, 3.0, 0.0, -3.0, -40.0, -5000.0])


@given(
    talks_s=st.integers(0, 150),
    first=st.tuples(st.floats(1, 60), SIZES),
    dies_after_s=st.floats(1, 60),
    away_s=st.floats(1, 60),
    dead=SIZES,
    last=st.tuples(st.floats(1, 30), SIZES),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_however_the_clock_is_set_what_was_talked_is_billed(
    tmp_path_factory: pytest.TempPathFactory,
    talks_s: int,
    first: tuple[float, float],
    dies_after_s: float,
    away_s: float,
    dead: float,
    last: tuple[float, float],
) -> None:
    """Under a living daemon, while it is dead, and after it came back. Only an end that came while nobody watched, and
    that either clock may have shown, may be billed less; nothing ever more."""
    async with site(tmp_path_factory.mktemp("site")) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=talks_s)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(first[0])
        s.set_clock(first[1])
        await s.advance(dies_after_s)
        talked_until_dead = bool(s.engine.calls)
        await s.die()
        await s.clock.advance(away_s / 2)
        s.clock.step(dead)
        await s.clock.advance(away_s / 2)
        ended_while_dead = talked_until_dead and len(s.pbx.channels) < 2
        await s.start()
        await s.advance(last[0])
        s.set_clock(last[1])
        await s.advance(200)
        row = await the_row(s)
        assert row.billsec <= talks_s
        if not (ended_while_dead and abs(dead) <= away_s + 2):
            assert row.billsec == talks_s
        assert row.billed_minutes == max(1, -(-row.billsec // 60))
        await s.assert_clean()


class HeldUp(VirtualClock):
    """Something takes our processor between two readings."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def now(self):  # type: ignore[no-untyped-def]
        wall = super().now()
        if self.times:
            self.times -= 1
            self._passed += type(self._passed)(seconds=30)
        return wall


@pytest.mark.parametrize("times", [1, 2, 3, 50])
def test_a_slow_reading_is_made_again_and_never_evidence(times: int) -> None:
    clock = HeldUp(0)
    told: list[float] = []
    watch = ClockWatch(clock, lambda step: told.append(step.size_s))
    clock.times = times
    watch.look()
    watch.look()
    clock.times = 0
    watch.look()
    assert told == []
    clock.step(5)
    watch.look()
    assert told == [5]
