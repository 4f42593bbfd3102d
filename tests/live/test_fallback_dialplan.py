"""The dialplan alone: what an agent gets when no daemon is there, or one that hangs (D12, D16)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from lab.audio import complete, seconds_of_sound, seconds_of_tone
from lab.carrier import CUSTOMER_HZ
from lab.pbx import PbxInstance
from lab.phone import PhoneAccount
from tests.conftest import FieldFactory

pytestmark = pytest.mark.live

AGENT = PhoneAccount("1001", "a secret of the test")
CUSTOMER = "5511990001003"
"""Answers at once and talks three seconds."""
# An agent as the daemon would push it over ARI, but there is no daemon here.
AGENT_ENDPOINT = f"""
[1001]
type = auth
auth_type = digest
username = 1001
password = {AGENT.token}
[1001]
type = aor
max_contacts = 1
[1001]
type = endpoint
aors = 1001
auth = 1001
context = callcontrol-agents
transport = udp
disallow = all
allow = alaw
"""
EXTRA = {"pjsip.conf": AGENT_ENDPOINT}


class Daemon:
    """Holds the application's websocket like a daemon does, and does only what the test tells it."""

    def __init__(self, pbx: PbxInstance, client: aiohttp.ClientSession) -> None:
        self._pbx = pbx
        self._client = client
        self.entered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            event = message.json()
            if event["type"] == "StasisStart":
                self.entered.put_nowait(event)

    async def next_channel(self) -> str:
        event = await asyncio.wait_for(self.entered.get(), 10)
        channel_id: str = event["channel"]["id"]
        return channel_id

    async def variable(self, channel_id: str, name: str) -> str:
        query = {"variable": name}
        async with self._client.get(f"{self._pbx.ari_url}/channels/{channel_id}/variable", params=query) as response:
            assert response.status == 200, await response.text()
            value: str = (await response.json())["value"]
            return value

    async def post(self, path: str, **body: Any) -> None:
        async with self._client.post(f"{self._pbx.ari_url}{path}", json=body or None) as response:
            assert response.status < 300, await response.text()


@asynccontextmanager
async def daemon_at(pbx: PbxInstance) -> AsyncIterator[Daemon]:
    async with aiohttp.ClientSession(headers=pbx.ari_headers) as client:
        daemon = Daemon(pbx, client)
        async with client.ws_connect(f"{pbx.ari_url}/events?app=callcontrol") as socket:
            listening = asyncio.create_task(daemon.listen(socket))
            yield daemon
            listening.cancel()


async def test_d16_emergency_codes_go_out_without_a_daemon(field_factory: FieldFactory) -> None:
    _, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    for code in ("190", "191", "192", "193", "194", "197", "198", "199"):
        call = await carrier.phone(AGENT.username).dial(code)
        emergency = await carrier.next_call(code)
        await call.until("ANSWER")
        await call.hang_up()
        await call.until_ended()
        await carrier.until_ended(emergency)


async def test_d16_the_operator_names_the_codes_and_the_number_they_show(field_factory: FieldFactory) -> None:
    named = "\n[globals](+)\nCC_EMERGENCY_CODES = 112-911\nCC_EMERGENCY_ORIGIN = 1130003000\n"
    _, carrier = await field_factory(phones=[AGENT], extra={**EXTRA, "extensions.conf": named})
    await carrier.registered(AGENT.username)
    call = await carrier.phone(AGENT.username).dial("112")
    emergency = await carrier.next_call("112")
    assert emergency.caller == "1130003000"
    await carrier.hang_up(emergency)
    await call.until_ended()
    call = await carrier.phone(AGENT.username).dial("190")
    await call.until_ended()
    assert call.sip_code == 503


async def test_d12_other_calls_are_refused_aloud_without_a_daemon(field_factory: FieldFactory) -> None:
    _, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    call = await carrier.phone(AGENT.username).dial(CUSTOMER)
    await call.until_ended()
    assert call.progress == ["PROGRESS"]
    assert call.sip_code == 503
    assert seconds_of_sound(await complete(call.heard)) > 1.5
    assert carrier.calls == []


async def test_d16_emergency_goes_out_past_a_daemon_that_hangs(field_factory: FieldFactory) -> None:
    pbx, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    async with daemon_at(pbx) as hung:
        call = await carrier.phone(AGENT.username).dial("190")
        agent = await hung.next_channel()
        emergency = await carrier.next_call("190")
        await call.until("ANSWER")
        # The limit that took the call back does not cut it short.
        assert float(await hung.variable(agent, "TIMEOUT(absolute)")) > 3600
        await carrier.hang_up(emergency)
        await call.until_ended()
    assert call.q850 == 16


async def test_d12_other_calls_are_refused_aloud_past_a_daemon_that_hangs(field_factory: FieldFactory) -> None:
    pbx, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    async with daemon_at(pbx) as hung:
        call = await carrier.phone(AGENT.username).dial(CUSTOMER)
        await hung.next_channel()
        await call.until_ended(timeout_s=30)
    assert call.sip_code == 503
    assert seconds_of_sound(await complete(call.heard)) > 1.5
    assert carrier.calls == []


async def test_d16_a_draining_daemon_gives_an_emergency_call_back(field_factory: FieldFactory) -> None:
    pbx, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    async with daemon_at(pbx) as draining:
        call = await carrier.phone(AGENT.username).dial("192")
        agent = await draining.next_channel()
        await draining.post(f"/channels/{agent}/variables", variables={"CC_FALLBACK": "1"})
        await draining.post(f"/channels/{agent}/continue")
        emergency = await carrier.next_call("192")
        await call.until("ANSWER")
        await carrier.hang_up(emergency)
        await call.until_ended()


async def test_d5_an_answered_call_whose_limit_passes_ends_there(field_factory: FieldFactory) -> None:
    """The T extension takes back only calls that nobody ever answered, emergency codes included."""
    pbx, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    async with daemon_at(pbx) as daemon:
        call = await carrier.phone(AGENT.username).dial("193")
        agent = await daemon.next_channel()
        await daemon.post(f"/channels/{agent}/answer")
        await call.until("ANSWER")
        await daemon.post(f"/channels/{agent}/variables", variables={"TIMEOUT(absolute)": "1"})
        await call.until_ended()
    assert call.q850 == 16
    assert carrier.calls == []


async def test_the_limit_that_a_daemon_sets_replaces_that_of_the_dialplan(field_factory: FieldFactory) -> None:
    pbx, carrier = await field_factory(phones=[AGENT], extra=EXTRA)
    await carrier.registered(AGENT.username)
    async with daemon_at(pbx) as daemon:
        call = await carrier.phone(AGENT.username).dial("193")
        agent = await daemon.next_channel()
        assert float(await daemon.variable(agent, "TIMEOUT(absolute)")) <= 4
        await daemon.post(f"/channels/{agent}/variables", variables={"TIMEOUT(absolute)": "600"})
        assert float(await daemon.variable(agent, "TIMEOUT(absolute)")) > 500
        await call.hang_up()
        await call.until_ended()


async def test_incoming_calls_are_refused_until_they_are_served(field_factory: FieldFactory) -> None:
    endpoint = AGENT_ENDPOINT.replace("callcontrol-agents", "callcontrol-trunks")
    _, carrier = await field_factory(phones=[AGENT], extra={"pjsip.conf": endpoint})
    await carrier.registered(AGENT.username)
    call = await carrier.phone(AGENT.username).dial("551130003000")
    await call.until_ended()
    assert call.sip_code == 404


async def test_agent_and_customer_hear_each_other_in_the_lab(field_factory: FieldFactory) -> None:
    """The instrument itself: a plain call between a phone and the carrier."""
    endpoint = AGENT_ENDPOINT.replace("callcontrol-agents", "plain")
    plain = "[plain]\nexten => _X.,1,Dial(PJSIP/${EXTEN}@carrier,60)\n"
    _, carrier = await field_factory(phones=[AGENT], extra={"pjsip.conf": endpoint, "extensions.conf": plain})
    await carrier.registered(AGENT.username)
    call = await carrier.phone(AGENT.username).dial(CUSTOMER)
    arrived = await carrier.next_call(CUSTOMER)
    await call.until_ended()
    await carrier.until_ended(arrived)
    assert seconds_of_tone(await complete(call.heard), CUSTOMER_HZ) > 2
    assert seconds_of_tone(await complete(arrived.heard), AGENT.tone_hz) > 2
    assert seconds_of_tone(call.heard, AGENT.tone_hz) == 0
