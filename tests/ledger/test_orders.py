"""Plans and add-ons (R1, R3, R4, R5, R12)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import KeyReused
from callcontrol.engine.ports.minutes import Order
from callcontrol.ledger.accounts import UnknownCompany
from tests.support.books import COMPANY, Books, open_books

NOVEMBER, DECEMBER = Period(2026, 11), Period(2026, 12)
IN_DECEMBER = datetime(2026, 12, 10, 12, tzinfo=UTC)
IN_MARCH = datetime(2027, 3, 5, 12, tzinfo=UTC)


async def pools(books: Books) -> list[tuple[str, int]]:
    return [
        (str(entry.grant_period), entry.minutes)
        for entry in await books.minutes.entries(COMPANY)
        if entry.grant_kind == "monthly"
    ]


async def test_the_first_plan_takes_effect_in_the_current_month(books: Books) -> None:
    assert await books.minutes.set_plan(Order(COMPANY, 100, "p1", books.start)) == NOVEMBER
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_granted, usage.monthly_posted, usage.percent) == (100, 0, 0)


async def test_a_company_without_a_plan_shows_a_dash(books: Books) -> None:
    """R5."""
    assert (await books.minutes.usage(COMPANY, books.start)).percent is None


async def test_a_plan_up_takes_effect_now(books: Books) -> None:
    """R12."""
    await books.plan(100)
    assert await books.minutes.set_plan(Order(COMPANY, 150, "up", books.start)) == NOVEMBER
    assert (await books.minutes.usage(COMPANY, books.start)).monthly_granted == 150
    assert [entry.kind for entry in await books.minutes.entries(COMPANY)] == ["grant", "raise"]


async def test_a_plan_down_takes_effect_next_month(books: Books) -> None:
    """R12."""
    await books.plan(100)
    assert await books.minutes.set_plan(Order(COMPANY, 50, "down", books.start)) == DECEMBER
    assert (await books.minutes.usage(COMPANY, books.start)).monthly_granted == 100
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 50


async def test_an_order_up_takes_back_an_order_down(books: Books) -> None:
    await books.plan(100)
    await books.plan(50, "down")
    await books.plan(120, "up")
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 120


async def test_unused_minutes_do_not_roll_over_and_addons_do(books: Books) -> None:
    """R3, R4."""
    await books.plan(100)
    await books.addon(30)
    usage = await books.minutes.usage(COMPANY, IN_DECEMBER)
    assert (usage.monthly_granted, usage.addon_balance, usage.addon_contracted_in_month) == (100, 30, 0)


async def test_an_order_after_idle_months_does_not_change_them(books: Books) -> None:
    await books.plan(100)
    await books.minutes.set_plan(Order(COMPANY, 300, "up", IN_MARCH))
    assert await pools(books) == [
        ("2026-11", 100),
        ("2026-12", 100),
        ("2027-01", 100),
        ("2027-02", 100),
        ("2027-03", 100),
        ("2027-03", 200),
    ]


async def test_a_repeated_order_says_what_it_said_first(books: Books) -> None:
    await books.plan(100)
    down = Order(COMPANY, 50, "down", books.start)
    assert await books.minutes.set_plan(down) == DECEMBER
    assert await books.minutes.set_plan(Order(COMPANY, 50, "down", IN_MARCH)) == DECEMBER


async def test_the_same_order_with_another_size_is_an_error(books: Books) -> None:
    await books.addon(30, "order-9")
    with pytest.raises(KeyReused):
        await books.addon(31, "order-9")
    with pytest.raises(KeyReused):
        await books.plan(30, "order-9")


async def test_sizes_that_cannot_be(books: Books) -> None:
    with pytest.raises(ValueError, match="1 minute"):
        await books.addon(0)
    with pytest.raises(ValueError, match="0 minutes"):
        await books.plan(-1)
    with pytest.raises(UnknownCompany):
        await books.minutes.add_addon(Order(99, 5, "x", books.start))


async def test_the_renewal_date_is_day_one_in_the_companys_time_zone(books_url: str) -> None:
    async with open_books(books_url) as books:
        usage = await books.minutes.usage(COMPANY, datetime(2026, 12, 1, 2, 59, tzinfo=UTC))
        assert usage.period == NOVEMBER
        assert usage.renews_at == datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
