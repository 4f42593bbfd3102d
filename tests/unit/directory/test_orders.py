"""Overdraft, courtesy, corrections and blocking through the administration service, on the real ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callcontrol.database import Database
from callcontrol.directory import SqlDirectory
from callcontrol.domain.admission import CallTerms, Refusal, admit
from callcontrol.domain.causes import Reason
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from callcontrol.engine.ports.ledger import Hold
from callcontrol.ledger.audit import audit
from callcontrol.ledger.ledger import SqlLedger
from tests.support.books import closing, opening
from tests.unit.directory.support import AT, Administration

INVALID, NOT_FOUND, CONFLICT = ErrorKind.INVALID, ErrorKind.NOT_FOUND, ErrorKind.CONFLICT


async def test_the_policy_is_contracted_and_shown(admin: Administration) -> None:
    """D4."""
    await admin.with_company()
    finish = c.SetPolicy(company="acme", policy="finish", limit_minutes=30, order_id="p1")
    assert await admin.do(finish) == {"company": "acme", "order_id": "p1", "policy": "finish", "overdraft_limit": 30}
    usage = await admin.do(c.ShowUsage(company="acme"))
    assert (usage["policy"], usage["overdraft_limit"], usage["overdraft"]) == ("finish", 30, 0)
    await admin.do(c.SetPolicy(company="acme", policy="cut", order_id="p2"))
    await admin.do(finish)
    assert (await admin.do(c.ShowUsage(company="acme")))["policy"] == "cut"
    other = c.SetPolicy(company="acme", policy="finish", limit_minutes=31, order_id="p1")
    await admin.refuse(other, CONFLICT, "p1 was used before")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (c.SetPolicy(company="acme", policy="stop", order_id="o"), "cut, finish"),
        (c.SetPolicy(company="acme", policy="finish", order_id="o"), "needs --limit"),
        (c.SetPolicy(company="acme", policy="finish", limit_minutes=0, order_id="o"), "between 1 and"),
        (c.SetPolicy(company="acme", policy="cut", limit_minutes=5, order_id="o"), "has no limit"),
        (c.AddCourtesy(company="acme", minutes=0, order_id="o", reason="x"), "between 1 and"),
        (c.AddCourtesy(company="acme", minutes=1, order_id="o", reason=" "), "the reason must not be empty"),
        (c.CorrectPlan(company="acme", minutes=-1, order_id="o", reason="x"), "between 0 and"),
        (c.CancelOrder(company="acme", kind="plan", of_order="p", order_id="o", reason="x"), "addon, courtesy"),
        (c.CancelOrder(company="acme", kind="addon", of_order="", order_id="o", reason="x"), "order id"),
        (
            c.CancelOrder(company="acme", kind="addon", of_order="p", minutes=0, order_id="o", reason="x"),
            "between 1 and",
        ),
    ],
)
async def test_bad_orders_are_refused(admin: Administration, command: c.Command, words: str) -> None:
    await admin.with_company()
    await admin.refuse(command, INVALID, words)


async def test_a_wrong_order_is_taken_back(admin: Administration) -> None:
    """R12."""
    await admin.with_company()
    await admin.do(c.SetPlan(company="acme", minutes=100))
    await admin.do(c.SetPlan(company="acme", minutes=1500, order_id="up"))
    await admin.do(c.AddAddon(company="acme", minutes=500, order_id="a1"))
    gift = c.AddCourtesy(company="acme", minutes=20, order_id="g1", reason="desculpas")
    assert await admin.do(gift) == {"company": "acme", "order_id": "g1", "minutes": 20, "applies_from": "2026-11"}

    def cancel(kind: str, order_id: str, minutes: int | None = None) -> c.Command:
        return c.CancelOrder(
            company="acme", kind=kind, of_order="a1", minutes=minutes, order_id=order_id, reason="um zero a mais"
        )

    def correct(minutes: int, order_id: str) -> c.Command:
        return c.CorrectPlan(company="acme", minutes=minutes, order_id=order_id, reason="um zero a mais")

    told = {"company": "acme", "order_id": "c1", "withdrawn": 1350, "granted": 150}
    assert await admin.do(correct(150, "c1")) == await admin.do(correct(150, "c1")) == told
    assert (await admin.do(cancel("addon", "c2", 450)))["granted"] == 50
    await admin.refuse(cancel("addon", "c3", 60), CONFLICT, "50 minutes can be withdrawn, not 60")
    await admin.refuse(cancel("courtesy", "c3"), NOT_FOUND, "no courtesy of the order 'a1'")
    await admin.do(c.CancelOrder(company="acme", kind="courtesy", of_order="g1", order_id="c4", reason="engano"))
    again = c.CancelOrder(company="acme", kind="courtesy", of_order="g1", order_id="c5", reason="engano")
    await admin.refuse(again, CONFLICT, "all of it has been withdrawn already")
    await admin.refuse(correct(200, "c3"), CONFLICT, "order what is right with `plan set`")
    usage = await admin.do(c.ShowUsage(company="acme"))
    assert (usage["monthly_granted"], usage["addon_balance"], usage["courtesy_balance"]) == (150, 50, 0)
    rows = await admin.do(c.ListEntries(company="acme"))
    assert [row["reason"] for row in rows] == [None, None, None, "desculpas", *["um zero a mais"] * 2, "engano"]
    await admin.refuse(c.ListEntries(company="acme", call_id="nope"), NOT_FOUND, "there is no call 'nope'")


async def test_a_blocked_company_dials_nothing_and_its_minutes_are_untouched(
    admin: Administration, database: Database, directory: SqlDirectory
) -> None:
    """Who is talking goes on and pays; re-activated, it dials again at once."""
    await admin.with_company()
    await admin.with_agent()
    await admin.do(c.AddTrunk(name="carrier", endpoint="carrier"))
    await admin.do(c.AddOriginNumber(company="acme", number="1133334444"))
    await admin.do(c.SetPlan(company="acme", minutes=10))
    [company] = await admin.do(c.ListCompanies())
    ledger = SqlLedger(database)

    async def dials() -> CallTerms | Refusal:
        caller = await directory.caller("1001", "988887777")
        return admit(caller, "988887777", emergency_codes=(), emergency_trunk=None)

    assert isinstance(await dials(), CallTerms)
    assert await ledger.authorise(opening("talk", AT, company_id=company["id"])) == Hold(1, last=False)
    before = await admin.do(c.ListEntries(company="acme")), await admin.do(c.ShowUsage(company="acme"))
    await admin.do(c.SetCompany(company="acme", blocked=True))
    refused = await dials()
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.COMPANY_BLOCKED
    assert before == (await admin.do(c.ListEntries(company="acme")), await admin.do(c.ShowUsage(company="acme")))
    assert await ledger.extend("talk", 2, AT, company_id=company["id"]) == Hold(2, last=False)
    ended = closing("talk", AT + timedelta(seconds=97), answered_at=AT, company_id=company["id"])
    assert (await ledger.close(ended)).billed_minutes == 2
    await admin.do(c.SetCompany(company="acme", blocked=False))
    assert isinstance(await dials(), CallTerms)
    assert (await admin.do(c.ShowUsage(company="acme")))["monthly_posted"] == 2
    assert await database.writer.submit(audit) == []
