"""Defects seen in other billing engines: each test is named after one, and holds because it is not there.

What a kill in the middle of a load leaves behind is in test_crash.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from callcontrol.database import DatabaseInUse, DatabaseLock
from callcontrol.domain.causes import Reason
from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import Hold
from callcontrol.engine.ports.minutes import Order
from callcontrol.engine.ports.pbx import Outcome
from callcontrol.ledger import accounts
from tests.support.books import COMPANY, NODE, Books, closing, open_books, opening
from tests.support.carrier import answers_at_once, rings_for_ever
from tests.support.databases import sqlite_url
from tests.support.site import DIAL_STRING, NUMBER, Site, site

IN_MARCH = datetime(2027, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def test_used_seconds_are_read_and_then_written(books: Books) -> None:
    """Two calls that end together lose an update."""
    await books.plan(100)
    names = [f"call-{number}" for number in range(40)]
    await asyncio.gather(*(books.dial(name) for name in names))
    await asyncio.gather(*(books.hang_up(name, 0, 61) for name in names))
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.held) == (80, 0)


async def test_a_whole_call_is_free_while_one_second_of_the_pool_is_left(books: Books) -> None:
    """It is let through on the last of the credit and pays only that (D5)."""
    await books.plan(1)
    await books.dial("a")
    assert (await books.hang_up("a", 0, 600)).billed_minutes == 10


async def test_a_repeated_cdr_is_charged_twice(books: Books) -> None:
    """No unique key on CDRs. The first close counts, whatever a later one measured (D7)."""
    await books.plan(100)
    await books.dial("a")
    first = await books.hang_up("a", 0, 61)
    again = await asyncio.gather(*(books.hang_up("a", 0, 61 + extra) for extra in (0, 60, 600)))
    assert again == [first, first, first]
    assert (await books.minutes.usage(COMPANY, books.start)).monthly_posted == 2


async def test_charge_and_cdr_are_in_separate_commits(books: Books) -> None:
    """Whatever fails on the way, there is both or neither, and a retry finds it undone."""
    await books.plan(100)
    await books.dial("a")
    await books.dial("b")
    await books.hang_up("b", None, 1)

    async def run(statement: str) -> None:
        def execute(connection: Connection) -> None:
            connection.execute(text(statement))

        await books.database.writer.submit(execute)

    await run("CREATE UNIQUE INDEX no_cdr ON calls ((CASE WHEN disposition IS NULL THEN call_id ELSE 'same' END))")
    with pytest.raises(IntegrityError, match="no_cdr"):
        await books.hang_up("a", 0, 61)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.held) == (0, 1)
    assert [call.opening.call_id for call in await books.ledger.open_calls(NODE)] == ["a"]
    await run("DROP INDEX no_cdr")
    assert (await books.hang_up("a", 0, 61)).billed_minutes == 2


async def test_reservations_are_leaked_by_a_crash(s: Site) -> None:
    """Its calls end while nobody is there; the next daemon gives their minutes free."""
    s.pbx.carrier[DIAL_STRING] = rings_for_ever()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    assert await s.books.ledger.held_total() == 1
    await s.die()
    s.pbx.phone_hangs_up(agent)
    await s.clock.advance(300)
    await s.start()
    await s.advance(5)
    assert await s.books.ledger.held_total() == 0
    await s.assert_clean()


async def test_thirty_calls_pass_on_the_credit_of_one(books: Books) -> None:
    """Calls that start together each see the same credit. Exactly one is dialled (D1)."""
    await books.plan(1)
    holds = await asyncio.gather(*(books.dial(f"call-{number}") for number in range(30)))
    assert [hold for hold in holds if hold] == [Hold(1, last=True)]


async def test_a_month_has_2629743_seconds_in_utc(books_url: str) -> None:
    """The last hours of a 31-day month belong to it."""
    async with open_books(books_url, start=datetime(2027, 1, 1, 2, 59, 59, tzinfo=UTC)) as books:
        await books.minutes.set_plan(Order(COMPANY, 5, "plan-1", books.start))
        await books.dial("a")
        await books.hang_up("a", 0, 0)
        (entry,) = await books.minutes.entries(COMPANY, call_id="a")
        assert str(entry.grant_period) == "2026-12"
        assert await books.findings() == []


async def test_renewal_is_skipped_when_the_process_is_down_at_midnight_of_day_1(books: Books) -> None:
    """A timer renews. Here idle months are filled in at the next access, each with its own plan (R3)."""
    await books.plan(100)
    await books.plan(50, "down")
    await books.dial("a", (IN_MARCH - books.start).total_seconds())
    pools = [
        (str(entry.grant_period), entry.minutes)
        for entry in await books.minutes.entries(COMPANY)
        if entry.grant_kind == "monthly"
    ]
    assert pools == [("2026-11", 100), ("2026-12", 50), ("2027-01", 50), ("2027-02", 50), ("2027-03", 50)]


async def test_a_lock_is_released_by_a_timeout_while_its_holder_still_works(tmp_path: Path) -> None:
    """The database's own has no age."""
    async with open_books(tmp_path):
        os.utime(DatabaseLock(sqlite_url(tmp_path)).path, (0, 0))
        with pytest.raises(DatabaseInUse):
            DatabaseLock(sqlite_url(tmp_path)).acquire()


async def test_a_companys_lock_is_released_by_a_timeout_while_its_holder_still_works(books: Books) -> None:
    """Nor has that of a company."""
    await books.plan(1)
    working, finish = threading.Event(), threading.Event()

    def work_long(connection: Connection) -> None:
        account = accounts.lock(connection, COMPANY)
        working.set()
        assert finish.wait(30)
        accounts.save(connection, account)

    holder = asyncio.create_task(books.database.writer.submit(work_long))
    assert await asyncio.to_thread(working.wait, 30)
    others = [asyncio.create_task(books.dial(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    assert not any(task.done() for task in (holder, *others))
    finish.set()
    await holder
    assert sorted(await asyncio.gather(*others), key=bool) == [None, Hold(1, last=True)]


async def test_open_sessions_older_than_some_limit_are_dropped_unsettled(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    year_s = 366 * 24 * 3600
    cdr = await books.hang_up("a", year_s, year_s + 61)
    assert cdr.billed_minutes == 2


async def test_all_calls_are_ended_when_the_switchs_link_is_down(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=150)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    s.pbx.lose_connection()
    await s.advance(60)
    assert [channel.up for channel in s.pbx.channels.values()] == [True, True]
    await s.pbx.connect(s.engine)
    await s.advance(200)
    [row] = await s.call_rows()
    assert (row.reason, row.billsec, row.billed_minutes) == (Reason.CUSTOMER_HUNG_UP, 150, 3)
    await s.assert_clean()


async def test_the_same_paid_order_is_credited_twice_within_milliseconds(books: Books) -> None:
    """The same order posted ten times is one grant."""
    order = Order(COMPANY, 30, "order-9", books.start)
    await asyncio.gather(*(books.minutes.add_addon(order) for _ in range(10)))
    assert (await books.minutes.usage(COMPANY, books.start)).addon_balance == 30
    plan = Order(COMPANY, 100, "order-10", books.start)
    assert await asyncio.gather(*(books.minutes.set_plan(plan) for _ in range(10))) == [Period(2026, 11)] * 10
    assert len(await books.minutes.entries(COMPANY)) == 2


async def test_a_call_is_cut_and_yet_still_up(tmp_path: Path) -> None:
    """D4: that we asked is not that it is gone. The request is lost, and the channel goes all the same."""
    async with site(tmp_path, plan=1) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(30)
        for _ in range(2):
            s.pbx.fail_next("hang_up", Outcome.UNKNOWN, done=False)
        await s.advance(120)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 1)
        await s.assert_clean()


async def test_an_internal_call_is_counted_twice(books: Books) -> None:
    """Both phones report it: one line, no minutes (R8, R13)."""
    await books.plan(100)
    terms = replace(opening("a").terms, direction="internal", billable=False, trunk=None)
    await books.ledger.authorise(replace(opening("a"), terms=terms))
    told = replace(closing("a", books.at(300), answered_at=books.start), direction="internal", billable=False)
    await asyncio.gather(books.ledger.close(told), books.ledger.close(replace(told, ended_at=books.at(301))))
    (row,) = await books.calls()
    assert (row.direction, row.billed_minutes) == ("internal", 0)
    assert (await books.minutes.usage(COMPANY, books.start)).monthly_posted == 0
