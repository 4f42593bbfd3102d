"""Agents' softphones, with a real softphone program: who may register, who is heard, and what survives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcontrol.engine.admin import commands as c
from lab.audio import complete, seconds_of_tone
from lab.carrier import CUSTOMER_HZ, EARLY_MEDIA_HZ
from lab.prefix import AsteriskPrefix
from lab.site import COMPANY, Site, SiteBuilder
from tests.support.baresip import Baresip
from tests.support.clean_site import ari_get, closed_call, installed
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    builder = SiteBuilder(
        asterisk_prefix,
        tmp_path_factory.mktemp("softphones"),
        agents=(),
        settings={"asterisk": {"reconnect_max_s": 0.5}},
    )
    # Asterisk is stopped and started below.
    async with installed(builder, expected_errors=("ari.disconnected",)) as running:
        yield running


async def add_agent(site: Site, extension: str) -> str:
    """The token of a new agent that Asterisk knows."""
    agent = await site.daemon.ask(c.AddAgent(company=COMPANY, extension=extension, name=f"Agente {extension}"))
    await known(site, extension)
    token: str = agent["token"]
    return token


async def known(site: Site, extension: str) -> None:
    async def has() -> bool:
        return await ari_get(site.pbx, f"/endpoints/PJSIP/{extension}") is not None

    await until(has, f"{extension} in Asterisk")


async def unknown(site: Site, extension: str) -> None:
    async def has_not() -> bool:
        return await ari_get(site.pbx, f"/endpoints/PJSIP/{extension}") is None

    await until(has_not, f"{extension} gone from Asterisk")


def phone(site: Site, directory: Path, extension: str, token: str) -> Baresip:
    return Baresip(directory, server=site.pbx.sip_address, username=extension, token=token)


async def refused(site: Site, directory: Path, extension: str, token: str) -> str:
    """The PBX's words to a phone that may not register."""
    async with phone(site, directory, extension, token) as stranger:
        event = await stranger.until("REGISTER_OK", "REGISTER_FAIL")
    assert event["type"] == "REGISTER_FAIL"
    words: str = event["param"]
    return words


async def test_a_softphone_calls_and_both_hear_each_other(site: Site, tmp_path: Path) -> None:
    """Ringback and early media on the way there, then each hears the other, and nobody hears himself (R6, R7)."""
    token = await add_agent(site, "1001")
    async with phone(site, tmp_path, "1001", token) as agent:
        await agent.until("REGISTER_OK")
        await agent.dial("11960002003")
        arrived = await site.carrier.next_call("+5511960002003")
        await agent.until("CALL_PROGRESS", "CALL_RINGING")
        await agent.until("CALL_ESTABLISHED")
        await agent.until("CALL_CLOSED")
        heard = agent.heard
        tone_hz = agent.tone_hz
    await site.carrier.until_ended(arrived)
    assert seconds_of_tone(heard, CUSTOMER_HZ) > 2
    assert seconds_of_tone(heard, EARLY_MEDIA_HZ) > 1
    assert seconds_of_tone(heard, tone_hz) == 0
    spoken = await complete(arrived.heard)
    assert seconds_of_tone(spoken, tone_hz) > 2
    assert seconds_of_tone(spoken, CUSTOMER_HZ) == 0
    assert arrived.caller == "+551130003000"
    row = await closed_call(site, "11960002003")
    assert (row["disposition"], row["reason"], row["billed_minutes"]) == ("ANSWERED", "customer_hung_up", 1)


async def test_the_agent_hangs_up(site: Site, tmp_path: Path) -> None:
    token = (await site.daemon.ask(c.ShowToken(company=COMPANY, extension="1001")))["token"]
    async with phone(site, tmp_path, "1001", token) as agent:
        await agent.until("REGISTER_OK")
        await agent.dial("11960011000")
        arrived = await site.carrier.next_call("+5511960011000")
        await agent.until("CALL_ESTABLISHED")
        await agent.hang_up()
        await site.carrier.until_ended(arrived)
    row = await closed_call(site, "11960011000")
    assert (row["disposition"], row["reason"], row["billed_minutes"]) == ("ANSWERED", "agent_hung_up", 1)


async def test_only_the_present_token_registers(site: Site, tmp_path: Path) -> None:
    """A wrong token, a user name that nobody has, the token of before a rotation: refused."""
    old = await add_agent(site, "1002")
    assert (await refused(site, tmp_path / "wrong", "1002", "not-the-token")).startswith("401")
    assert (await refused(site, tmp_path / "nobody", "1999", old)).startswith("401")
    async with phone(site, tmp_path / "old", "1002", old) as agent:
        await agent.until("REGISTER_OK")
        new = (await site.daemon.ask(c.RotateToken(company=COMPANY, extension="1002")))["token"]

        async def signed_off() -> bool:
            state: str = (await ari_get(site.pbx, "/endpoints/PJSIP/1002"))["state"]
            return state == "offline"

        # What was registered with the old token is not reachable either.
        await until(signed_off, "the old registration's end")
    assert (await refused(site, tmp_path / "again", "1002", old)).startswith("401")
    async with phone(site, tmp_path / "new", "1002", new) as agent:
        await agent.until("REGISTER_OK")


async def test_a_removed_agent_is_gone(site: Site, tmp_path: Path) -> None:
    token = await add_agent(site, "1003")
    async with phone(site, tmp_path / "before", "1003", token) as agent:
        await agent.until("REGISTER_OK")
        await site.daemon.ask(c.RemoveAgent(company=COMPANY, extension="1003"))
        await unknown(site, "1003")
        await agent.dial("11960021003")
        await agent.until("CALL_CLOSED")
    assert (await refused(site, tmp_path / "after", "1003", token)).startswith("401")
    assert [call for call in site.carrier.calls if call.number == "+5511960021003"] == []


async def test_a_talk_outlives_its_agents_credentials(site: Site, tmp_path: Path) -> None:
    """A token rotated, then an agent removed in mid-call: what talks goes on, and is billed to the agent's company."""
    token = await add_agent(site, "1007")
    async with phone(site, tmp_path, "1007", token) as agent:
        await agent.until("REGISTER_OK")
        await agent.dial("11960041000")
        arrived = await site.carrier.next_call("+5511960041000")
        await agent.until("CALL_ESTABLISHED")
        await site.daemon.ask(c.RotateToken(company=COMPANY, extension="1007"))

        async def signed_off() -> bool:
            state: str = (await ari_get(site.pbx, "/endpoints/PJSIP/1007"))["state"]
            return state == "offline"

        await until(signed_off, "the old registration's end")
        assert not arrived.ended
        await site.daemon.ask(c.RemoveAgent(company=COMPANY, extension="1007"))
        await unknown(site, "1007")
        assert not arrived.ended
        assert (await site.usage())["held"] > 0
        # A BYE belongs to its dialogue, whoever's endpoint is gone.
        await agent.hang_up()
        await site.carrier.until_ended(arrived)
    row = await closed_call(site, "11960041000")
    assert (row["disposition"], row["reason"], row["billed_minutes"]) == ("ANSWERED", "agent_hung_up", 1)
    assert row["user"] == "Agente 1007"


async def test_agents_survive_a_restart_of_asterisk(site: Site, tmp_path: Path) -> None:
    """Known before it registers again; one removed while Asterisk was down is gone; one added meanwhile is there."""
    stays, goes = await add_agent(site, "1004"), await add_agent(site, "1005")
    await site.pbx.stop()
    await site.daemon.ask(c.RemoveAgent(company=COMPANY, extension="1005"))
    added = await site.daemon.ask(c.AddAgent(company=COMPANY, extension="1006", name="Agente 1006"))
    await site.pbx.start()
    # Asterisk kept what it knew: nobody has to wait for the daemon to come back.
    async with phone(site, tmp_path / "stays", "1004", stays) as agent:
        await agent.until("REGISTER_OK")

        async def online() -> bool:
            state: str = (await ari_get(site.pbx, "/endpoints/PJSIP/1004"))["state"]
            return state == "online"

        # It can be called at once; that it is shown online waits for the first qualify after a restart.
        await until(online, "1004 is online", 40)
        await site.daemon.until_ready()
        await unknown(site, "1005")
        await known(site, "1006")
        await agent.dial("11960031001")
        await agent.until("CALL_ESTABLISHED")
        await agent.until("CALL_CLOSED")
    assert (await refused(site, tmp_path / "goes", "1005", goes)).startswith("401")
    async with phone(site, tmp_path / "added", "1006", added["token"]) as agent:
        await agent.until("REGISTER_OK")
    row = await closed_call(site, "11960031001")
    assert (row["disposition"], row["billed_minutes"]) == ("ANSWERED", 1)
