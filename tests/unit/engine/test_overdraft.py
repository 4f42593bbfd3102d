"""Policy `finish` through the whole daemon in virtual time (D4): the machine knows of held minutes only."""

from __future__ import annotations

from pathlib import Path

from callcontrol.domain.causes import Reason
from tests.support.books import COMPANY
from tests.support.carrier import answers_at_once
from tests.support.site import DIAL_STRING, NUMBER, Site, site


async def owed(s: Site) -> int:
    return (await s.books.minutes.usage(COMPANY, s.clock.now())).overdraft


async def test_d4_an_answered_call_finishes_on_the_overdraft_and_a_new_one_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        await s.books.policy(5, at=s.clock.now())
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=190)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(70)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(200)
        rows = await s.call_rows()
        assert sorted((row.reason, row.billed_minutes) for row in rows) == [
            (Reason.CUSTOMER_HUNG_UP, 4),
            (Reason.POOL_EXHAUSTED, 0),
        ]
        assert await owed(s) == 3
        await s.assert_clean()


async def test_d4_the_call_is_cut_at_the_end_of_the_overdraft(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        await s.books.policy(2, at=s.clock.now())
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=1000)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(400)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 3)
        assert row.billsec in (180, 181)
        assert await owed(s) == 2
        await s.books.addon(10, at=s.clock.now())
        assert await owed(s) == 0
        await s.assert_clean()


async def test_d4_a_limit_contracted_during_the_last_minute_saves_the_call(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=100)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(40)
        await s.books.policy(1, at=s.clock.now())
        await s.advance(80)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.CUSTOMER_HUNG_UP, 2)
        await s.assert_clean()


async def test_d5_a_restart_in_the_middle_of_the_overdraft_goes_on_from_the_hold(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        await s.books.policy(5, at=s.clock.now())
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=170)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(80)
        await s.die()
        await s.start()
        await s.advance(200)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.CUSTOMER_HUNG_UP, 3)
        entries = await s.books.minutes.entries(COMPANY)
        assert [entry.minutes for entry in entries if entry.kind == "overdraft"] == [2]
        assert [entry.kind for entry in entries if entry.kind == "grace"] == []
        await s.assert_clean()
