"""Users, agents and tokens through the administration service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from callcontrol.database import Database
from callcontrol.directory import SqlDirectoryStore, TokenVault
from callcontrol.directory.tables import token_showings
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import AdminError, ErrorKind
from tests.unit.directory.support import AT, Administration

INVALID, NOT_FOUND, CONFLICT = ErrorKind.INVALID, ErrorKind.NOT_FOUND, ErrorKind.CONFLICT


# users


async def test_email_is_trimmed_and_case_folded_everywhere(admin: Administration) -> None:
    await admin.with_company()
    user = await admin.do(c.AddUser(company="acme", email=" ANA@Empresa.com.BR ", name="Ana", role="agent"))
    assert user["email"] == "ana@empresa.com.br"
    await admin.refuse(
        c.AddUser(company="acme", email="Ana@EMPRESA.com.br", name="Ana", role="agent"), CONFLICT, "already"
    )
    assert (await admin.do(c.SetUser(email="ANA@empresa.com.br", name="Ana B")))["name"] == "Ana B"
    agent = await admin.with_agent(email=" ANA@Empresa.com.BR")
    assert agent["sip_username"] == "1001"
    await admin.refuse(
        c.AddAgent(company="acme", extension="1002", name="B", email="ana@EMPRESA.com.br"), CONFLICT, "'1001'"
    )


async def test_email_is_unique_in_the_installation_for_users_and_in_the_company_for_agents(
    admin: Administration,
) -> None:
    await admin.with_company("Acme")
    await admin.with_company("Other")
    await admin.do(c.AddUser(company="acme", email="a@x.br", name="A", role="agent"))
    await admin.refuse(c.AddUser(company="other", email="a@x.br", name="A", role="agent"), CONFLICT, "already")
    await admin.with_agent("acme", "1001", email="a@x.br")
    await admin.with_agent("other", "2001", email="a@x.br")


@pytest.mark.parametrize(
    "email", ["", "ana", "ana@", "@x.br", "a b@x.br", "a@x..br", "a@x@y", "a\n@x.br", "x" * 255 + "@x.br"]
)
async def test_what_is_no_email_is_refused(admin: Administration, email: str) -> None:
    await admin.with_company()
    await admin.refuse(c.AddUser(company="acme", email=email, name="A", role="agent"), INVALID, "no e-mail")


async def test_an_operator_has_no_company_and_everybody_else_has_one(admin: Administration) -> None:
    await admin.with_company()
    operator = await admin.do(c.AddUser(email="o@x.br", name="O", role="operator"))
    assert operator["company"] is None
    await admin.refuse(c.AddUser(company="acme", email="p@x.br", name="P", role="operator"), INVALID, "give no company")
    await admin.refuse(c.AddUser(email="p@x.br", name="P", role="agent"), INVALID, "needs a company")
    await admin.refuse(c.SetUser(email="o@x.br", role="agent"), INVALID, "another user")


async def test_one_administrator_per_company(admin: Administration) -> None:
    for company in ("acme", "other"):
        await admin.with_company(company)
        await admin.do(c.AddUser(company=company, email=f"{company}@x.br", name="A", role="administrator"))
    second = c.AddUser(company="acme", email="b@x.br", name="B", role="administrator")
    await admin.refuse(second, CONFLICT, "administrator already: acme@x.br")
    await admin.do(c.AddUser(company="acme", email="b@x.br", name="B", role="agent"))
    await admin.refuse(c.SetUser(email="b@x.br", role="administrator"), CONFLICT, "already")
    await admin.do(c.SetUser(email="acme@x.br", name="Same one"))
    await admin.do(c.RemoveUser(email="acme@x.br"))
    await admin.do(c.SetUser(email="b@x.br", role="administrator"))


async def test_rights_are_those_the_role_can_be_given(admin: Administration) -> None:
    await admin.with_company()
    await admin.refuse(
        c.AddUser(company="acme", email="f@x.br", name="F", role="follow_up_manager", rights=["listen", "reports"]),
        INVALID,
        "follow_up_manager cannot be given: listen",
    )
    await admin.refuse(
        c.AddUser(company="acme", email="f@x.br", name="F", role="restricted", rights=["fly"]), INVALID, "'fly'"
    )
    await admin.refuse(c.AddUser(company="acme", email="f@x.br", name="F", role="boss"), INVALID, "'boss'")
    added = await admin.do(
        c.AddUser(company="acme", email="f@x.br", name="F", role="restricted", rights=["reports", "listen"])
    )
    assert added["rights"] == ["listen", "reports"]
    # Nothing is taken away silently: the role alone does not fit the rights it would keep.
    await admin.refuse(c.SetUser(email="f@x.br", role="follow_up_manager"), INVALID, "cannot keep: listen")
    changed = await admin.do(c.SetUser(email="f@x.br", role="follow_up_manager", rights=["reports"]))
    assert (changed["role"], changed["rights"]) == ("follow_up_manager", ["reports"])


async def test_a_removed_users_email_is_free_again(admin: Administration) -> None:
    await admin.with_company()
    for _ in range(2):
        await admin.do(c.AddUser(company="acme", email="a@x.br", name="A", role="agent"))
        await admin.do(c.RemoveUser(email="a@x.br"))
    await admin.refuse(c.RemoveUser(email="a@x.br"), NOT_FOUND, "no user 'a@x.br'")


# agents


async def test_sip_username_is_the_extension_while_that_is_free(admin: Administration) -> None:
    await admin.with_company("Acme")
    await admin.with_company("Other")
    assert (await admin.with_agent("acme", "1001"))["sip_username"] == "1001"
    assert (await admin.with_agent("other", "1001"))["sip_username"] == "other-1001"
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    await admin.with_company("Third")
    assert (await admin.with_agent("third", "1001"))["sip_username"] == "1001"


async def test_sip_usernames_and_trunk_endpoints_never_collide(admin: Administration) -> None:
    """Both are PJSIP endpoints of one Asterisk: one would overwrite the other."""
    await admin.with_company()
    await admin.do(c.AddTrunk(name="carrier", endpoint="1001"))
    assert (await admin.with_agent("acme", "1001"))["sip_username"] == "acme-1001"
    await admin.refuse(c.AddTrunk(name="b", endpoint="acme-1001"), CONFLICT, "SIP user name")
    await admin.refuse(c.SetTrunk(name="carrier", endpoint="acme-1001"), CONFLICT, "SIP user name")
    await admin.do(c.AddTrunk(name="c", endpoint="acme-1002"))
    await admin.do(c.AddTrunk(name="d", endpoint="1002"))
    await admin.refuse(c.AddAgent(company="acme", extension="1002", name="B"), CONFLICT, "another extension")


async def test_extension_that_is_an_emergency_code_cannot_be_created(admin: Administration) -> None:
    """D16: who dials 190 reaches the police, not a colleague."""
    await admin.with_company()
    await admin.refuse(c.AddAgent(company="acme", extension="190", name="P"), CONFLICT, "emergency")


@pytest.mark.parametrize("extension", ["", "1", "12345678", "10a", "*100", "10 01", "१००१", "-100"])
async def test_what_is_no_extension_is_refused(admin: Administration, extension: str) -> None:
    await admin.with_company()
    await admin.refuse(c.AddAgent(company="acme", extension=extension, name="A"), INVALID, "2 to 7 digits")


async def test_extension_is_unique_in_the_company(admin: Administration) -> None:
    await admin.with_company()
    await admin.with_agent()
    await admin.refuse(c.AddAgent(company="acme", extension="1001", name="B"), CONFLICT, "'1001' already")


async def test_empty_email_takes_the_link_to_a_user_away(admin: Administration) -> None:
    await admin.with_company()
    await admin.with_agent(email="a@x.br")
    assert (await admin.do(c.SetAgent(company="acme", extension="1001", email="")))["email"] is None


@pytest.mark.parametrize(
    "command",
    [
        c.SetAgent(company="acme", extension="1009", name="X"),
        c.RemoveAgent(company="acme", extension="1009"),
        c.ShowToken(company="acme", extension="1009"),
        c.RotateToken(company="acme", extension="1009"),
        c.AddDid(company="acme", number="1133334444", extension="1009"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_unknown_agent_is_said(admin: Administration, command: c.Command) -> None:
    await admin.with_company()
    await admin.refuse(command, NOT_FOUND, "no agent '1009'")


async def test_engine_is_told_of_every_change_to_softphones(admin: Administration) -> None:
    await admin.with_company()
    assert admin.told == []
    await admin.with_agent()
    await admin.do(c.SetAgent(company="acme", extension="1001", name="Ana B"))
    await admin.do(c.RotateToken(company="acme", extension="1001"))
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    assert len(admin.told) == 4
    await admin.refuse(c.RemoveAgent(company="acme", extension="1001"), NOT_FOUND, "no agent")
    assert len(admin.told) == 4


# tokens


async def test_tokens_are_strong_and_differ(admin: Administration) -> None:
    await admin.with_company()
    tokens = {(await admin.with_agent("acme", str(1000 + i)))["token"] for i in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 24 for token in tokens)


async def test_each_showing_is_audited(admin: Administration, database: Database) -> None:
    await admin.with_company()
    created = await admin.with_agent()
    shown = await admin.do(c.ShowToken(company="acme", extension="1001"))
    assert shown["token"] == created["token"]
    rotated = await admin.do(c.RotateToken(company="acme", extension="1001"))
    assert rotated["token"] != created["token"]
    await admin.do(c.RemoveCompany(company="acme"))
    async with database.reading() as connection:
        rows: list[Any] = list(await connection.execute(select(token_showings).order_by(token_showings.c.id)))
    assert [row.occasion for row in rows] == ["created", "shown", "rotated"]
    assert {(row.actor, row.at, row.company_slug, row.sip_username) for row in rows} == {("root", AT, "acme", "1001")}


async def test_a_dump_of_the_database_does_not_reveal_a_token(
    admin: Administration, database: Database, tmp_path: Path
) -> None:
    await admin.with_company()
    token: str = (await admin.with_agent())["token"]
    rotated: str = (await admin.do(c.RotateToken(company="acme", extension="1001")))["token"]
    async with database.reading() as connection:
        tables = await connection.run_sync(lambda connection: inspect(connection).get_table_names())
        dump = [repr((await connection.execute(text(f"SELECT * FROM {table}"))).all()) for table in tables]
    everything = "".join(dump) + _files(tmp_path)
    assert token not in everything
    assert rotated not in everything


def _files(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


async def test_a_removed_agents_token_is_erased(admin: Administration, database: Database) -> None:
    await admin.with_company()
    await admin.with_agent()
    await admin.do(c.RemoveAgent(company="acme", extension="1001"))
    async with database.reading() as connection:
        assert list(await connection.scalars(text("SELECT token_encrypted FROM agents"))) == [""]


async def test_unusable_key_is_told_in_one_line(admin: Administration, database: Database, key_file: Path) -> None:
    await admin.with_company()
    await admin.with_agent()
    _replace(key_file, b"not a key")
    restarted = SqlDirectoryStore(database, TokenVault(key_file))
    with pytest.raises(AdminError, match="holds no Fernet key") as refused:
        await restarted.ensure_token_key()
    assert refused.value.kind is ErrorKind.UNAVAILABLE


def _replace(path: Path, content: bytes) -> None:
    path.write_bytes(content)
