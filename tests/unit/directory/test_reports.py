"""Call list and report through the administration service, on the real ledger (R8-R10)."""

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


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (c.ListCalls(company="acme", first_day="yesterday"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", last_day="9999-12-31"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", first_day="20261122"), "such as 2026-11-22"),
        (c.ListCalls(company="acme", first_day="2026-11-02", last_day="2026-11-01"), "before the first"),
        (c.ListCalls(company="acme", limit=0), "between 1 and"),
        (c.ListCalls(company="acme", limit=5_001), "between 1 and 5000"),
        (c.ListCalls(company="acme", direction="up"), "one of outbound, inbound, internal"),
        (c.ListCalls(company="acme", statuses=["Atendida", "atendeu"]), "one of Chamando, Em ligação, Atendida"),
        (c.ListCalls(company="acme", after="xyz"), "the `next` of the page before"),
        (c.ListCalls(company="acme", text="a\nb"), "one line of text"),
        (c.ShowReport(company="acme", first_day="2026-11-31"), "such as 2026-11-22"),
        (c.ShowReport(company="acme", first_day="2026-11-02", last_day="2026-11-01"), "before the first"),
    ],
)
async def test_bad_filters_are_refused(admin: Administration, command: c.Command, words: str) -> None:
    await admin.with_company()
    await admin.refuse(command, INVALID, words)


async def test_only_the_companys_own_people_can_be_asked_for(admin: Administration) -> None:
    await admin.with_company()
    await admin.with_company("Other")
    await admin.with_agent("other", "2002")
    await admin.do(c.AddUser(company="other", email="eva@x.br", name="Eva", role="agent"))
    await admin.refuse(c.ListCalls(company="acme", user="eva@x.br"), NOT_FOUND, "no user eva@x.br")
    await admin.refuse(c.ListCalls(company="acme", extension="2002"), NOT_FOUND, "no agent '2002'")


async def test_the_call_list_names_user_agent_and_contact(admin: Administration, database: Database) -> None:
    """R10: the user who called, also when user and agent are gone."""
    await admin.with_company()
    await admin.do(c.SetPlan(company="acme", minutes=500))
    await admin.with_agent(email="ana@x.br", name="Ramal da Ana")
    user = await admin.do(c.AddUser(company="acme", email="ana@x.br", name="Ana Souza", role="agent"))
    await admin.do(c.AddContact(company="acme", number="11987654321", name="Bob", contact_company="Bob Ltda"))
    await _one_call(admin, database, user["id"])
    page = await admin.do(c.ListCalls(company="acme", first_day="2026-11-22", last_day="2026-11-22"))
    [call] = page["calls"]
    assert page["next"] is None
    assert (call["user"], call["extension"]) == ("Ana Souza", "1001")
    assert (call["contact"], call["contact_company"]) == ("Bob", "Bob Ltda")
    assert (call["status"], call["billsec"], call["billed_minutes"]) == ("Atendida", 97, 2)
    assert call["answered_at"] == "2026-11-22T09:00:05-03:00"
    for which in (
        {"user": "ana@x.br"},
        {"extension": "1001"},
        {"statuses": ["atendida"]},
        {"direction": "outbound"},
        {"text": "bob lt"},
        {"text": "(11) 98765-4321"},
    ):
        assert (await admin.do(c.ListCalls(company="acme", **which)))["calls"] == [call], which
    for which in ({"statuses": ["Nao Atendida"]}, {"direction": "inbound"}, {"text": "carla"}, {"text": "4322"}):
        assert (await admin.do(c.ListCalls(company="acme", **which)))["calls"] == [], which
    await admin.do(c.RemoveUser(email="ana@x.br"))
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    [call] = (await admin.do(c.ListCalls(company="acme")))["calls"]
    assert (call["user"], call["extension"]) == ("Ana Souza", "1001")
    assert (await admin.do(c.ListCalls(company="acme", last_day="2026-11-21")))["calls"] == []
    await admin.refuse(c.RemoveCompany(company="acme"), CONFLICT, "history is never lost")


async def test_an_agent_without_a_user_calls_under_its_own_name(admin: Administration, database: Database) -> None:
    """R8, R10."""
    await admin.with_company()
    await admin.with_agent(name="Ramal da Ana")
    await _one_call(admin, database)
    [call] = (await admin.do(c.ListCalls(company="acme")))["calls"]
    assert (call["user"], call["extension"]) == ("Ramal da Ana", "1001")
    report = await admin.do(c.ShowReport(company="acme", by_user=True))
    [user] = report["users"]
    assert (user["name"], user["email"], user["extension"]) == ("Ramal da Ana", None, "1001")
    assert user["totals"] == report["totals"]


async def test_a_contact_is_found_by_its_new_name(admin: Administration, database: Database) -> None:
    """Whatever its accents and case; the words that are searched for are kept with the contact."""
    await admin.with_company()
    await admin.with_agent()
    await admin.do(c.AddContact(company="acme", number="11987654321", name="Bob"))
    await _one_call(admin, database)
    await admin.do(c.SetContact(company="acme", number="11987654321", name="JOÃO", contact_company="Pão & Cia 100%"))
    for text, found in (("joao", 1), ("João pão", 1), ("100%", 1), ("bob", 0), ("1%0", 0), ("_", 0)):
        page = await admin.do(c.ListCalls(company="acme", text=text))
        assert len(page["calls"]) == found, text


async def test_a_report_is_of_this_month_unless_asked_otherwise(admin: Administration, database: Database) -> None:
    """R8, R9."""
    await admin.with_company()
    await admin.with_agent()
    await _one_call(admin, database)
    report = await admin.do(c.ShowReport(company="acme"))
    assert (report["first_day"], report["last_day"]) == ("2026-11-01", "2026-11-30")
    assert (report["time_zone"], report["users"], report["held"]) == ("America/Sao_Paulo", None, 0)
    assert report["totals"]["outbound"] == {
        "connected": 1,
        "not_connected": 0,
        "total": 1,
        "refused": 0,
        "minutes": 2,
        "billed_minutes": 2,
        "refunded_minutes": 0,
        "billsec": 97,
    }
    before = await admin.do(c.ShowReport(company="acme", last_day="2026-11-21"))
    assert (before["first_day"], before["last_day"]) == (None, "2026-11-21")
    assert before["totals"]["outbound"]["total"] == 0


async def _one_call(admin: Administration, database: Database, user_id: int | None = None) -> None:
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
        user_id=user_id,
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
            user_id=user_id,
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
