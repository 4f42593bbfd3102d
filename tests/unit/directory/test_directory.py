"""What the engine asks the directory during calls."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from callcontrol.database import Database
from callcontrol.directory.directory import SqlDirectory
from callcontrol.directory.store import SqlDirectoryStore
from callcontrol.domain.admission import Caller, Trunk
from callcontrol.domain.destinations import DestinationRule
from callcontrol.domain.rights import Role
from callcontrol.engine.admin.store import NewAgent, NewCompany, NewUser, TokenAct
from callcontrol.engine.admin.views import OriginNumberView, TrunkView
from callcontrol.engine.ports.directory import Directory, DirectoryUnavailable

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACT = TokenAct("root", AT)


def new_company(slug: str = "acme") -> NewCompany:
    return NewCompany(
        slug=slug,
        name=slug.title(),
        time_zone="America/Sao_Paulo",
        area_code="11",
        blocked=False,
        max_call_minutes=180,
        bill_inbound=False,
        auto_answer=False,
        recording=False,
    )


async def add_agent(
    store: SqlDirectoryStore, extension: str = "1001", *, company: str = "acme", email: str | None = None
) -> str:
    return (await store.add_agent(NewAgent(company, extension, f"Agent {extension}", email), ACT)).token


def lose(key_file: Path) -> None:
    key_file.unlink()


def there_is(key_file: Path) -> bool:
    return key_file.exists()


async def caller(directory: Directory, sip_username: str = "1001", dialled: str = "1002") -> Caller:
    found = await directory.caller(sip_username, dialled)
    assert found is not None
    return found


async def test_unknown_sip_username_has_no_caller(directory: SqlDirectory) -> None:
    assert await directory.caller("1001", "1133334444") is None


async def test_caller_of_a_bare_company(store: SqlDirectoryStore, directory: SqlDirectory) -> None:
    company = await store.add_company(new_company(), AT)
    await add_agent(store)
    [agent] = await store.agents("acme")
    assert await caller(directory) == Caller(
        company_id=company.id,
        company_slug="acme",
        time_zone="America/Sao_Paulo",
        area_code="11",
        blocked=False,
        destinations=(),
        max_call_minutes=180,
        agent_id=agent.id,
        agent_extension="1001",
        agent_name="Agent 1001",
        user_id=None,
        role=None,
        origin_number=None,
        trunk=None,
        extensions={},
    )


async def test_caller_has_trunk_destinations_and_the_current_origin_number(
    store: SqlDirectoryStore, directory: SqlDirectory
) -> None:
    """R11: only a number the company owns, and of those the chosen one."""
    await store.add_company(new_company(), AT)
    await store.add_company(new_company("other"), AT)
    await add_agent(store)
    rules = DestinationRule("+1", True), DestinationRule("+5511", False)
    for company, rule in [("acme", rules[0]), ("acme", rules[1]), ("other", DestinationRule("0900", True))]:
        await store.set_destination(company, rule, AT, "root")
    trunk = TrunkView(name="carrier", endpoint="carrier-a", number_format="national", is_default=False)
    await store.add_trunk(trunk)
    for company, number in [("acme", "+551130000001"), ("acme", "+551130000002"), ("other", "+551130000003")]:
        await store.add_origin_number(OriginNumberView(company=company, number=number, is_current=False))
    assert (await caller(directory)).origin_number == "+551130000001"
    await store.choose_origin_number("acme", "+551130000002")
    found = await caller(directory)
    assert found.origin_number == "+551130000002"
    assert set(found.destinations) == set(rules)
    assert found.trunk == await directory.default_trunk() == Trunk("carrier", "carrier-a", "national")


async def test_role_comes_from_the_user_with_the_agents_email_in_the_same_company(
    store: SqlDirectoryStore, directory: SqlDirectory
) -> None:
    """R2: a follow-up manager of another company is nobody here."""
    await store.add_company(new_company(), AT)
    await store.add_company(new_company("other"), AT)
    await add_agent(store, "1001", email="ana@empresa.com.br")
    await add_agent(store, "2001", company="other", email="ana@empresa.com.br")
    user = await store.add_user(NewUser("acme", "ana@empresa.com.br", "Ana", Role.FOLLOW_UP_MANAGER, frozenset()), AT)
    found = await caller(directory, "1001")
    assert (found.role, found.user_id) == (Role.FOLLOW_UP_MANAGER, user.id)
    assert (await caller(directory, "2001")).role is None
    await store.remove_user("ana@empresa.com.br", AT)
    assert (await caller(directory, "1001")).role is None


async def test_extensions_hold_the_dialled_one_of_the_same_company_only(
    store: SqlDirectoryStore, directory: SqlDirectory
) -> None:
    await store.add_company(new_company(), AT)
    await store.add_company(new_company("other"), AT)
    await add_agent(store, "1001")
    await add_agent(store, "1002")
    await add_agent(store, "1001", company="other")
    assert (await caller(directory, "1001", "1002")).extensions == {"1002": "1002"}
    assert (await caller(directory, "other-1001", "1002")).extensions == {}
    assert (await caller(directory, "other-1001", "1001")).extensions == {"1001": "other-1001"}
    await store.remove_agent("acme", "1002", AT)
    assert (await caller(directory, "1001", "1002")).extensions == {}


async def test_removed_agent_is_no_caller_and_no_softphone(store: SqlDirectoryStore, directory: SqlDirectory) -> None:
    await store.add_company(new_company(), AT)
    await add_agent(store)
    await store.remove_agent("acme", "1001", AT)
    assert await directory.caller("1001", "190") is None
    assert await directory.softphones() == []


async def test_softphones_carry_the_token_in_clear(store: SqlDirectoryStore, directory: SqlDirectory) -> None:
    await store.add_company(new_company(), AT)
    token = await add_agent(store)
    [account] = await directory.softphones()
    assert (account.sip_username, account.token, account.extension) == ("1001", token, "1001")
    assert account.display_name == "Agent 1001"
    rotated = await store.rotate_token("acme", "1001", ACT)
    assert [account.token for account in await directory.softphones()] == [rotated.token]


async def test_no_key_is_needed_without_agents(directory: SqlDirectory, key_file: Path) -> None:
    assert await directory.softphones() == []
    assert not there_is(key_file)


async def test_lost_key_is_told_never_replaced(
    store: SqlDirectoryStore, database: Database, directory: SqlDirectory, key_file: Path
) -> None:
    await store.add_company(new_company(), AT)
    await add_agent(store)
    lose(key_file)
    with pytest.raises(DirectoryUnavailable, match=r"token\.key is missing"):
        await directory.softphones()
    assert not there_is(key_file)


async def test_provisioned_softphones_are_remembered_per_node(directory: SqlDirectory) -> None:
    await directory.mark_provisioned("node-a", "1001", "one")
    await directory.mark_provisioned("node-a", "1001", "two")
    await directory.mark_provisioned("node-a", "1002", "one")
    await directory.mark_provisioned("node-b", "1001", "other")
    await directory.mark_provisioned("node-a", "1002", None)
    await directory.mark_provisioned("node-a", "1003", None)
    assert await directory.provisioned("node-a") == {"1001": "two"}
    assert await directory.provisioned("node-b") == {"1001": "other"}


async def test_closed_database_is_directory_unavailable(database: Database, directory: SqlDirectory) -> None:
    await database.close()
    with pytest.raises(DirectoryUnavailable):
        await directory.mark_provisioned("node-a", "1001", "one")
