"""Plans, add-ons, usage and the call list through the administration service, on the real ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from callcontrol.database import Database
from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from callcontrol.engine.ports.ledger import CallClosing, CallOpening
from callcontrol.ledger.ledger import SqlLedger
from tests.unit.directory.support import AT, Administration

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
        "addon_balance": 100,
        "courtesy_balance": 0,
        "overdraft": 0,
        "policy": "cut",
        "overdraft_limit": 0,
        "held": 0,
        "renews_at": "2026-12-01T00:00:00-03:00",
    }


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
        (c.ListCalls(company="acme", first_day="yesterday"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", last_day="9999-12-31"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", first_day="20261122"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", first_day="2026-11-02", last_day="2026-11-01"), "before the first"),
        (c.ListCalls(company="acme", limit=0), "between 1 and"),
    ],
)
async def test_bad_figures_are_refused(admin: Administration, command: c.Command, words: str) -> None:
    await admin.with_company()
    await admin.refuse(command, INVALID, words)


async def test_call_list_names_agent_user_and_contact(admin: Administration, database: Database) -> None:
    """R10; a removed agent's calls stay under its name."""
    await admin.with_company()
    await admin.do(c.SetPlan(company="acme", minutes=500))
    await admin.with_agent(email="ana@x.br", name="Ramal da Ana")
    await admin.do(c.AddUser(company="acme", email="ana@x.br", name="Ana Souza", role="agent"))
    await admin.do(c.AddContact(company="acme", number="11987654321", name="Bob", contact_company="Bob Ltda"))
    await _one_call(admin, database)
    [call] = await admin.do(c.ListCalls(company="acme", first_day="2026-11-22", last_day="2026-11-22"))
    assert (call["user"], call["extension"]) == ("Ana Souza", "1001")
    assert (call["contact"], call["contact_company"]) == ("Bob", "Bob Ltda")
    assert (call["status"], call["billsec"], call["billed_minutes"]) == ("Atendida", 97, 2)
    assert call["answered_at"] == "2026-11-22T09:00:05-03:00"
    await admin.do(c.RemoveUser(email="ana@x.br"))
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    [call] = await admin.do(c.ListCalls(company="acme"))
    assert (call["user"], call["extension"]) == ("Ramal da Ana", "1001")
    assert await admin.do(c.ListCalls(company="acme", last_day="2026-11-21")) == []
    await admin.refuse(c.RemoveCompany(company="acme"), CONFLICT, "history is never lost")


async def _one_call(admin: Administration, database: Database) -> None:
    [company] = await admin.do(c.ListCompanies())
    [agent] = await admin.do(c.ListAgents(company="acme"))
    common: dict[str, Any] = {
        "call_id": "call-1",
        "node": "main",
        "sip_username": "1001",
        "dialled": "987654321",
        "agent_channel": "a",
        "customer_channel": "b",
        "started_at": AT,
    }
    terms = CallTerms(
        company_id=company["id"],
        agent_id=agent["id"],
        user_id=None,
        direction="outbound",
        number="+5511987654321",
        dial_string="PJSIP/+5511987654321@carrier",
        trunk="carrier",
        caller_id="+551133334444",
        billable=True,
        max_call_s=10800,
        time_zone="America/Sao_Paulo",
    )
    ledger = SqlLedger(database)
    await ledger.authorise(CallOpening(**common, terms=terms))
    answered_at = AT + timedelta(seconds=5)
    await ledger.record_answer("call-1", answered_at, company_id=company["id"])
    await ledger.extend("call-1", 2, answered_at, company_id=company["id"])
    await ledger.close(
        CallClosing(
            **common,
            company_id=company["id"],
            agent_id=agent["id"],
            user_id=None,
            direction="outbound",
            number="+5511987654321",
            rang_at=None,
            answered_at=answered_at,
            ended_at=answered_at + timedelta(seconds=97, milliseconds=900),
            disposition=Disposition.ANSWERED,
            reason=Reason.CUSTOMER_HUNG_UP,
            q850=16,
            sip_code=None,
            cut_for_exhaustion=False,
            estimated=False,
        )
    )
