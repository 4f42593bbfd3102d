"""Fixtures for tests against a real Asterisk (marker `live`)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol

import pytest

from lab.asterisk import AsteriskInstance, AsteriskPrefix, find_prefix
from lab.carrier import CarrierInstance
from lab.pbx import PbxInstance
from lab.phone import PhoneAccount
from lab.ports import SHARE_VARIABLE


def pytest_configure(config: pytest.Config) -> None:
    """Files of tests run side by side in several processes: each has its own share of the ports."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        os.environ[SHARE_VARIABLE] = f"{worker['workerid'].removeprefix('gw')}/{worker['workercount']}"


class PbxFactory(Protocol):
    async def __call__(
        self, *, trunks: dict[str, str] | None = None, extra: dict[str, str] | None = None
    ) -> PbxInstance:
        """A started PBX of its own; ends with the test."""


class FieldFactory(Protocol):
    async def __call__(
        self, *, phones: Iterable[PhoneAccount] = (), extra: dict[str, str] | None = None
    ) -> tuple[PbxInstance, CarrierInstance]:
        """A started PBX with a trunk `carrier` to a started carrier. Phones register once the PBX knows them."""


@pytest.fixture(scope="session")
def asterisk_prefix() -> AsteriskPrefix:
    """The Asterisk of this machine. No Asterisk is an error, not a skip: --fast leaves live tests out on purpose."""
    return find_prefix(allow_untested=os.environ.get("CALLCONTROL_ALLOW_UNTESTED") == "1")


@pytest.fixture
async def started() -> AsyncIterator[Callable[[AsteriskInstance], Awaitable[None]]]:
    """Start an instance that ends with the test."""
    instances: list[AsteriskInstance] = []

    async def start(instance: AsteriskInstance) -> None:
        instances.append(instance)
        await instance.start()

    yield start
    for instance in reversed(instances):
        await instance.stop()


@pytest.fixture
def pbx_factory(
    asterisk_prefix: AsteriskPrefix, tmp_path: Path, started: Callable[[AsteriskInstance], Awaitable[None]]
) -> PbxFactory:
    count = 0

    async def make(*, trunks: dict[str, str] | None = None, extra: dict[str, str] | None = None) -> PbxInstance:
        nonlocal count
        count += 1
        name = f"pbx{count}"
        pbx = PbxInstance(asterisk_prefix, tmp_path / name, name=name, trunks=trunks, extra=extra)
        await started(pbx)
        return pbx

    return make


@pytest.fixture
def field_factory(
    asterisk_prefix: AsteriskPrefix, tmp_path: Path, started: Callable[[AsteriskInstance], Awaitable[None]]
) -> FieldFactory:
    async def make(
        *, phones: Iterable[PhoneAccount] = (), extra: dict[str, str] | None = None
    ) -> tuple[PbxInstance, CarrierInstance]:
        carrier = CarrierInstance(asterisk_prefix, tmp_path / "carrier", phones=phones)
        pbx = PbxInstance(asterisk_prefix, tmp_path / "pbx", trunks={"carrier": carrier.sip_address}, extra=extra)
        carrier.pbx_address = pbx.sip_address
        await started(pbx)
        await started(carrier)
        return pbx, carrier

    return make
