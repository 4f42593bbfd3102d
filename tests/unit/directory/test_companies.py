"""Companies through the administration service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from tests.unit.directory.support import Administration

INVALID, NOT_FOUND, CONFLICT = ErrorKind.INVALID, ErrorKind.NOT_FOUND, ErrorKind.CONFLICT


async def test_defaults_are_those_of_the_rule_book(admin: Administration) -> None:
    added = await admin.do(c.AddCompany(name=" Padaria  São João ", area_code="21"))
    assert added.pop("id") > 0
    assert added == {
        "slug": "padaria-sao-joao",
        "name": "Padaria  São João",
        "time_zone": "America/Sao_Paulo",
        "area_code": "21",
        "blocked": False,
        "max_call_minutes": 180,
        "bill_inbound": False,
        "auto_answer": False,
        "recording": False,
    }
    assert [row["slug"] for row in await admin.do(c.ListCompanies())] == ["padaria-sao-joao"]


async def test_set_changes_only_what_is_given(admin: Administration) -> None:
    await admin.with_company(recording=True)
    before = (await admin.do(c.ListCompanies()))[0]
    after = await admin.do(c.SetCompany(company="acme", blocked=True, max_call_minutes=60))
    assert after == {**before, "blocked": True, "max_call_minutes": 60}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "  "}, "must not be empty"),
        ({"name": "a\nb"}, "one line"),
        ({"name": "x" * 101}, "at most 100"),
        ({"name": "東京"}, "give one with --slug"),
        ({"slug": "Acme"}, "lower-case"),
        ({"slug": "a--b"}, "lower-case"),
        ({"slug": "a/b"}, "lower-case"),
        ({"slug": "x" * 41}, "at most 40"),
        ({"time_zone": "Sao_Paulo"}, "IANA"),
        ({"time_zone": "../etc/passwd"}, "IANA"),
        ({"area_code": "1"}, "area code"),
        ({"area_code": "20"}, "area code"),
        ({"area_code": "011"}, "area code"),
        ({"max_call_minutes": 0}, "between 1 and 1440"),
        ({"max_call_minutes": 10**12}, "between 1 and 1440"),
    ],
)
async def test_bad_fields_are_refused(admin: Administration, fields: dict[str, Any], words: str) -> None:
    await admin.refuse(c.AddCompany(**{"name": "Acme", "area_code": "11", **fields}), INVALID, words)
    assert await admin.do(c.ListCompanies()) == []


async def test_slug_is_unique_and_not_the_installations_own(admin: Administration) -> None:
    await admin.with_company()
    await admin.refuse(c.AddCompany(name="ACME!", area_code="11"), CONFLICT, "'acme' already")
    # `callcontrol/v1/nodes/...` is an MQTT topic of the installation.
    await admin.refuse(c.AddCompany(name="Nodes", area_code="11"), CONFLICT, "reserved")


async def test_nothing_to_change_is_said(admin: Administration) -> None:
    await admin.with_company()
    await admin.refuse(c.SetCompany(company="acme"), INVALID, "nothing to change")


@pytest.mark.parametrize(
    "command",
    [
        lambda: c.SetCompany(company="acme", blocked=True),
        lambda: c.RemoveCompany(company="acme"),
        lambda: c.AddUser(company="acme", email="a@b.c", name="A", role="agent"),
        lambda: c.ListUsers(company="acme"),
        lambda: c.AddAgent(company="acme", extension="1001", name="A"),
        lambda: c.ListAgents(company="acme"),
        lambda: c.SetAgent(company="acme", extension="1001", name="A"),
        lambda: c.RemoveAgent(company="acme", extension="1001"),
        lambda: c.ShowToken(company="acme", extension="1001"),
        lambda: c.RotateToken(company="acme", extension="1001"),
        lambda: c.AddDid(company="acme", number="1133334444"),
        lambda: c.ListDids(company="acme"),
        lambda: c.AddOriginNumber(company="acme", number="1133334444"),
        lambda: c.ListOriginNumbers(company="acme"),
        lambda: c.SetOriginNumber(company="acme", number="1133334444"),
        lambda: c.RemoveOriginNumber(company="acme", number="1133334444"),
        lambda: c.AddContact(company="acme", number="1133334444", name="A"),
        lambda: c.ListContacts(company="acme"),
        lambda: c.SetContact(company="acme", number="1133334444", name="A"),
        lambda: c.RemoveContact(company="acme", number="1133334444"),
        lambda: c.AllowDestination(company="acme", prefix="+1"),
        lambda: c.DenyDestination(company="acme", prefix="+1"),
        lambda: c.RemoveDestination(company="acme", prefix="+1"),
        lambda: c.ListDestinations(company="acme"),
        lambda: c.TestDestination(company="acme", number="1133334444"),
        lambda: c.SetPlan(company="acme", minutes=1),
        lambda: c.AddAddon(company="acme", minutes=1, order_id="o"),
        lambda: c.ShowUsage(company="acme"),
        lambda: c.ListCalls(company="acme"),
        lambda: c.ListEntries(company="acme"),
    ],
)
async def test_every_command_says_that_a_company_is_not_there(
    admin: Administration, command: Callable[[], c.Command]
) -> None:
    await admin.refuse(command(), NOT_FOUND, "there is no company 'acme'")


async def test_company_without_history_goes_with_all_that_is_its_own(admin: Administration) -> None:
    await admin.with_company()
    await admin.with_agent()
    await admin.do(c.AddUser(company="acme", email="ana@x.br", name="Ana", role="agent"))
    await admin.do(c.AddOriginNumber(company="acme", number="1133334444"))
    await admin.do(c.AddDid(company="acme", number="1133334444", extension="1001"))
    await admin.do(c.AddContact(company="acme", number="11987654321", name="Bob"))
    await admin.do(c.AllowDestination(company="acme", prefix="+1"))
    del admin.told[:]
    assert await admin.do(c.RemoveCompany(company="acme")) == {"removed": "acme"}
    assert admin.told == ["softphones"]
    for empty in (c.ListCompanies(), c.ListUsers(), c.ListAgents(), c.ListDids(), c.ListOriginNumbers()):
        assert await admin.do(empty) == []


async def test_looking_at_its_usage_does_not_keep_a_company(admin: Administration) -> None:
    await admin.with_company()
    await admin.do(c.ShowUsage(company="acme"))
    await admin.do(c.RemoveCompany(company="acme"))


async def test_company_with_minutes_is_never_removed(admin: Administration) -> None:
    """The ledger's history outlives every administrator."""
    await admin.with_company()
    await admin.do(c.SetPlan(company="acme", minutes=100))
    await admin.refuse(c.RemoveCompany(company="acme"), CONFLICT, "company set acme --blocked")
    assert len(await admin.do(c.ListEntries(company="acme"))) == 1
