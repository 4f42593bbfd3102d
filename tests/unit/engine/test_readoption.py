"""A daemon that comes back to a call which was still being dialled: the phone rings for its time, and rings at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcontrol.domain.causes import Disposition, Reason
from tests.support.carrier import answers, answers_at_once, rings_for_ever
from tests.support.site import DIAL_STRING, NUMBER, Site, site


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@pytest.mark.parametrize("away_s", [10, 48, 58, 90])
async def test_a_phone_that_is_never_answered_rings_for_its_time_and_no_longer(s: Site, away_s: float) -> None:
    """Asterisk's own timeout is cause 19 and 480, as from a carrier whose subscriber is away: ours comes first."""
    s.pbx.carrier[DIAL_STRING] = rings_for_ever()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    await s.die()
    await s.clock.advance(away_s)
    await s.start()
    await s.advance(70)
    [row] = await s.call_rows()
    assert (row.disposition, row.reason) == (Disposition.NO_ANSWER, Reason.NO_ANSWER)
    assert row.ended_at is not None
    assert (row.ended_at - row.started_at).total_seconds() < max(66, away_s + 6)
    await s.assert_clean()


async def test_killed_after_the_customers_leg_was_made_and_before_it_was_dialled(s: Site) -> None:
    """The leg is there and nobody rings: it is dialled now, not waited for."""
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=3, talks_s=65)
    s.pbx.delay_answers("create_channel", 4)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(1)
    assert [channel.dialled for channel in s.pbx.channels.values() if channel.outbound] == [False]
    await s.die()
    await s.start()
    await s.advance(100)
    [row] = await s.call_rows()
    assert (row.disposition, row.billsec, row.billed_minutes) == (Disposition.ANSWERED, 65, 2)
    await s.assert_clean()


async def test_a_daemon_that_dies_again_and_again_does_not_hold_more_each_time(s: Site) -> None:
    """The company's minutes are not used up by our own crashes, nor does the bound of D5 move away with each."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=100)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    held, limit_at = await s.books.ledger.held_total(), s.pbx.channels[agent].limit_at
    for _ in range(5):
        await s.die()
        await s.start()
        await s.advance(1)
    assert await s.books.ledger.held_total() == held
    now_at = s.pbx.channels[agent].limit_at
    assert limit_at is not None
    assert now_at is not None
    assert abs((now_at - limit_at).total_seconds()) <= 1
    await s.advance(150)
    await s.assert_clean()


async def test_d4_a_call_taken_up_again_still_gets_the_last_minute_there_is(tmp_path: Path) -> None:
    """In its third minute, of which two are held and one is left: it ends after three, not at once."""
    async with site(tmp_path, plan=3) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(50)
        await s.die()
        await s.clock.advance(75)
        await s.start()
        await s.advance(100)
        [row] = await s.call_rows()
        assert (row.reason, row.billsec, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 180, 3)
        await s.assert_clean()


@pytest.mark.parametrize("plan", [1, 3])
async def test_d4_asterisk_ends_the_last_minute_of_a_call_nobody_watches(tmp_path: Path, plan: int) -> None:
    """Its limit has no grace then, and looks like a normal hang-up: the reason is known from the hold."""
    async with site(tmp_path, plan=plan) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(plan * 60 - 10)
        await s.die()
        await s.clock.advance(120)
        assert not s.pbx.channels
        await s.start()
        await s.advance(2)
        [row] = await s.call_rows()
        assert (row.reason, row.billsec, row.billed_minutes) == (Reason.POOL_EXHAUSTED, plan * 60, plan)
        await s.assert_clean()
