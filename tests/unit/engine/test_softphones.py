"""Asterisk's agents are the directory's, whatever happened to either meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callcontrol.engine import softphones
from callcontrol.engine.ports.directory import DirectoryUnavailable
from callcontrol.engine.ports.pbx import SoftphoneAccount
from callcontrol.engine.softphones import SoftphoneProvisioner, fingerprint
from tests.support.fake_softphones import FakeSoftphones
from tests.support.site import Phonebook

ANA = SoftphoneAccount("1001", "token-of-ana", 7, "Ana", "1001")
RUI = SoftphoneAccount("1002", "token-of-rui", 8, "Rui", "1002")


class Accounts(Phonebook):
    """A directory that remembers what was pushed."""

    def __init__(self, *accounts: SoftphoneAccount) -> None:
        super().__init__({})
        self.accounts = list(accounts)
        self.pushed: dict[str, str] = {}

    async def softphones(self) -> list[SoftphoneAccount]:
        if not self.answering:
            raise DirectoryUnavailable("the test took it away")
        return self.accounts

    async def provisioned(self, node: str) -> dict[str, str]:
        return dict(self.pushed)

    async def mark_provisioned(self, node: str, sip_username: str, fingerprint: str | None) -> None:
        if fingerprint is None:
            self.pushed.pop(sip_username, None)
        else:
            self.pushed[sip_username] = fingerprint


@pytest.fixture
def directory() -> Accounts:
    return Accounts(ANA, RUI)


@pytest.fixture
def registry() -> FakeSoftphones:
    return FakeSoftphones()


@pytest.fixture
async def provisioner(
    directory: Accounts, registry: FakeSoftphones, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SoftphoneProvisioner]:
    monkeypatch.setattr(softphones, "RETRY_S", 0.01)
    running = SoftphoneProvisioner("main", directory, registry)
    task = asyncio.create_task(running.run())
    yield running
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def up_to_date(provisioner: SoftphoneProvisioner) -> None:
    provisioner.request()
    async with asyncio.timeout(10):
        await provisioner.up_to_date()


def comes_back(side: Accounts | FakeSoftphones) -> None:
    """Once the provisioner has met its absence."""
    asyncio.get_running_loop().call_later(0.05, lambda: setattr(side, "answering", True))


async def test_every_agent_is_pushed_once(provisioner: SoftphoneProvisioner, registry: FakeSoftphones) -> None:
    await up_to_date(provisioner)
    await up_to_date(provisioner)
    assert sorted(registry.puts) == ["1001", "1002"], "a registered phone is not disturbed"


async def test_what_asterisk_forgot_is_pushed_again(
    provisioner: SoftphoneProvisioner, registry: FakeSoftphones
) -> None:
    await up_to_date(provisioner)
    del registry.accounts["1002"]
    await up_to_date(provisioner)
    assert registry.puts.count("1002") == 2
    assert registry.puts.count("1001") == 1


async def test_one_removed_while_asterisk_was_down_is_gone(
    provisioner: SoftphoneProvisioner, registry: FakeSoftphones, directory: Accounts
) -> None:
    await up_to_date(provisioner)
    directory.accounts.remove(RUI)
    registry.answering = False
    comes_back(registry)
    await up_to_date(provisioner)
    assert set(registry.accounts) == {"1001"} == set(directory.pushed)


async def test_an_operators_own_endpoints_are_left_alone(
    provisioner: SoftphoneProvisioner, registry: FakeSoftphones
) -> None:
    await up_to_date(provisioner)
    assert "carrier" in await registry.present()


async def test_a_rotated_token_is_pushed(
    provisioner: SoftphoneProvisioner, registry: FakeSoftphones, directory: Accounts
) -> None:
    await up_to_date(provisioner)
    directory.accounts[0] = replace(ANA, token="another")
    await up_to_date(provisioner)
    assert registry.accounts["1001"].token == "another"


@pytest.mark.parametrize("away", ["directory", "asterisk"])
async def test_trouble_is_outlasted(
    provisioner: SoftphoneProvisioner, registry: FakeSoftphones, directory: Accounts, away: str
) -> None:
    side = directory if away == "directory" else registry
    side.answering = False
    comes_back(side)
    await up_to_date(provisioner)
    assert set(registry.accounts) == {"1001", "1002"}


def test_the_fingerprint_tells_every_change_and_no_token() -> None:
    changed = [replace(ANA, token="x"), replace(ANA, display_name="x"), replace(ANA, extension="x")]
    assert len({fingerprint(ANA), *map(fingerprint, changed)}) == 4
    assert ANA.token not in fingerprint(ANA)
