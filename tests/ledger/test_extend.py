"""During a call: more minutes while the company has them."""

from __future__ import annotations

from datetime import UTC, datetime

from callcontrol.engine.ports.ledger import Hold
from tests.support.books import COMPANY, Books, open_books, opening


async def test_several_minutes_while_the_pool_is_rich(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    assert await books.extend("a", 2) == Hold(6, last=False)


async def test_one_minute_near_the_end(books: Books) -> None:
    await books.plan(5)
    await books.dial("a")
    assert await books.extend("a", 2) == Hold(2, last=False)


async def test_the_last_minute_says_so(books: Books) -> None:
    await books.plan(2)
    await books.dial("a")
    assert await books.extend("a", 2) == Hold(2, last=True)


async def test_none_is_left(books: Books) -> None:
    await books.plan(1)
    await books.dial("a")
    assert await books.extend("a", 2) is None


async def test_an_addon_in_between_lets_the_same_extension_succeed(books: Books) -> None:
    """D3: effective at the next extension, which is asked for with the same key."""
    await books.plan(1)
    await books.dial("a")
    assert await books.extend("a", 2) is None
    await books.addon(3)
    assert await books.extend("a", 2) == Hold(2, last=False)


async def test_a_repetition_gets_the_first_result(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    first = await books.extend("a", 2)
    assert await books.extend("a", 2, seconds=30) == first
    assert await books.ledger.held_total() == 6


async def test_minutes_already_held_are_not_held_again(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    await books.extend("a", 8)
    assert await books.extend("a", 3) == Hold(8, last=False)
    assert await books.ledger.held_total() == 8


async def test_a_call_that_is_closed_or_unknown_gets_none(books: Books) -> None:
    """D7."""
    await books.plan(100)
    await books.dial("a")
    await books.hang_up("a", 0, 30)
    assert await books.extend("a", 2) is None
    assert await books.extend("never-seen", 2) is None


MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
"""The first instant of December in São Paulo."""


async def test_a_call_over_midnight_uses_the_old_pool_then_the_new(books_url: str) -> None:
    """D2: the call belongs to the period of its answer."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(2, at=books.at(-600))
        await books.dial("a", -60)
        await books.answer("a", -50)
        assert await books.extend("a", 2, -50) == Hold(2, last=True)
        assert await books.extend("a", 3, -5) is None
        assert await books.extend("a", 3, 5) == Hold(3, last=False)
        cdr = await books.hang_up("a", -50, 100)
        assert [(posting.grant_kind, posting.minutes) for posting in cdr.postings] == [("monthly", 2), ("monthly", 1)]
        assert (await books.minutes.usage(COMPANY, books.at(100))).monthly_posted == 1
        assert await books.findings() == []


async def test_a_new_call_does_not_use_what_is_left_of_the_old_pool(books_url: str) -> None:
    """R3: what is unused is lost."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(50, at=books.at(-600))
        await books.plan(1, "down", at=books.at(-500))
        assert await books.dial("a", 10) == Hold(1, last=True)
        assert await books.dial("b", 11) is None
        assert await books.findings() == []


async def test_answered_after_midnight_the_claim_moves_to_the_new_month(books_url: str) -> None:
    """billing.md, Edges: held at 23:59:50, answered at 00:00:05."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(10, at=books.at(-600))
        await books.dial("a", -10)
        await books.answer("a", 5)
        assert await books.extend("a", 2, 5) == Hold(2, last=False)
        await books.hang_up("a", 5, 95)
        entries = await books.minutes.entries(COMPANY, call_id="a")
        assert [(str(entry.grant_period), entry.minutes) for entry in entries] == [("2026-12", 2)]
        assert await books.findings() == []


async def test_where_the_new_month_has_nothing_the_minute_held_stays_good(books_url: str) -> None:
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(10, at=books.at(-600))
        await books.plan(0, "down", at=books.at(-500))
        await books.dial("a", -10)
        await books.answer("a", 5)
        assert await books.extend("a", 2, 5) is None
        await books.addon(1, at=books.at(20))
        assert await books.extend("a", 2, 21) == Hold(2, last=True)
        cdr = await books.hang_up("a", 5, 100)
        assert [(posting.grant_kind, posting.minutes) for posting in cdr.postings] == [("monthly", 1), ("addon", 1)]
        assert await books.findings() == []


async def test_the_minute_that_stayed_is_posted_to_the_old_month(books_url: str) -> None:
    """The new month's only minute was claimed by another call: it is that call's."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(10, at=books.at(-600))
        await books.plan(1, "down", at=books.at(-500))
        await books.dial("a", -10)
        assert await books.ledger.authorise(opening("b", books.at(1))) == Hold(1, last=True)
        await books.answer("a", 5)
        assert await books.extend("a", 2, 5) is None
        await books.hang_up("a", 5, 35)
        await books.hang_up("b", 4, 36)
        months = {
            entry.call_id: str(entry.grant_period) for entry in await books.minutes.entries(COMPANY) if entry.call_id
        }
        assert months == {"a": "2026-11", "b": "2026-12"}
        assert await books.findings() == []
