"""Plans, add-ons, usage and the call list through the administration service, on the real ledger."""

from __future__ import annotations

import pytest

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from tests.unit.directory.support import Administration

INVALID, NOT_FOUND, CONFLICT = ErrorKind.INVALID, ErrorKind.NOT_FOUND, ErrorKind.CONFLICT


async def test_usage_shows_what_was_contracted(admin: Administration) -> None:
    """R1, R5."""
    await admin.with_company()
    plan = await admin.do(c.SetPlan(company="acme", minutes=500))
    assert (plan["company"], plan["minutes"], plan["applies_from"]) == ("acme", 500, "2026-11")
    await admin.do(c.AddAddon(company="acme", minutes=100, order_id="invoice/7"))
    usage = await admin.do(c.ShowUsage(company="acme"))
    assert usage == {
        "company": "acme",
        "period": "2026-11",
        "monthly_granted": 500,
        "monthly_posted": 0,
        "percent": 0,
        "addon_contracted_in_month": 100,
        "addon_posted": 0,
        "addon_balance": 100,
        "courtesy_balance": 0,
        "overdraft": 0,
        "policy": "cut",
        "overdraft_limit": 0,
        "held": 0,
        "next_pool": 500,
        "renews_at": "2026-12-01T00:00:00-03:00",
    }


async def test_usage_shows_the_pool_of_next_month_as_ordered_so_far(admin: Administration) -> None:
    """R12: down next month, and what takes a down back again."""
    await admin.with_company()

    async def pools() -> tuple[int, int]:
        usage = await admin.do(c.ShowUsage(company="acme"))
        return usage["monthly_granted"], usage["next_pool"]

    assert await pools() == (0, 0)
    await admin.do(c.SetPlan(company="acme", minutes=500))
    await admin.do(c.SetPlan(company="acme", minutes=50))
    assert await pools() == (500, 50)
    await admin.do(c.CorrectPlan(company="acme", minutes=400, order_id="c1", reason="um zero a mais"))
    assert await pools() == (400, 400)


async def test_pool_of_nothing_has_no_percentage(admin: Administration) -> None:
    """R5: shown as a dash."""
    await admin.with_company()
    assert (await admin.do(c.ShowUsage(company="acme")))["percent"] is None


async def test_the_same_order_is_one_grant_and_another_size_a_conflict(admin: Administration) -> None:
    await admin.with_company()
    for _ in range(10):
        await admin.do(c.AddAddon(company="acme", minutes=100, order_id="o1"))
    assert [row["minutes"] for row in await admin.do(c.ListEntries(company="acme"))] == [100]
    await admin.refuse(c.AddAddon(company="acme", minutes=101, order_id="o1"), CONFLICT, "o1 was used before")
    await admin.refuse(c.SetPlan(company="acme", minutes=100, order_id="o1"), CONFLICT, "o1 was used before")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (c.SetPlan(company="acme", minutes=-1), "between 0 and"),
        (c.SetPlan(company="acme", minutes=10**9), "between 0 and"),
        (c.AddAddon(company="acme", minutes=0, order_id="o"), "between 1 and"),
        (c.AddAddon(company="acme", minutes=1, order_id=""), "order id"),
        (c.AddAddon(company="acme", minutes=1, order_id="a b"), "order id"),
    ],
)
async def test_bad_figures_are_refused(admin: Administration, command: c.Command, words: str) -> None:
    await admin.with_company()
    await admin.refuse(command, INVALID, words)
