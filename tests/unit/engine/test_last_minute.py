"""The end of the last held minute in a whole daemon: tones to the agent, extensions, the cut (D3, D4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcontrol.domain.causes import Reason
from callcontrol.engine.ports.pbx import Outcome
from tests.support.carrier import answers_at_once
from tests.support.site import DIAL_STRING, NUMBER, Site, site

WARNING = "sound:callcontrol/minute-warning"


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    """Two minutes."""
    async with site(tmp_path, plan=2) as running:
        running.pbx.carrier[DIAL_STRING] = answers_at_once()
        yield running


def tones(s: Site) -> list[float]:
    """When a warning began, in seconds from the answer, and that only the agent got it."""
    [call] = s.engine.calls or [call for call, _ in s.notes.closed]
    assert call.answered_at is not None
    played = [request for request in s.pbx.asked("play") if WARNING in request.arguments]
    assert {request.target for request in played} <= {call.agent_channel}
    return [round((request.at - call.answered_at).total_seconds()) for request in played]


async def test_two_tones_and_the_cut(s: Site) -> None:
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(150)
    assert tones(s) == [60, 105]
    [row] = await s.call_rows()
    assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 2)
    await s.assert_clean()


async def test_with_exactly_one_minute_the_first_comes_with_the_answer(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        agent = s.pbx.agent_dials("1001", NUMBER)
        await s.advance(100)
        assert tones(s) == [0, 45]
        assert "early media" not in s.pbx.ended[agent].heard, "the phone is answered before it is played to"
        await s.assert_clean()


async def test_d3_an_addon_in_the_last_minute_cancels_the_second_tone_and_the_cut(s: Site) -> None:
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(90)
    await s.books.addon(1, at=s.clock.now())
    await s.advance(60)
    assert tones(s) == [60, 120]
    await s.advance(60)
    assert tones(s) == [60, 120, 165]
    [row] = await s.call_rows()
    assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 3)
    await s.assert_clean()


@pytest.mark.parametrize(("dies_at", "away_s", "heard"), [(30, 5, [60, 105]), (70, 5, [60, 105]), (90, 20, [60])])
async def test_a_daemon_that_came_back_sounds_those_still_to_come(
    s: Site, dies_at: float, away_s: float, heard: list[int]
) -> None:
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(dies_at)
    await s.die()
    await s.clock.advance(away_s)
    await s.start()
    await s.advance(130 - dies_at - away_s)
    assert tones(s) == heard
    [row] = await s.call_rows()
    assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 2)
    await s.assert_clean()


async def test_no_tone_delays_the_cut_or_the_hang_up(s: Site) -> None:
    """Asterisk does not answer the request for the tone until long after the end."""
    s.pbx.delay_answers("play", 300)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(121)
    [row] = await s.call_rows()
    assert (row.reason, row.billsec) == (Reason.POOL_EXHAUSTED, 120)
    await s.advance(400)
    await s.assert_clean()


async def test_a_tone_that_cannot_be_played_changes_nothing(s: Site) -> None:
    s.pbx.fail_next("play", Outcome.INVALID)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(130)
    assert len(tones(s)) == 2
    [row] = await s.call_rows()
    assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 2)
    await s.assert_clean()
