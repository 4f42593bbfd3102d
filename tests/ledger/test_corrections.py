"""What is given without a call, and wrong orders taken back by lines that mirror theirs (R12, D9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Period
from callcontrol.engine.ports.ledger import KeyReused
from callcontrol.engine.ports.minutes import (
    Cancellation,
    Gift,
    NotWithdrawable,
    Order,
    PlanCorrection,
    PolicyOrder,
    RefundRequest,
    UnknownOrder,
    Withdrawal,
)
from callcontrol.ledger import adjustments, corrections, orders, overdraft
from tests.support.books import COMPANY, Books

NOVEMBER = Period(2026, 11)
IN_DECEMBER = datetime(2026, 12, 10, 12, tzinfo=UTC)


async def cancel(
    books: Books,
    of_order: str = "addon-1",
    minutes: int | None = None,
    order_id: str = "c1",
    kind: GrantKind = GrantKind.ADDON,
    at: datetime | None = None,
) -> Withdrawal:
    return await books.minutes.cancel_order(
        Cancellation(COMPANY, kind, of_order, minutes, order_id, "pedido em dobro", "operator", at or books.start)
    )


async def correct(books: Books, minutes: int, order_id: str = "c1", at: datetime | None = None) -> Withdrawal:
    asked = PlanCorrection(COMPANY, minutes, order_id, "um zero a mais", "operator", at or books.start)
    return await books.minutes.correct_plan(asked)


async def lines(books: Books) -> list[tuple[str, str, int, int | None]]:
    found = await books.minutes.entries(COMPANY)
    return [(entry.kind, entry.grant_kind, entry.minutes, entry.mirrors) for entry in found]


async def call(books: Books, call_id: str, minutes: int) -> None:
    await books.dial(call_id)
    await books.hang_up(call_id, 0, minutes * 60)


# courtesy


async def test_a_gift_is_used_before_addons_and_never_expires(books: Books) -> None:
    """D9."""
    await books.addon(5)
    await books.gift(2)
    assert (await books.minutes.usage(COMPANY, datetime(2027, 3, 5, tzinfo=UTC))).courtesy_balance == 2
    await call(books, "a", 3)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.courtesy_balance, usage.addon_balance) == (0, 4)
    assert (await books.minutes.replay(COMPANY)).differences == ()


async def test_reason_and_actor_of_a_gift_and_of_corrections_are_kept(books: Books) -> None:
    await books.plan(100)
    await books.gift(2)
    await books.addon(5)
    await cancel(books)
    await correct(books, 10, "c2")
    query = text("SELECT operation_key, call_id, minutes, reason, actor FROM adjustments ORDER BY operation_key")
    async with books.database.reading() as connection:
        rows = (await connection.execute(query)).all()
    assert [tuple(row) for row in rows] == [
        ("order:c1", None, 5, "pedido em dobro", "operator"),
        ("order:c2", None, 90, "um zero a mais", "operator"),
        ("order:gift-1", None, 2, "goodwill", "operator"),
    ]


# an add-on that was ordered by mistake


async def test_an_unused_addon_is_taken_back_by_a_line_that_mirrors_its_own(books: Books) -> None:
    await books.plan(3)
    await books.addon(50)
    assert await cancel(books) == Withdrawal(50, 0, NOVEMBER)
    assert (await lines(books))[1:] == [("grant", "addon", 50, None), ("withdraw", "addon", 50, 2)]
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.addon_balance, usage.addon_contracted_in_month) == (0, 0)
    assert (await books.minutes.replay(COMPANY)).differences == ()


async def test_a_part_of_it_may_be_taken_back(books: Books) -> None:
    """Ordered 500, meant 50."""
    await books.addon(500)
    await call(books, "a", 7)
    assert await cancel(books, minutes=450) == Withdrawal(450, 50, NOVEMBER)
    assert (await books.minutes.usage(COMPANY, books.start)).addon_balance == 43
    assert await cancel(books, minutes=43, order_id="c2") == Withdrawal(43, 7, NOVEMBER)


async def test_what_is_used_stays_and_the_error_says_how_much_can_go(books: Books) -> None:
    await books.addon(10)
    await call(books, "a", 4)
    with pytest.raises(NotWithdrawable, match="6 minutes can be withdrawn, not 10: 4 of its 10 minutes are used"):
        await cancel(books)
    assert (await cancel(books, minutes=6)).granted == 4
    with pytest.raises(NotWithdrawable, match="0 minutes can be withdrawn"):
        await cancel(books, minutes=1, order_id="c2")


async def test_what_calls_in_progress_need_stays(books: Books) -> None:
    await books.plan(1)
    await books.addon(5)
    await books.dial("a")
    await books.extend("a", 3)
    with pytest.raises(NotWithdrawable, match=r"3 minutes can be withdrawn, not 5: .* 3 are held by calls"):
        await cancel(books)
    await cancel(books, minutes=3)
    assert await books.findings() == []
    assert await books.extend("a", 4) is None
    await books.hang_up("a", 0, 180)


async def test_with_an_overdraft_open_nothing_is_free_to_go(books: Books) -> None:
    """The hold counts on the add-on before it counts on the overdraft."""
    await books.addon(2)
    await books.policy(5)
    await books.dial("a")
    await books.extend("a", 4)
    with pytest.raises(NotWithdrawable, match="0 minutes can be withdrawn"):
        await cancel(books)
    await books.hang_up("a", 0, 30)
    assert (await cancel(books, minutes=1)).granted == 1


async def test_what_paid_an_overdraft_back_is_used(books: Books) -> None:
    await books.plan(1)
    await call(books, "a", 4)
    await books.addon(10)
    with pytest.raises(NotWithdrawable, match="7 minutes can be withdrawn"):
        await cancel(books)
    await cancel(books, minutes=7)
    assert (await books.minutes.usage(COMPANY, books.start)).overdraft == 0


async def test_a_gift_is_cancelled_likewise(books: Books) -> None:
    await books.gift(30)
    assert await cancel(books, "gift-1", 27, kind=GrantKind.COURTESY) == Withdrawal(27, 3, NOVEMBER)
    assert (await books.minutes.usage(COMPANY, books.start)).courtesy_balance == 3


async def test_only_an_order_of_its_kind_and_company(books: Books) -> None:
    await books.plan(10)
    await books.gift(3)
    for of_order in ("nothing", "plan-1", "gift-1"):
        with pytest.raises(UnknownOrder, match="no addon of the order"):
            await cancel(books, of_order)
    with pytest.raises(ValueError, match="1 minute"):
        await cancel(books, minutes=0)


async def test_a_cancellation_in_a_later_month(books: Books) -> None:
    await books.plan(10)
    await books.addon(20)
    assert await cancel(books, at=IN_DECEMBER) == Withdrawal(20, 0, NOVEMBER)
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 10


# a plan that was ordered by mistake


async def test_a_plan_up_by_mistake_is_taken_back_in_the_same_month(books: Books) -> None:
    """R12: a down takes effect next month only; a correction at once, by a line that mirrors the raise."""
    await books.plan(100)
    await books.plan(1500, "up")
    await call(books, "a", 5)
    assert await correct(books, 150) == Withdrawal(1350, 150, NOVEMBER)
    assert (await lines(books))[-1] == ("withdraw", "monthly", 1350, 2)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_granted, usage.monthly_posted, usage.percent) == (150, 5, 3)
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 150


async def test_a_correction_below_several_orders_mirrors_each(books: Books) -> None:
    """Last made, first taken back; the first plan's own line too."""
    await books.plan(100)
    await books.plan(120, "up-1")
    await books.plan(150, "up-2")
    await correct(books, 90)
    assert (await lines(books))[3:] == [
        ("withdraw", "monthly", 30, 3),
        ("withdraw", "monthly", 20, 2),
        ("withdraw", "monthly", 10, 1),
    ]
    await books.plan(95, "up-3")
    await correct(books, 80, "c2")
    assert (await lines(books))[7:] == [("withdraw", "monthly", 5, 7), ("withdraw", "monthly", 10, 1)]
    assert (await books.minutes.replay(COMPANY)).differences == ()


async def test_a_correction_replaces_an_order_down_that_was_to_come(books: Books) -> None:
    await books.plan(100)
    await books.plan(50, "down")
    await correct(books, 80)
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 80


async def test_a_pool_is_not_corrected_below_what_is_used_or_held(books: Books) -> None:
    await books.plan(20)
    await call(books, "a", 4)
    await books.dial("b", 300)
    await books.extend("b", 2, 300)
    with pytest.raises(NotWithdrawable, match=r"10 minutes can be withdrawn, not 18: 4 of its 20 .* 6 are held"):
        await correct(books, 2)
    assert (await correct(books, 10)).granted == 10
    assert await books.extend("b", 7, 400) is None


async def test_there_must_be_something_to_correct_down(books: Books) -> None:
    with pytest.raises(NotWithdrawable, match="2026-11 has no pool"):
        await correct(books, 10)
    await books.plan(10)
    with pytest.raises(NotWithdrawable, match="a pool of 10 minutes, nothing to correct down"):
        await correct(books, 10)
    with pytest.raises(ValueError, match="0 minutes or more"):
        await correct(books, -1)
    await books.plan(50, "up")
    assert (await books.minutes.usage(COMPANY, IN_DECEMBER)).monthly_granted == 50


# once, whatever happens (each operation)


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[Connection, datetime], object]
    other: Callable[[Books], Awaitable[object]]
    """The same order id for something else."""


def _cancellation(at: datetime, minutes: int | None = 2) -> Cancellation:
    return Cancellation(COMPANY, GrantKind.ADDON, "addon-2", minutes, "x", "r", "operator", at)


OPERATIONS = [
    Operation(
        "plan",
        lambda connection, at: orders.set_plan(connection, Order(COMPANY, 30, "x", at)),
        lambda books: books.plan(31, "x"),
    ),
    Operation(
        "add-on, which pays back",
        lambda connection, at: orders.add_addon(connection, Order(COMPANY, 9, "x", at)),
        lambda books: books.addon(8, "x"),
    ),
    Operation(
        "policy",
        lambda connection, at: overdraft.set_policy(connection, PolicyOrder(COMPANY, 7, "x", "operator", at)),
        lambda books: books.policy(8, "x"),
    ),
    Operation(
        "courtesy",
        lambda connection, at: corrections.give_courtesy(connection, Gift(COMPANY, 4, "x", "r", "operator", at)),
        lambda books: books.gift(5, "x"),
    ),
    Operation(
        "cancellation",
        lambda connection, at: corrections.cancel_order(connection, _cancellation(at)),
        lambda books: cancel(books, "addon-2", 1, "x"),
    ),
    Operation(
        "plan correction",
        lambda connection, at: corrections.correct_plan(connection, PlanCorrection(COMPANY, 7, "x", "r", "op", at)),
        lambda books: correct(books, 6, "x"),
    ),
    Operation(
        "refund",
        lambda connection, at: adjustments.refund(connection, RefundRequest("a", 3, "x", "r", "operator", at)),
        lambda books: books.minutes.refund(RefundRequest("a", 2, "x", "r", "operator", books.start)),
    ),
]


class Crash(Exception):
    """The transaction ends without its commit."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
async def test_a_crash_before_the_commit_leaves_nothing_and_after_it_everything_once(
    books: Books, operation: Operation
) -> None:
    await books.addon(5)
    await books.dial("a")
    await books.hang_up("a", 0, 8 * 60)
    await books.plan(20)
    await books.addon(6, "pays-back")
    await books.addon(2, "addon-2")
    before = await state(books)

    def crashing(connection: Connection) -> None:
        operation.run(connection, books.start)
        raise Crash

    with pytest.raises(Crash):
        await books.database.writer.submit(crashing)
    assert await state(books) == before
    first = await books.database.writer.submit(lambda connection: operation.run(connection, books.start))
    after = await state(books)
    assert after != before
    for seconds in (0, 1, 40 * 24 * 3600):
        again = books.at(seconds)
        told = await books.database.writer.submit(lambda connection, at=again: operation.run(connection, at))
        assert told == first
        assert await state(books) == after
    with pytest.raises(KeyReused):
        await operation.other(books)
    assert await state(books) == after


async def state(books: Books) -> list[Any]:
    """Everything that an operation could have changed."""
    tables = ("accounts", "grants", "entries", "plan_versions", "policy_versions", "adjustments", "operations")
    async with books.database.reading() as connection:
        return [[tuple(row) for row in await connection.execute(text(f"SELECT * FROM {name}"))] for name in tables]
