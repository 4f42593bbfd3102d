"""The daemon dies and comes back: what lives goes on, what ended is settled to the second (D5, D6, D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcontrol.domain.causes import Disposition, Reason
from tests.support.books import COMPANY
from tests.support.carrier import Step, answers, answers_at_once, rings_for_ever
from tests.support.site import DIAL_STRING, NUMBER, Site, site


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def posted(s: Site) -> int:
    return (await s.books.minutes.usage(COMPANY, s.clock.now())).monthly_posted


async def test_killed_while_ringing_the_call_goes_on(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=20, talks_s=65)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    await s.die()
    await s.clock.advance(3)
    await s.start()
    assert s.notes.sources == ["adopted"]
    await s.advance(100)
    [row] = await s.call_rows()
    assert (row.disposition, row.billsec, row.billed_minutes) == (Disposition.ANSWERED, 65, 2)
    await s.assert_clean()


async def test_killed_while_ringing_and_answered_meanwhile(s: Site) -> None:
    """The answer is taken from Asterisk's record, not from when we came back (R6)."""
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=10, talks_s=90)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    await s.die()
    await s.clock.advance(40)
    await s.start()
    assert s.pbx.channels[agent].up, "the agent's phone is answered as soon as we know"
    await s.advance(80)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (90, 2)
    await s.assert_clean()


async def test_killed_between_answer_and_the_first_extension(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=130)
    s.pbx.agent_dials("1001", NUMBER)
    await s.clock.advance(0.05)
    while not any(channel.up for channel in s.pbx.channels.values()):
        await s.advance(0.05)
    await s.die()
    await s.clock.advance(1)
    await s.start()
    await s.advance(150)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (130, 3)
    await s.assert_clean()


async def test_killed_while_talking_the_call_is_adopted_and_billed_once(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=600)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(100)
    for _ in range(3):
        await s.die()
        await s.clock.advance(20)
        await s.start()
        await s.advance(10)
    await s.advance(600)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (600, 10)
    assert await posted(s) == 10
    await s.assert_clean()


async def test_d6_the_call_ends_without_us_and_is_settled_from_the_record(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    await s.die()
    await s.clock.advance(200)
    assert agent in s.pbx.channels, "one party leaving does not end a bridge"
    await s.start()
    await s.advance(2)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes, row.estimated) == (97, 2, False)
    await s.assert_clean()


async def test_d6_both_parties_left_without_us(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    await s.die()
    await s.clock.advance(80)
    s.pbx.phone_hangs_up(agent)
    await s.clock.advance(80)
    await s.start()
    await s.advance(1)
    assert s.notes.sources == ["cel"]
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (97, 2)
    assert row.reason is Reason.CUSTOMER_HUNG_UP
    await s.assert_clean()


async def test_d6_without_a_record_the_end_is_when_it_was_last_seen(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(70)
    s.pbx.recording = False
    s.pbx.records.clear()
    await s.die()
    s.pbx.restart()
    await s.clock.advance(30)
    await s.start()
    await s.advance(1)
    [row] = await s.call_rows()
    assert row.estimated
    assert row.reason is Reason.PBX_RESTARTED
    assert 68 <= row.billsec <= 70
    await s.assert_clean()


async def test_a_call_that_never_answered_is_voided(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = rings_for_ever()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    await s.die()
    s.pbx.phone_hangs_up(agent)
    await s.clock.advance(100)
    await s.start()
    await s.advance(1)
    assert s.notes.sources == ["voided"]
    [row] = await s.call_rows()
    assert (row.disposition, row.billed_minutes) == (Disposition.CANCELLED, 0)
    assert await posted(s) == 0
    await s.assert_clean()


async def test_d5_asterisk_ends_a_call_whose_daemon_never_comes_back(s: Site) -> None:
    """The hold, then the grace; and what was talked beyond the hold is billed all the same."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    held = s.engine.calls[0].held_minutes
    await s.die()
    await s.clock.advance(held * 60 + 700)
    assert not s.pbx.channels
    await s.start()
    await s.advance(1)
    [row] = await s.call_rows()
    assert abs(row.billsec - (held * 60 + 600)) <= 1
    assert row.billed_minutes == -(-row.billsec // 60)
    assert row.reason is Reason.PBX_LIMIT
    await s.assert_clean()


async def test_d5_minutes_beyond_everything_are_an_overdraft_never_dropped(tmp_path: Path) -> None:
    async with site(tmp_path, plan=8) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(10)
        await s.die()
        await s.clock.advance(2000)
        await s.start()
        await s.advance(1)
        [row] = await s.call_rows()
        usage = await s.books.minutes.usage(COMPANY, s.clock.now())
        assert row.billed_minutes == usage.monthly_posted + usage.overdraft
        assert usage.overdraft > 0
        await s.assert_clean()


async def test_leftovers_of_ours_are_removed(s: Site) -> None:
    await s.pbx.create_bridge("cc-00000000000000000000000000000bad-bridge")
    await s.pbx.create_channel(
        "cc-00000000000000000000000000000bad-customer", DIAL_STRING, app_args=("leg",), originator=None
    )
    await s.quiet()
    await s.die()
    await s.start()
    assert sorted(set(s.notes.reaped)) == ["bridge", "channel"]
    await s.assert_clean()


async def test_calls_of_a_daemon_with_another_application_are_left_alone(s: Site) -> None:
    customer, bridge = "cc-0000000000000000000000000000beef-customer", "cc-0000000000000000000000000000beef-bridge"
    await s.die()
    await s.pbx.create_bridge(bridge)
    await s.pbx.create_channel(customer, DIAL_STRING, app_args=("leg",), originator=None)
    await s.pbx.add_to_bridge(bridge, (customer,))
    s.pbx.channels[customer].in_app = False
    s.pbx.channels[customer].in_other_app = True
    await s.start()
    assert s.notes.reaped == []
    assert (customer in s.pbx.channels, bridge in s.pbx.bridges) == (True, True)


async def test_d16_an_emergency_call_that_was_never_stored_is_adopted_not_reaped(s: Site) -> None:
    s.pbx.default_script = answers_at_once()
    await s.books.database.writer.close()  # the ledger is away
    agent = s.pbx.agent_dials("1001", "190")
    await s.advance(5)
    assert s.pbx.channels[agent].up
    await s.die()
    await s.start()
    await s.advance(30)
    assert s.pbx.channels[agent].up
    s.pbx.phone_hangs_up(agent)
    await s.advance(2)
    [row] = await s.call_rows()
    assert (row.disposition, row.billed_minutes) == (Disposition.ANSWERED, 0)
    await s.assert_clean()


async def test_reconnecting_without_a_restart_feeds_what_was_missed(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=5)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(2)
    s.pbx.lose_connection()
    await s.advance(10)
    customer = s.pbx.customer_of(agent)
    assert customer is not None
    await s.pbx.connect(s.engine)
    await s.advance(1)
    assert s.pbx.channels[agent].up
    s.pbx.lose_connection()
    s.pbx.carrier_does(customer, Step.HANG_UP)
    await s.advance(5)
    await s.pbx.connect(s.engine)
    await s.advance(2)
    [row] = await s.call_rows()
    assert row.disposition is Disposition.ANSWERED
    assert row.billsec == 7, "answered 5.1 s after dialling, gone after 13 s"
    await s.assert_clean()


async def test_a_lost_connection_neither_ends_a_talk_nor_loses_its_bill(s: Site) -> None:
    """Answered while nobody saw it, and the ring timeout passes: no answer was seen, but there was one."""
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=5, talks_s=150)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(2)
    s.pbx.lose_connection()
    await s.advance(100)
    assert len(s.pbx.channels) == 2, "the ring timeout must not end what may be a talk"
    await s.pbx.connect(s.engine)
    await s.advance(1)
    assert s.pbx.channels[agent].up
    await s.advance(100)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (150, 3)
    await s.assert_clean()


async def test_an_answer_nobody_saw_is_found_when_the_leg_turns_out_to_be_gone(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=5, talks_s=10)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(2)
    await s.engine.drain(1.0)
    tell, s.engine.on_event = s.engine.on_event, lambda event: None  # type: ignore[method-assign]
    await s.advance(30)
    s.engine.on_event = tell  # type: ignore[method-assign]
    await s.advance(100)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (10, 1)
    await s.assert_clean()


@given(
    crash_at=st.floats(0, 80),
    away_s=st.floats(0.1, 120),
    answer_after_s=st.integers(0, 15),
    talks_s=st.integers(0, 100),
    agent_leaves_at=st.none() | st.floats(0.1, 120),
    drops_connection_only=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whenever_it_dies_the_bill_is_what_asterisk_saw(
    tmp_path_factory: pytest.TempPathFactory,
    crash_at: float,
    away_s: float,
    answer_after_s: int,
    talks_s: int,
    agent_leaves_at: float | None,
    drops_connection_only: bool,
) -> None:
    async with site(tmp_path_factory.mktemp("site")) as s:
        s.pbx.carrier[DIAL_STRING] = answers(answer_after_s=answer_after_s, talks_s=talks_s)
        agent = s.pbx.agent_dials("1001", NUMBER)
        if agent_leaves_at is not None:
            leave = lambda: s.pbx.phone_hangs_up(agent) if agent in s.pbx.channels else None  # noqa: E731
            s.clock.call_in(agent_leaves_at, leave)
        await s.advance(crash_at)
        if drops_connection_only:
            s.pbx.lose_connection()
            await s.advance(away_s)
            await s.pbx.connect(s.engine)
        else:
            await s.die()
            await s.clock.advance(away_s)
            await s.start()
        await s.advance(260)
        rows = await s.call_rows()
        assert len(rows) <= 1
        record = next((r for name, r in s.pbx.records.items() if name.endswith("customer")), None)
        if record is not None and record.answered_at is not None:
            ends = [r.ended_at for r in (record, s.pbx.records[agent]) if r.ended_at is not None]
            seconds = max(0, (min(ends) - record.answered_at) // timedelta(seconds=1))
            [row] = rows
            assert abs(row.billsec - seconds) <= 1
            assert row.billed_minutes == max(1, -(-row.billsec // 60))
            assert await posted(s) == row.billed_minutes
        else:
            assert all(row.billed_minutes == 0 for row in rows)
        await s.assert_clean()
