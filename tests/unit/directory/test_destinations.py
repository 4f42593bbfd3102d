"""A company's rules about destinations through the administration service (D14)."""

from __future__ import annotations

import pytest

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from tests.unit.directory.support import AT, Administration

INVALID, NOT_FOUND = ErrorKind.INVALID, ErrorKind.NOT_FOUND


async def prefixes(admin: Administration, company: str = "acme") -> dict[str, bool]:
    return {row["prefix"]: row["allowed"] for row in await admin.do(c.ListDestinations(company=company))}


async def test_one_rule_for_each_prefix_and_company(admin: Administration) -> None:
    await admin.with_company("Acme")
    await admin.with_company("Other")
    added = await admin.do(c.AllowDestination(company="acme", prefix="+55 (11) 9"))
    assert added == {
        "company": "acme",
        "prefix": "+55119",
        "allowed": True,
        "changed_at": AT.isoformat().replace("+00:00", "Z"),
        "changed_by": "root",
    }
    await admin.do(c.DenyDestination(company="other", prefix="+55119"))
    assert not (await admin.do(c.DenyDestination(company="acme", prefix="+55119")))["allowed"]
    await admin.do(c.AllowDestination(company="acme", prefix="0900"))
    assert await prefixes(admin) == {"+55119": False, "0900": True}
    assert await prefixes(admin, "other") == {"+55119": False}
    assert await admin.do(c.RemoveDestination(company="acme", prefix="+55 119")) == {"removed": "+55119"}
    assert await prefixes(admin) == {"0900": True}
    await admin.refuse(c.RemoveDestination(company="acme", prefix="+55119"), NOT_FOUND, "has no rule for '+55119'")


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("", "no number begins with"),
        ("11", "+ and the country code"),
        ("0044", "+ and the country code"),
        ("+999", "no number begins with"),
        ("190", "always passes (D16)"),
        ("a\nb", "no number begins with"),
    ],
)
async def test_bad_prefixes_are_refused(admin: Administration, prefix: str, words: str) -> None:
    await admin.with_company()
    await admin.refuse(c.AllowDestination(company="acme", prefix=prefix), INVALID, words)
    await admin.refuse(c.DenyDestination(company="acme", prefix=prefix), INVALID, words)
    assert await prefixes(admin) == {}


async def test_a_number_is_tested_as_the_companys_agents_dial_it(admin: Administration) -> None:
    await admin.with_company(area_code="21")
    await admin.with_agent("acme", "1001")
    await admin.do(c.DenyDestination(company="acme", prefix="+5521"))
    await admin.do(c.AllowDestination(company="acme", prefix="+55219"))

    async def verdict(number: str) -> tuple[str, str, bool, str | None]:
        found = await admin.do(c.TestDestination(company="acme", number=number))
        assert found.pop("why")
        return found["number"], found["kind"], found["allowed"], found["prefix"]

    assert await verdict("3333-4444") == ("+552133334444", "geographic", False, "+5521")
    assert await verdict("98765-4321") == ("+5521987654321", "mobile", True, "+55219")
    assert await verdict("0 15 11 3333 4444") == ("+551133334444", "geographic", True, None)
    assert await verdict("0900123456") == ("0900123456", "premium", False, None)
    assert await verdict("001512125551234") == ("+12125551234", "international", False, None)
    assert await verdict("1001") == ("1001", "extension", True, None)
    assert await verdict("190") == ("190", "emergency", True, None)
    await admin.refuse(c.TestDestination(company="acme", number="12"), INVALID, "no telephone number")


async def test_what_decides_is_said_in_words(admin: Administration) -> None:
    await admin.with_company()
    await admin.do(c.AllowDestination(company="acme", prefix="+1"))
    told = await admin.do(c.TestDestination(company="acme", number="+12125551234"))
    assert told["why"] == "the rule: allow +1"
    told = await admin.do(c.TestDestination(company="acme", number="+442079460958"))
    assert told["why"] == "no rule of the company's: the default for international numbers"
