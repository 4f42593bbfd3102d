"""Softphones pushed into Asterisk; a real phone registers with what was pushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import pytest
import pytest_asyncio

from callcontrol.ari.connection import AriConnection
from callcontrol.ari.pbx import AriPbx
from callcontrol.ari.softphones import AriSoftphones
from callcontrol.engine.ports.pbx import Outcome, PbxUnavailable, SoftphoneRegistry
from lab.ports import LOOPBACK
from tests.contract.worlds import AGENT, RealField
from tests.support.fake_softphones import FakeSoftphones

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = AGENT.sip_username


class Phones(Protocol):
    registry: SoftphoneRegistry

    async def register(self) -> None:
        """The phone, which knows the token of AGENT, sends a REGISTER."""

    async def refused(self) -> None:
        """The same, and wait until it was refused."""

    async def until(self, state: str | None) -> None:
        """Until `present()` shows the agent so; None: not at all."""

    async def restart(self) -> None: ...

    async def can_be_called(self) -> bool:
        """Whether Asterisk knows where the phone is."""


class FakePhones:
    def __init__(self) -> None:
        self.registry: SoftphoneRegistry = (fake := FakeSoftphones())
        self._fake = fake

    async def register(self) -> None:
        self._fake.register(NAME, AGENT.token)

    async def refused(self) -> None:
        assert not self._fake.register(NAME, AGENT.token)

    async def until(self, state: str | None) -> None:
        assert (await self.registry.present()).get(NAME) == state

    async def restart(self) -> None:
        return

    async def can_be_called(self) -> bool:
        return NAME in self._fake.registered


class RealPhones:
    def __init__(self, field: RealField, connection: AriConnection) -> None:
        self.registry: SoftphoneRegistry = AriSoftphones(connection, endpoint_options={"media_address": LOOPBACK})
        self._field = field
        self._pbx = AriPbx(connection)

    async def register(self) -> None:
        await self._field.carrier.cli(f"pjsip send register phone-{NAME}")

    async def refused(self) -> None:
        await self.register()
        async with asyncio.timeout(15):
            while "Rejected" not in await self._field.carrier.cli("pjsip show registrations"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def until(self, state: str | None) -> None:
        seen: str | None = "?"
        try:
            async with asyncio.timeout(25):
                # Asterisk tells nobody of registrations in an application without endpoints: so ask.
                while (seen := (await self.registry.present()).get(NAME)) != state:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{NAME} is {seen}, not {state}") from None

    async def restart(self) -> None:
        await self._field.pbx.restart()

    async def can_be_called(self) -> bool:
        outcome = await self._pbx.create_channel("cc-s-customer", f"PJSIP/{NAME}", app_args=(), originator=None)
        assert outcome in (Outcome.DONE, Outcome.UNAVAILABLE)
        await self._pbx.hang_up("cc-s-customer", 16)
        return outcome is Outcome.DONE


@pytest_asyncio.fixture(loop_scope="session")
async def phones(field: RealField | None) -> AsyncIterator[Phones]:
    if field is None:
        fake = FakePhones()
        await fake.registry.put(AGENT)
        yield fake
        return
    async with field.connection() as connection:
        real = RealPhones(field, connection)
        await real.registry.remove(NAME)
        await real.registry.put(AGENT)
        yield real
        # The other tests' phone.
        await real.registry.put(AGENT)


async def test_a_phone_registers_with_what_was_pushed(phones: Phones) -> None:
    await phones.until("offline")
    assert not await phones.can_be_called()
    await phones.register()
    await phones.until("online")
    assert await phones.can_be_called()


async def test_pushing_the_same_again_disturbs_no_registration(phones: Phones) -> None:
    await phones.register()
    await phones.until("online")
    assert await phones.registry.put(AGENT) is Outcome.DONE
    assert await phones.registry.put(replace(AGENT, display_name='Ana "A" <x>\n')) is Outcome.DONE
    await phones.until("online")


async def test_a_registration_ends_with_the_token_it_was_made_with(phones: Phones) -> None:
    await phones.register()
    await phones.until("online")
    assert await phones.registry.put(replace(AGENT, token="another token")) is Outcome.DONE
    await phones.until("offline")


async def test_a_wrong_token_is_refused(phones: Phones) -> None:
    await phones.register()
    await phones.until("online")
    assert await phones.registry.put(replace(AGENT, token="another token")) is Outcome.DONE
    await phones.refused()
    assert (await phones.registry.present())[NAME] == "offline"


async def test_removal_takes_endpoint_registration_and_credentials(phones: Phones) -> None:
    await phones.register()
    await phones.until("online")
    assert await phones.registry.remove(NAME) is Outcome.DONE
    await phones.until(None)
    assert await phones.registry.remove(NAME) is Outcome.GONE
    # Nothing of the old registration is left for the next of the same name.
    assert await phones.registry.put(replace(AGENT, token="another token")) is Outcome.DONE
    assert (await phones.registry.present())[NAME] == "offline"


async def test_what_was_pushed_survives_a_restart_with_its_registration(phones: Phones) -> None:
    await phones.register()
    await phones.until("online")
    assert await phones.can_be_called()
    await phones.restart()
    assert await phones.can_be_called()
    assert {NAME, "carrier"} <= set(await phones.registry.present())


@pytest.mark.live
@pytest.mark.parametrize("field", ["real"], indirect=True)
async def test_asterisk_never_sees_a_token(field: RealField) -> None:
    async with field.connection() as connection:
        await AriSoftphones(connection).put(AGENT)
    for kind in ("auth", "aor", "endpoint"):
        assert AGENT.token not in await field.pbx.cli(f"database show callcontrol_{kind}")
        assert NAME in await field.pbx.cli(f"database show callcontrol_{kind}")


async def test_nobody_answers() -> None:
    async with AriConnection(f"http://{LOOPBACK}:9", "user", "password") as connection:
        registry = AriSoftphones(connection)
        assert await registry.put(AGENT) is Outcome.UNKNOWN
        assert await registry.remove(NAME) is Outcome.UNKNOWN
        with pytest.raises(PbxUnavailable):
            await registry.present()
