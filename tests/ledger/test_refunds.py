"""Refunds: lines that mirror the original ones (D9), and totals net of them (R8)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from callcontrol.engine.ports.ledger import KeyReused
from callcontrol.engine.ports.minutes import NotRefundable, Refund, RefundRequest, UnknownCall
from tests.support.books import COMPANY, Books, open_books

MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
"""The first instant of December in São Paulo."""
IN_DECEMBER = datetime(2026, 12, 10, 12, tzinfo=UTC)


async def refund(
    books: Books, call_id: str, minutes: int | None = None, request_id: str = "r1", at: datetime | None = None
) -> Refund:
    request = RefundRequest(call_id, minutes, request_id, "linha com ruído", "operator", at or books.start)
    return await books.minutes.refund(request)


async def call(books: Books, call_id: str, minutes: int) -> None:
    await books.dial(call_id)
    await books.hang_up(call_id, 0, minutes * 60)


async def lines(books: Books, call_id: str) -> list[tuple[str, str, int]]:
    return [
        (entry.kind, entry.grant_kind, entry.minutes) for entry in await books.minutes.entries(COMPANY, call_id=call_id)
    ]


async def net(books: Books) -> dict[str, int]:
    return {row.call_id: row.billed_minutes - row.refunded_minutes for row in await books.calls()}


async def test_the_minutes_go_back_to_the_pool_in_the_same_month(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 4)
    assert await refund(books, "a") == Refund("a", 4, (("monthly", 4),), 0)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.courtesy_balance) == (0, 0)
    assert await lines(books, "a") == [("post", "monthly", 4), ("refund", "monthly", 4)]
    assert await net(books) == {"a": 0}


async def test_what_was_taken_last_goes_back_first(books: Books) -> None:
    """An add-on that was touched only because the pool was empty is whole again before the pool is."""
    await books.plan(2)
    await books.addon(5)
    await call(books, "a", 4)
    assert (await refund(books, "a", 1, "r1")).given_to == (("addon", 1),)
    assert (await refund(books, "a", 2, "r2")).given_to == (("addon", 1), ("monthly", 1))
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.addon_balance) == (1, 5)
    assert await net(books) == {"a": 1}


async def test_a_refund_line_names_the_line_it_mirrors(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 4)
    await refund(books, "a", 3)
    post, mirror = await books.minutes.entries(COMPANY, call_id="a")
    assert (mirror.mirrors, mirror.minutes, mirror.reference) == (post.seq, 3, "adjust:r1")


async def test_minutes_of_a_month_that_is_over_come_as_courtesy(books: Books) -> None:
    """The old pool is gone (R3): neither its figures nor its minutes change."""
    await books.plan(10)
    await call(books, "a", 4)
    assert (await refund(books, "a", 3, at=IN_DECEMBER)).given_to == (("courtesy", 3),)
    usage = await books.minutes.usage(COMPANY, IN_DECEMBER)
    assert (usage.monthly_granted, usage.monthly_posted, usage.courtesy_balance) == (10, 0, 3)
    assert await lines(books, "a") == [("post", "monthly", 4), ("courtesy", "courtesy", 3)]
    assert await net(books) == {"a": 1}


async def test_courtesy_burns_before_addons_and_after_the_pool(books: Books) -> None:
    await books.plan(3)
    await books.addon(5)
    await call(books, "a", 2)
    await refund(books, "a", at=IN_DECEMBER)
    start = (IN_DECEMBER - books.start).total_seconds()
    await books.dial("b", start)
    cdr = await books.hang_up("b", start, start + 6 * 60)
    assert [(posting.grant_kind, posting.minutes) for posting in cdr.postings] == [
        ("monthly", 3),
        ("courtesy", 2),
        ("addon", 1),
    ]


async def test_courtesy_does_not_end_with_its_month(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 2)
    await refund(books, "a", at=IN_DECEMBER)
    in_march = datetime(2027, 3, 5, 12, tzinfo=UTC)
    assert (await books.minutes.usage(COMPANY, in_march)).courtesy_balance == 2


async def test_an_addons_minutes_of_a_month_that_is_over_are_courtesy_too(books: Books) -> None:
    await books.addon(5)
    await call(books, "a", 2)
    assert (await refund(books, "a", at=IN_DECEMBER)).given_to == (("courtesy", 2),)
    usage = await books.minutes.usage(COMPANY, IN_DECEMBER)
    assert (usage.addon_balance, usage.courtesy_balance) == (3, 2)


async def test_a_call_over_midnight_gets_back_what_still_exists(books_url: str) -> None:
    """D2: two minutes of November's pool are gone, the one of December's is there."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(2, at=books.at(-600))
        await books.dial("a", -60)
        await books.answer("a", -50)
        await books.extend("a", 3, 5)
        await books.hang_up("a", -50, 100)
        assert (await refund(books, "a", at=books.at(200))).given_to == (("monthly", 1), ("courtesy", 2))
        assert (await books.minutes.usage(COMPANY, books.at(200))).monthly_posted == 0
        assert await books.findings() == []


async def test_a_call_still_running_over_midnight_finds_no_refunded_minute_in_the_old_pool(books_url: str) -> None:
    """Or the same minute would be there twice: in the old pool (D2) and as courtesy (D9)."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(2, at=books.at(-600))
        await books.plan(0, "down", at=books.at(-600))
        await books.dial("a", -300)
        await books.dial("b", -300)
        await books.answer("b", -300)
        await books.hang_up("a", -290, -280)
        await refund(books, "a", at=books.at(5))
        cdr = await books.hang_up("b", -300, 6)
        assert [(posting.grant_kind, posting.minutes) for posting in cdr.postings] == [
            ("monthly", 1),
            ("courtesy", 1),
            ("overdraft", 4),
        ]
        assert await books.findings() == []


async def test_a_refunded_overdraft_makes_the_debt_smaller_whatever_the_month(books: Books) -> None:
    """D5: those minutes were never anybody's to get back."""
    await books.plan(1)
    await call(books, "a", 4)
    assert (await refund(books, "a", at=IN_DECEMBER)).given_to == (("overdraft", 3), ("courtesy", 1))
    usage = await books.minutes.usage(COMPANY, IN_DECEMBER)
    assert (usage.overdraft, usage.courtesy_balance) == (0, 1)


async def test_refunded_minutes_can_be_held_at_once(books: Books) -> None:
    await books.plan(2)
    await call(books, "a", 2)
    assert await books.dial("b") is None
    await refund(books, "a", 1)
    assert await books.dial("b") is not None


async def test_never_more_than_was_billed_net_of_refunds(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 3)
    with pytest.raises(NotRefundable, match="3 billed minutes left"):
        await refund(books, "a", 4)
    await refund(books, "a", 2)
    with pytest.raises(NotRefundable, match="1 billed minutes left"):
        await refund(books, "a", 2, "r2")
    await refund(books, "a", None, "r3")
    with pytest.raises(NotRefundable, match="refunded already"):
        await refund(books, "a", None, "r4")
    with pytest.raises(ValueError, match="1 minute"):
        await refund(books, "a", 0, "r5")
    assert await net(books) == {"a": 0}


async def test_what_cannot_be_refunded(books: Books) -> None:
    await books.plan(10)
    with pytest.raises(UnknownCall):
        await refund(books, "nobody")
    await books.dial("a")
    with pytest.raises(NotRefundable, match="in progress"):
        await refund(books, "a")
    await books.hang_up("a", None, 10)
    with pytest.raises(NotRefundable, match="not billed"):
        await refund(books, "a")


async def test_a_refused_refund_leaves_its_order_free(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 3)
    with pytest.raises(NotRefundable):
        await refund(books, "a", 4)
    assert (await refund(books, "a", 3)).left == 0


async def test_the_same_order_ten_times_is_one_refund(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 3)
    told = await asyncio.gather(*(refund(books, "a", 2, at=books.at(second)) for second in range(10)))
    assert told == [Refund("a", 2, (("monthly", 2),), 1)] * 10
    assert (await books.minutes.usage(COMPANY, books.start)).monthly_posted == 1
    with pytest.raises(KeyReused):
        await refund(books, "a", 3)


async def test_refunds_that_race_give_no_minute_twice(books: Books) -> None:
    await books.plan(10)
    await call(books, "a", 3)
    told = await asyncio.gather(*(refund(books, "a", 2, f"r{number}") for number in range(5)), return_exceptions=True)
    assert [isinstance(result, Refund) for result in told].count(True) == 1
    assert await net(books) == {"a": 1}


async def test_reason_and_actor_are_kept_beside_the_ledger(books: Books) -> None:
    """Entries carry no free text: personal data lives with the call."""
    await books.plan(10)
    await call(books, "a", 3)
    await refund(books, "a", 1)
    async with books.database.reading() as connection:
        row = (await connection.execute(text("SELECT call_id, minutes, reason, actor, period FROM adjustments"))).one()
    assert tuple(row) == ("a", 1, "linha com ruído", "operator", "2026-11")
