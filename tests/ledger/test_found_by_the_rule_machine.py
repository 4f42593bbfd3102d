"""What the rule machine (tests/property/test_ledger_model.py) stumbled over, shrunk, with the seed that found it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, update

from callcontrol.directory.tables import companies
from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import Hold, LedgerUnavailable
from callcontrol.engine.ports.minutes import Order, PlanCorrection
from callcontrol.ledger.accounts import group
from tests.support.books import COMPANY, Books, closing, open_books, opening
from tests.support.fuse import Fuse, Moment, armed, fusible

NOVEMBER, DECEMBER = Period(2026, 11), Period(2026, 12)
MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
"""Of day 1, in São Paulo."""
SECOND = timedelta(seconds=1)


async def test_a_month_that_has_begun_is_not_left_again(books: Books) -> None:
    """Seed 1: the plan, December's first call, two steps of the clock back over midnight, a correction of the plan.

    An order is about December, whose pool is there; November's gets no other size, and no second grant (I8)."""
    await books.plan(5)
    await books.plan(2, "down")
    assert (await books.minutes.usage(COMPANY, MIDNIGHT)).monthly_granted == 2
    assert await books.minutes.set_plan(Order(COMPANY, 3, "up", MIDNIGHT - SECOND)) == DECEMBER
    correction = PlanCorrection(COMPANY, 1, "back", "typing error", "operator", MIDNIGHT - SECOND)
    corrected = await books.minutes.correct_plan(correction)
    assert (corrected.minutes, corrected.granted) == (2, 1)
    assert (await books.minutes.usage(COMPANY, MIDNIGHT)).monthly_granted == 1
    assert (await books.minutes.usage(COMPANY, MIDNIGHT - SECOND)).monthly_granted == 5


async def test_a_company_that_moves_west_on_the_last_day_pays_once(books: Books) -> None:
    """Seed 2: change_zone in the middle of a call. In Kiritimati it is December since 13 hours, in São Paulo not yet:
    a call of then takes what November has left, then December's minutes, and neither month is granted twice."""
    await books.plan(1)
    await _move(books, "Pacific/Kiritimati")
    at = MIDNIGHT - timedelta(hours=2)
    assert (await books.minutes.usage(COMPANY, at)).period == DECEMBER
    await _move(books, "America/Sao_Paulo")
    assert (await books.minutes.usage(COMPANY, at)).period == NOVEMBER
    assert await books.ledger.authorise(opening("call-1", at)) == Hold(1, last=False)
    cdr = await books.ledger.close(closing("call-1", at + 90 * SECOND, started_at=at, answered_at=at))
    assert [(posting.grant_kind, posting.minutes) for posting in cdr.postings] == [("monthly", 1), ("monthly", 1)]
    grants = [entry for entry in await books.minutes.entries(COMPANY) if entry.kind == "grant"]
    assert [entry.grant_period for entry in grants] == [NOVEMBER, DECEMBER]


@pytest.fixture
async def fused_books(books_url: str) -> AsyncIterator[Books]:
    with fusible():
        async with open_books(books_url) as books:
            yield books
            assert await books.findings() == []


async def test_a_refusal_in_a_commit_in_doubt_is_decided_anew(fused_books: Books) -> None:
    """Seed 123929210930949292247934053411233027180: a call that is refused and the add-on that comes after it are in
    one commit, whose confirmation is lost. A refusal stores nothing: asked once more, with the add-on there, the call
    has its minute. The add-on is there once."""
    books = fused_books
    busy, go = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        busy.set()
        assert go.wait(60)

    waiting = asyncio.create_task(books.database.writer.submit(wait, group(COMPANY)))
    assert await asyncio.to_thread(busy.wait, 60)
    call = asyncio.create_task(books.dial("call-1"))
    addon = asyncio.create_task(books.addon(3))
    await asyncio.sleep(0)  # both wait for the writer, in this order
    with armed(Fuse(Moment.AFTER_COMMIT, 0, kills=False)):
        go.set()
        await waiting
        told = await asyncio.gather(call, addon, return_exceptions=True)
    if isinstance(told[0], LedgerUnavailable):
        # SQLite's writer leaves it to whoever asks to ask again, PostgreSQL's has done so.
        await books.addon(3)
        assert await books.dial("call-1") == Hold(1, last=False)
    else:
        assert told == [Hold(1, last=False), None]
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.addon_balance, usage.held) == (3, 1)


async def _move(books: Books, time_zone: str) -> None:
    moved = update(companies).where(companies.c.id == COMPANY).values(time_zone=time_zone)
    await books.database.writer.submit(lambda connection: connection.execute(moved) and None)
