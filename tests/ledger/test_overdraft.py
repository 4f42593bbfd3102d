"""Overdraft: calls in progress go on up to a limit, and the next add-on pays back first (D4, D5)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from callcontrol.engine.ports.ledger import Hold, KeyReused, Posting
from callcontrol.engine.ports.minutes import NotRefundable, PolicyOrder, Refund, RefundRequest
from callcontrol.ledger.accounts import UnknownCompany
from tests.support.books import COMPANY, Books, open_books

MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
"""The first instant of December in São Paulo."""


async def lines(books: Books, call_id: str | None = None) -> list[tuple[str, str, int]]:
    found = await books.minutes.entries(COMPANY, call_id=call_id)
    return [(entry.kind, entry.grant_kind, entry.minutes) for entry in found]


async def owed(books: Books, at: datetime | None = None) -> int:
    return (await books.minutes.usage(COMPANY, at or books.start)).overdraft


async def talk(books: Books, call_id: str, minutes: int, *, began: float = 0) -> None:
    """Answered at once, extended minute by minute, hung up at the end of the last one."""
    assert await books.dial(call_id, began) is not None
    await books.answer(call_id, began)
    if minutes > 1:
        assert await books.extend(call_id, minutes, began) is not None
    await books.hang_up(call_id, began, began + minutes * 60)


async def refund(books: Books, call_id: str, minutes: int | None = None, at: datetime | None = None) -> Refund:
    request = RefundRequest(
        call_id, minutes, f"refund-{call_id}-{minutes}-{at}", "ruído", "operator", at or books.start
    )
    return await books.minutes.refund(request)


# the policy


async def test_a_company_begins_with_the_policy_cut(books: Books) -> None:
    await books.plan(1)
    assert await books.dial("a") == Hold(1, last=True)
    assert await books.extend("a", 2) is None
    assert (await books.minutes.usage(COMPANY, books.start)).overdraft_limit == 0


async def test_an_answered_call_goes_on_up_to_the_limit(books: Books) -> None:
    """D4: `last` is about all of it, so the warnings and the cut come at the end of the overdraft."""
    await books.plan(1)
    await books.policy(3)
    assert await books.dial("a") == Hold(1, last=False)
    assert await books.extend("a", 2) == Hold(2, last=False)
    assert await books.extend("a", 4) == Hold(4, last=True)
    assert await books.extend("a", 5) is None


async def test_a_new_call_never_draws_on_the_overdraft(books: Books) -> None:
    await books.plan(1)
    await books.policy(3)
    await books.dial("a")
    await books.extend("a", 2)
    assert await books.dial("b") is None


async def test_a_large_limit_gives_no_blocks_that_new_calls_would_miss(books: Books) -> None:
    """Blocks are for companies rich in minutes of their own: here the third one is left for a second call."""
    await books.plan(3)
    await books.policy(1000)
    await books.dial("a")
    assert await books.extend("a", 2) == Hold(2, last=False)
    assert await books.dial("b") == Hold(1, last=False)
    assert await books.dial("c") is None
    assert await books.extend("b", 2) == Hold(2, last=False)


async def test_two_calls_share_the_limit(books: Books) -> None:
    await books.plan(2)
    await books.policy(3)
    await books.dial("a")
    await books.dial("b")
    assert await books.extend("a", 3) == Hold(3, last=False)
    assert await books.extend("b", 2) == Hold(2, last=True)
    assert await books.extend("a", 4) is None


async def test_what_is_owed_already_counts(books: Books) -> None:
    """The limit is of what is outstanding, not of a call."""
    await books.plan(1)
    await books.policy(3)
    await talk(books, "a", 3)
    await books.plan(2, "up")
    assert await books.dial("b") == Hold(1, last=False)
    assert await books.extend("b", 2) == Hold(2, last=True)


async def test_the_policy_counts_at_once_for_what_is_held_from_now_on(books: Books) -> None:
    await books.plan(1)
    await books.dial("a")
    assert await books.extend("a", 2) is None
    await books.policy(2)
    assert await books.extend("a", 2) == Hold(2, last=False)
    await books.policy(0, "policy-2")
    assert await books.extend("a", 3) is None


async def test_minutes_of_the_company_are_held_before_the_overdraft(books: Books) -> None:
    await books.plan(1)
    await books.addon(2)
    await books.policy(5)
    await talk(books, "a", 4)
    assert await lines(books, "a") == [
        ("post", "monthly", 1),
        ("post", "addon", 2),
        ("overdraft", "overdraft", 1),
        ("post", "overdraft", 1),
    ]


async def test_within_the_limit_is_overdraft_and_beyond_it_grace(books: Books) -> None:
    """D5: nobody was there to cut."""
    await books.plan(1)
    await books.policy(2)
    await books.dial("a")
    cdr = await books.hang_up("a", 0, 290)
    assert cdr.postings == (Posting("monthly", 1), Posting("overdraft", 4))
    assert await lines(books, "a") == [
        ("post", "monthly", 1),
        ("overdraft", "overdraft", 2),
        ("grace", "overdraft", 2),
        ("post", "overdraft", 4),
    ]


async def test_the_cut_at_the_limit_bills_what_was_held(books: Books) -> None:
    await books.plan(1)
    await books.policy(1)
    await books.dial("a")
    await books.extend("a", 2)
    cdr = await books.hang_up("a", 0, 121, cut=True)
    assert (cdr.billed_minutes, await owed(books)) == (2, 1)
    assert "grace" not in [kind for kind, _, _ in await lines(books)]


async def test_lowering_the_limit_in_mid_call_takes_nothing_that_is_held(books: Books) -> None:
    """I3 knows the greatest limit since the oldest open hold began: the audit is silent after each step."""
    await books.plan(2)
    await books.dial("a")
    await books.dial("b")
    await books.policy(4)
    assert await books.extend("a", 3) == Hold(3, last=False)
    await books.policy(1, "lower")
    assert await books.findings() == []
    assert await books.extend("a", 4) is None
    assert await books.extend("b", 2) is None
    await books.hang_up("b", None, 30)
    await books.policy(0, "cut")
    assert await books.findings() == []
    await books.hang_up("a", 0, 180)
    assert await owed(books) == 1


async def test_a_hold_beyond_every_limit_is_found(books: Books) -> None:
    """A limit that was lowered before the oldest open hold began is none of it."""
    await books.plan(3)
    await books.policy(9)
    await talk(books, "a", 2)
    await books.policy(0, "cut")
    await books.dial("b", 200)

    async def hold(minutes: int) -> None:
        def change(connection: Connection) -> None:
            connection.execute(text("UPDATE holds SET minutes = :minutes"), {"minutes": minutes})

        await books.database.writer.submit(change)

    await hold(4)
    assert "I3: company 1: 3 minutes of open holds cannot be met" in await books.findings()
    await hold(1)


async def test_the_same_policy_order_is_one_and_another_limit_an_error(books: Books) -> None:
    await books.policy(5)
    await books.policy(2, "policy-2")
    await books.policy(5)
    assert (await books.minutes.usage(COMPANY, books.start)).overdraft_limit == 2
    with pytest.raises(KeyReused):
        await books.policy(6)
    with pytest.raises(ValueError, match="0 minutes or more"):
        await books.policy(-1, "policy-3")
    with pytest.raises(UnknownCompany):
        await books.minutes.set_policy(PolicyOrder(99, 1, "x", "operator", books.start))


async def test_a_minute_that_stays_in_the_old_month_is_not_overdrawn(books_url: str) -> None:
    """billing.md, Edges: where the new month has nothing, the minute already held stays good, with `finish` as well."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(10, at=books.at(-600))
        await books.plan(0, "down", at=books.at(-500))
        await books.policy(2, at=books.at(-500))
        await books.dial("a", -10)
        await books.answer("a", 5)
        assert await books.extend("a", 2, 5) == Hold(2, last=False)
        cdr = await books.hang_up("a", 5, 100)
        assert cdr.postings == (Posting("monthly", 1), Posting("overdraft", 1))
        assert await books.findings() == []


async def test_a_month_with_minutes_is_not_refused_for_another_that_is_overdrawn(books_url: str) -> None:
    """Events out of order over midnight: what December overdraws is not November's."""
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(10, at=books.at(-600))
        await books.plan(1, "down", at=books.at(-500))
        await books.policy(3, at=books.at(-500))
        await books.dial("late", -5)
        await books.dial("a", 1)
        await books.answer("a", 2)
        assert await books.extend("a", 3, 2) == Hold(3, last=False)
        await books.answer("late", -1)
        assert await books.extend("late", 5, 3) == Hold(5, last=False)
        await books.hang_up("late", -1, 290)
        await books.hang_up("a", 2, 180)
        assert await owed(books) == 2
        assert await books.findings() == []


# repayment


async def test_the_next_addon_pays_back_first_of_both_marks(books: Books) -> None:
    await books.plan(1)
    await books.policy(2)
    await books.dial("a")
    await books.hang_up("a", 0, 290)
    await books.addon(10)
    assert (await lines(books))[-3:] == [
        ("grant", "addon", 10),
        ("repay", "addon", 4),
        ("repaid", "overdraft", 4),
    ]
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.overdraft, usage.addon_balance, usage.addon_contracted_in_month) == (0, 6, 10)


async def test_an_addon_too_small_pays_back_what_it_can(books: Books) -> None:
    await books.plan(1)
    await books.dial("a")
    await books.hang_up("a", 0, 300)
    await books.addon(3)
    assert await owed(books) == 1
    assert await books.dial("b") is None
    await books.addon(3, "addon-2")
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.overdraft, usage.addon_balance) == (0, 2)


async def test_the_oldest_month_is_paid_back_first(books_url: str) -> None:
    async with open_books(books_url, start=MIDNIGHT) as books:
        await books.plan(1, at=books.at(-600))
        await books.dial("a", -500)
        await books.hang_up("a", -500, -320)
        await books.dial("b", 10)
        await books.hang_up("b", 10, 190)
        await books.addon(3, at=books.at(300))
        paid = [entry for entry in await books.minutes.entries(COMPANY) if entry.kind in ("repay", "repaid")]
        assert [(entry.kind, entry.minutes) for entry in paid] == [
            ("repay", 2),
            ("repaid", 2),
            ("repay", 1),
            ("repaid", 1),
        ]
        assert await owed(books, books.at(300)) == 1
        # A refund says which month is still owed: November's is paid.
        assert (await refund(books, "a", 1, at=books.at(301))).given_to == (("courtesy", 1),)
        assert (await refund(books, "b", 1, at=books.at(301))).given_to == (("overdraft", 1),)
        assert await books.findings() == []


async def test_repayment_gives_the_allowance_back(books: Books) -> None:
    await books.plan(1)
    await books.policy(2)
    await books.dial("a")
    await books.answer("a")
    await books.extend("a", 3)
    await books.dial("b")
    await books.hang_up("a", 0, 180)
    await books.plan(2, "up")
    assert await books.dial("b", 200) == Hold(1, last=True)
    await books.addon(2, at=books.at(210))
    assert await books.extend("b", 3, 220) == Hold(3, last=True)


async def test_a_repeated_addon_pays_back_once(books: Books) -> None:
    await books.plan(1)
    await books.dial("a")
    await books.hang_up("a", 0, 180)
    for _ in range(10):
        await books.addon(5)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.overdraft, usage.addon_balance) == (0, 3)


async def test_renewal_and_plan_up_pay_nothing_back(books: Books) -> None:
    """D4: the next add-on does."""
    await books.plan(1)
    await books.dial("a")
    await books.hang_up("a", 0, 180)
    await books.plan(9, "up")
    await books.gift(4)
    assert await owed(books, datetime(2027, 1, 10, tzinfo=UTC)) == 2


# refunds


async def test_a_refund_makes_the_debt_smaller_while_there_is_any(books: Books) -> None:
    """D9: last taken, first back."""
    await books.plan(1)
    await books.policy(5)
    await talk(books, "a", 4)
    assert (await refund(books, "a", 2)).given_to == (("overdraft", 2),)
    assert await owed(books) == 1
    assert (await refund(books, "a", None)).given_to == (("overdraft", 1), ("monthly", 1))
    assert await owed(books) == 0


async def test_what_was_paid_back_already_comes_as_courtesy(books: Books) -> None:
    await books.plan(1)
    await books.policy(5)
    await talk(books, "a", 5)
    await books.addon(3)
    given = await refund(books, "a", 3)
    assert given.given_to == (("overdraft", 1), ("courtesy", 2))
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.overdraft, usage.courtesy_balance, usage.addon_balance) == (0, 2, 0)
    with pytest.raises(NotRefundable, match="2 billed minutes left"):
        await refund(books, "a", 3, books.at(9))
    assert (await refund(books, "a", 1, books.at(9))).given_to == (("courtesy", 1),)


async def test_a_refund_before_the_addon_leaves_less_to_pay_back(books: Books) -> None:
    await books.plan(1)
    await books.policy(5)
    await talk(books, "a", 4)
    await refund(books, "a", 2)
    await books.addon(5)
    assert (await books.minutes.usage(COMPANY, books.start)).addon_balance == 4
