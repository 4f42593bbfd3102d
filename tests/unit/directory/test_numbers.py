"""Trunks, DIDs, origin numbers and contacts through the administration service."""

from __future__ import annotations

from typing import Any

import pytest

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import ErrorKind
from tests.unit.directory.support import Administration

INVALID, NOT_FOUND, CONFLICT = ErrorKind.INVALID, ErrorKind.NOT_FOUND, ErrorKind.CONFLICT


async def defaults(admin: Administration) -> dict[str, bool]:
    return {row["name"]: row["is_default"] for row in await admin.do(c.ListTrunks())}


async def test_there_is_always_exactly_one_default_trunk(admin: Administration) -> None:
    await admin.do(c.AddTrunk(name="a", endpoint="carrier-a"))
    await admin.do(c.AddTrunk(name="b", endpoint="carrier-b"))
    assert await defaults(admin) == {"a": True, "b": False}
    await admin.do(c.SetTrunk(name="b", is_default=True))
    assert await defaults(admin) == {"a": False, "b": True}
    await admin.do(c.AddTrunk(name="c", endpoint="carrier-c", is_default=True))
    assert await defaults(admin) == {"a": False, "b": False, "c": True}
    await admin.refuse(c.SetTrunk(name="c", is_default=False), INVALID, "another one")
    await admin.refuse(c.RemoveTrunk(name="c"), CONFLICT, "is the default")
    await admin.do(c.RemoveTrunk(name="a"))
    await admin.do(c.RemoveTrunk(name="b"))
    await admin.do(c.RemoveTrunk(name="c"))
    await admin.refuse(c.RemoveTrunk(name="c"), NOT_FOUND, "no trunk 'c'")


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"name": "a"}, CONFLICT, "already"),
        ({"name": "a b"}, INVALID, "name"),
        ({"endpoint": ""}, INVALID, "endpoint"),
        # It becomes part of a dial string: `PJSIP/number@endpoint`.
        ({"endpoint": "x&PJSIP/y"}, INVALID, "endpoint"),
        ({"number_format": "E164"}, INVALID, "e164, digits, national"),
    ],
)
async def test_bad_trunks_are_refused(
    admin: Administration, fields: dict[str, Any], kind: ErrorKind, words: str
) -> None:
    await admin.do(c.AddTrunk(name="a", endpoint="carrier-a"))
    await admin.refuse(c.AddTrunk(**{"name": "b", "endpoint": "carrier-b", **fields}), kind, words)


async def test_numbers_are_stored_in_e164_as_the_company_dials_them(admin: Administration) -> None:
    await admin.with_company(area_code="21")
    assert (await admin.do(c.AddContact(company="acme", number="98765-4321", name="B")))["number"] == "+5521987654321"
    assert (await admin.do(c.AddDid(company="acme", number="(11) 3333-4444")))["number"] == "+551133334444"
    assert (await admin.do(c.AddOriginNumber(company="acme", number="0800 123 4567")))["number"] == "08001234567"


@pytest.mark.parametrize(
    "number", ["", "abc", "190", "0900123456", "+12125550100", "123", "1" * 40, "１１３３３３４４４４x"]
)
async def test_what_a_company_cannot_own_is_refused(admin: Administration, number: str) -> None:
    await admin.with_company()
    await admin.refuse(c.AddOriginNumber(company="acme", number=number), INVALID, "number")
    await admin.refuse(c.AddDid(company="acme", number=number), INVALID, "number")


async def test_a_number_belongs_to_one_company(admin: Administration) -> None:
    """R11: the origin number is chosen among numbers the company owns."""
    await admin.with_company("Acme")
    await admin.with_company("Other")
    await admin.do(c.AddOriginNumber(company="acme", number="1133334444"))
    await admin.refuse(c.AddOriginNumber(company="other", number="1133334444"), CONFLICT, "'acme' already")
    await admin.refuse(c.SetOriginNumber(company="other", number="1133334444"), NOT_FOUND, "does not own")
    await admin.do(c.AddDid(company="acme", number="1133334444"))
    await admin.refuse(c.AddDid(company="other", number="1133334444"), CONFLICT, "'acme' already")


async def test_one_origin_number_is_current(admin: Administration) -> None:
    await admin.with_company()
    for number in ("1133330001", "1133330002", "1133330003"):
        await admin.do(c.AddOriginNumber(company="acme", number=number, make_current=number.endswith("3")))
    current = [row["number"] for row in await admin.do(c.ListOriginNumbers(company="acme")) if row["is_current"]]
    assert current == ["+551133330003"]
    chosen = await admin.do(c.SetOriginNumber(company="acme", number="1133330002"))
    assert chosen["is_current"]
    await admin.refuse(c.RemoveOriginNumber(company="acme", number="1133330002"), CONFLICT, "another one first")
    await admin.do(c.RemoveOriginNumber(company="acme", number="1133330001"))
    await admin.do(c.RemoveOriginNumber(company="acme", number="1133330003"))
    await admin.do(c.RemoveOriginNumber(company="acme", number="1133330002"))
    await admin.refuse(c.RemoveOriginNumber(company="acme", number="1133330002"), NOT_FOUND, "does not own")


async def test_did_rings_an_agent_of_its_company(admin: Administration) -> None:
    await admin.with_company("Acme")
    await admin.with_company("Other")
    await admin.with_agent("acme", "1001")
    await admin.with_agent("other", "2001")
    await admin.refuse(c.AddDid(company="acme", number="1133334444", extension="2001"), NOT_FOUND, "'2001'")
    await admin.do(c.AddDid(company="acme", number="1133334444", extension="1001"))
    await admin.refuse(c.SetDid(number="1133334444", extension="2001"), NOT_FOUND, "'2001'")
    await admin.refuse(c.SetDid(number="33334444", extension="1001"), INVALID, "with its DDD")
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    assert [row["extension"] for row in await admin.do(c.ListDids(company="acme"))] == [None]
    await admin.do(c.RemoveDid(number="11 3333-4444"))
    await admin.refuse(c.RemoveDid(number="1133334444"), NOT_FOUND, "no DID")


async def test_contacts(admin: Administration) -> None:
    await admin.with_company()
    await admin.do(c.AddContact(company="acme", number="11987654321", name="Bob", contact_company="Bob Ltda"))
    await admin.refuse(c.AddContact(company="acme", number="987654321", name="Eve"), CONFLICT, "already: Bob")
    changed = await admin.do(c.SetContact(company="acme", number="987654321", contact_company=""))
    assert (changed["name"], changed["contact_company"]) == ("Bob", "")
    await admin.do(c.RemoveContact(company="acme", number="+5511987654321"))
    await admin.refuse(c.RemoveContact(company="acme", number="11987654321"), NOT_FOUND, "no contact")
    await admin.refuse(c.AddContact(company="acme", number="12", name="Eve"), INVALID, "no telephone number")
