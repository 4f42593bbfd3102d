"""Before dialling: one minute is held (D1)."""

from __future__ import annotations

import asyncio

import pytest

from callcontrol.engine.ports.ledger import Hold, KeyReused
from tests.support.books import COMPANY, NODE, Books, opening


async def test_one_minute_is_held(books: Books) -> None:
    await books.plan(100)
    assert await books.dial("a") == Hold(1, last=False)
    assert await books.ledger.held_total() == 1


async def test_the_last_minute_says_so(books: Books) -> None:
    await books.plan(1)
    assert await books.dial("a") == Hold(1, last=True)


async def test_no_minute_is_left_and_nothing_is_stored(books: Books) -> None:
    await books.plan(1)
    await books.dial("a")
    assert await books.dial("b") is None
    assert [call.opening.call_id for call in await books.ledger.open_calls(NODE)] == ["a"]


async def test_a_company_without_a_plan_has_no_minutes(books: Books) -> None:
    assert await books.dial("a") is None


async def test_an_addon_alone_is_enough(books: Books) -> None:
    await books.addon(2)
    assert await books.dial("a") == Hold(1, last=False)


async def test_a_refused_call_may_be_authorised_after_a_recharge(books: Books) -> None:
    assert await books.dial("a") is None
    await books.addon(1)
    assert await books.dial("a") == Hold(1, last=True)


async def test_a_repetition_gets_the_first_result_and_holds_nothing_more(books: Books) -> None:
    await books.plan(2)
    first = await books.dial("a")
    await books.dial("b")
    assert await books.dial("a") == first == Hold(1, last=False)
    assert await books.ledger.held_total() == 2


async def test_the_same_leg_for_another_company_is_a_defect(books: Books) -> None:
    await books.plan(2)
    await books.dial("a")
    with pytest.raises(KeyReused):
        await books.ledger.authorise(opening("a", company_id=None, billable=False))


async def test_a_call_that_is_not_billable_holds_nothing(books: Books) -> None:
    """D16, R13: no minutes are needed, and the row is there."""
    emergency = opening("a", company_id=None, billable=False)
    assert await books.ledger.authorise(emergency) == Hold(0, last=False)
    (stored,) = await books.ledger.open_calls(NODE)
    assert stored.opening == emergency
    assert stored.held == Hold(0, last=False)


async def test_an_authorisation_after_the_close_holds_nothing(books: Books) -> None:
    """D7: out of order."""
    await books.plan(5)
    await books.hang_up("a", None, 1)
    assert await books.dial("a") is None
    assert await books.ledger.held_total() == 0


async def test_open_calls_are_what_was_authorised(books: Books) -> None:
    await books.plan(5)
    await books.dial("a")
    await books.answer("a", 10)
    (stored,) = await books.ledger.open_calls(NODE)
    assert stored.opening == opening("a")
    assert stored.held == Hold(1, last=False)
    assert stored.answered_at == books.at(10)
    assert await books.ledger.open_calls("another-node") == []


async def test_a_race_for_the_last_minute_has_one_winner(books: Books) -> None:
    """D1, with an extension racing an authorisation."""
    await books.plan(2)
    await books.dial("a")
    extended, dialled = await asyncio.gather(books.extend("a", 2, 1), books.dial("b"))
    assert (extended is None) != (dialled is None)
    assert (await books.minutes.usage(COMPANY, books.start)).held == 2
