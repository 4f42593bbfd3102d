"""Real calls: SIP and RTP through a real Asterisk, the daemon as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcontrol.engine.admin import commands as c
from lab.audio import complete, seconds_of_tone
from lab.carrier import CUSTOMER_HZ, EARLY_MEDIA_HZ
from lab.phone import PhoneCall
from lab.prefix import AsteriskPrefix
from lab.site import COMPANY, ORIGIN, Site, SiteBuilder
from tests.support import sipp
from tests.support.clean_site import closed_call, installed
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

LAST = "ultimo"
"""A company whose minutes are bought one by one."""
ANA_HZ, BIA_HZ = 440, 620
SECOND = 16_000
"""Bytes of a recording."""
VOICEMAIL = "11950007070"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    builder = SiteBuilder(asterisk_prefix, tmp_path_factory.mktemp("calls"), agents=())
    async with installed(builder, companies=(COMPANY, LAST)) as running:
        await running.add_company(0, LAST, "+551130003001")
        manager = "gerente@padaria.com.br"
        await running.daemon.ask(c.AddUser(company=COMPANY, email=manager, name="Caio", role="follow_up_manager"))
        await running.enrol(
            c.AddAgent(company=COMPANY, extension="1001", name="Ana"),
            c.AddAgent(company=COMPANY, extension="1009", name="Caio", email=manager),
            c.AddAgent(company=LAST, extension="2001", name="Davi"),
            c.AddAgent(company=LAST, extension="2002", name="Eva"),
            tone_hz=ANA_HZ,
        )
        await running.enrol(c.AddAgent(company=COMPANY, extension="1002", name="Bia"), tone_hz=BIA_HZ)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def voicemail(site: Site) -> AsyncIterator[PhoneCall]:
    """A call that lasts 70 s: it goes on beside the other tests, and the last one asks how it ended."""
    call = await site.phone("1002").dial(VOICEMAIL)
    await call.until("ANSWER")
    yield call
    await call.hang_up()


def size(recording: Path) -> int:
    return recording.stat().st_size if recording.exists() else 0


async def test_agent_and_customer_hear_each_other(site: Site) -> None:
    """R6, R7, R10: it rings, both talk, the customer hangs up; each hears the other and not himself."""
    call = await site.phone("1001").dial("11950010003")
    arrived = await site.carrier.next_call("+5511950010003")
    assert arrived.caller == ORIGIN
    await call.until_ended()
    assert call.progress == ["RINGING", "ANSWER"]
    assert call.q850 == 16
    await site.carrier.until_ended(arrived)
    heard, spoken = await complete(call.heard), await complete(arrived.heard)
    assert seconds_of_tone(heard, CUSTOMER_HZ) > 2
    assert seconds_of_tone(heard, ANA_HZ) == 0
    assert seconds_of_tone(spoken, ANA_HZ) > 2
    assert seconds_of_tone(spoken, CUSTOMER_HZ) == 0
    row = await closed_call(site, "11950010003")
    assert (row["disposition"], row["reason"], row["status"]) == ("ANSWERED", "customer_hung_up", "Atendida")
    assert (row["user"], row["extension"], row["number"]) == ("Ana", "1001", "+5511950010003")
    assert (row["billsec"], row["billed_minutes"]) == (3, 1)


async def test_the_agent_hangs_up(site: Site) -> None:
    call = await site.phone("1001").dial("11950021000")
    arrived = await site.carrier.next_call("+5511950021000")
    await call.until("ANSWER")
    await call.hang_up()
    await site.carrier.until_ended(arrived)
    row = await closed_call(site, "11950021000")
    assert (row["disposition"], row["reason"], row["billed_minutes"]) == ("ANSWERED", "agent_hung_up", 1)
    assert row["q850"] == 16


async def test_early_media_comes_before_the_answer_and_costs_nothing(site: Site) -> None:
    """R6: two seconds of the carrier's own announcement, then one second of talk."""
    call = await site.phone("1001").dial("11950032001")
    await call.until_ended()
    assert call.progress == ["PROGRESS", "ANSWER"]
    heard = await complete(call.heard)
    assert seconds_of_tone(heard, EARLY_MEDIA_HZ) > 1
    assert seconds_of_tone(heard, CUSTOMER_HZ) > 0
    row = await closed_call(site, "11950032001")
    assert (row["billsec"], row["billed_minutes"]) == (1, 1)


async def test_the_messages_at_the_agents_phone(site: Site, tmp_path: Path) -> None:
    """RFC 3261: 180 while it rings, 183 with SDP for early media, one 200, a BYE from whoever did not hang up."""
    account = site.phone("1001").account
    numbers = ringing, early = "11950040001", "11950042001"
    seen = await sipp.dial_all(tmp_path, site.pbx.sip_address, [(account, number) for number in numbers])
    assert [(message.code, message.has_sdp) for message in seen[ringing].responses] == [(180, False), (200, True)]
    assert [(message.code, message.has_sdp) for message in seen[early].responses] == [(183, True), (200, True)]
    for number in numbers:
        assert (await closed_call(site, number))["disposition"] == "ANSWERED"


async def test_a_ringing_call_holds_one_minute(site: Site) -> None:
    """D1, D15: held minutes are shown apart from used; a call that was given up gives its own back."""
    before = await site.usage()
    call = await site.phone("1001").dial("11950053000")
    await call.until("RINGING")
    ringing = await site.usage()
    assert ringing["held"] == before["held"] + 1
    assert ringing["monthly_posted"] == before["monthly_posted"]
    [row] = [row for row in await site.calls() if row["dialled"] == "11950053000"]
    assert (row["status"], row["disposition"], row["billed_minutes"]) == ("Chamando", None, 0)
    await call.hang_up()
    await call.until_ended()
    assert (await closed_call(site, "11950053000"))["reason"] == "cancelled"
    assert await site.usage() == before


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("950061001", "+5511950061001"),
        ("011950071001", "+5511950071001"),
        ("01511950081001", "+5511950081001"),
        ("+5511950091001", "+5511950091001"),
        ("08007701001", "08007701001"),
        ("40041001", "40041001"),
    ],
)
async def test_what_the_carrier_gets_of_what_was_dialled(site: Site, dialled: str, number: str) -> None:
    """E.164, and the national form where there is no other."""
    call = await site.phone("1001").dial(dialled)
    arrived = await site.carrier.next_call(number)
    await call.until("ANSWER")
    await site.carrier.hang_up(arrived)
    await call.until_ended()
    row = await closed_call(site, dialled)
    assert (row["number"], row["disposition"]) == (number, "ANSWERED")


@pytest.mark.parametrize("extension", ["1001", "1009"])
async def test_internal_calls_are_free(site: Site, extension: str) -> None:
    """R2, R13: extension to extension, for a follow-up manager too."""
    before = await site.usage()
    call = await site.phone(extension).dial("1002")
    arrived = await site.carrier.next_call("phone-1002")
    assert arrived.caller == extension
    await call.until("ANSWER")
    assert (await site.usage())["held"] == before["held"]
    await until(lambda: size(call.heard) > SECOND and size(arrived.heard) > SECOND, "a second of talk on both sides")
    await site.carrier.hang_up(arrived)
    await call.until_ended()
    assert seconds_of_tone(await complete(arrived.heard), ANA_HZ) > 0
    assert seconds_of_tone(await complete(call.heard), CUSTOMER_HZ) > 0
    assert (await site.usage())["monthly_posted"] == before["monthly_posted"]
    [row] = [row for row in await site.calls() if row["dialled"] == "1002" and row["extension"] == extension]
    assert (row["direction"], row["number"], row["billed_minutes"]) == ("internal", "1002", 0)


async def test_an_extension_whose_phone_is_off(site: Site) -> None:
    await site.daemon.ask(c.AddAgent(company=COMPANY, extension="1003", name="Fabio"))
    call = await site.phone("1001").dial("1003")
    await call.until_ended()
    assert call.sip_code == 480
    row = await closed_call(site, "1003")
    assert (row["direction"], row["reason"], row["billed_minutes"]) == ("internal", "unreachable", 0)


async def test_d1_two_calls_race_for_the_last_minute(site: Site) -> None:
    """Exactly one is dialled, ten times over; the other is refused before dialling."""
    for turn in range(10):
        await site.daemon.ask(c.AddAddon(company=LAST, minutes=1, order_id=f"pack-{turn}"))
        numbers = [f"11951{turn}{agent}1001" for agent in (1, 2)]
        calls = await asyncio.gather(
            *(site.phone(f"200{agent}").dial(number) for agent, number in zip((1, 2), numbers, strict=True))
        )
        rows = await asyncio.gather(*(closed_call(site, number, LAST, timeout_s=20) for number in numbers))
        assert sorted(row["disposition"] for row in rows) == ["ANSWERED", "REFUSED"]
        [winner] = [row for row in rows if row["disposition"] == "ANSWERED"]
        [loser] = [row for row in rows if row["disposition"] == "REFUSED"]
        assert (winner["billed_minutes"], loser["billed_minutes"], loser["reason"]) == (1, 0, "pool_exhausted")
        reached = [call.number for call in site.carrier.calls if call.number.removeprefix("+55") in numbers]
        assert reached == [winner["number"]]
        usage = await site.usage(LAST)
        assert (usage["held"], usage["addon_balance"]) == (0, 0)
        for call in calls:
            await call.until_ended()
            assert call.answered is (call.number == winner["dialled"])


async def test_a_silent_voicemail_lives_and_is_billed(site: Site, voicemail: PhoneCall) -> None:
    """R6, D13: 70 s without a single RTP packet are no reason to end a call; they cost two minutes."""
    await voicemail.until_ended(100)
    assert seconds_of_tone(await complete(voicemail.heard), CUSTOMER_HZ) == 0
    row = await closed_call(site, VOICEMAIL)
    assert (row["disposition"], row["reason"]) == ("ANSWERED", "customer_hung_up")
    assert (row["billsec"], row["billed_minutes"]) == (70, 2)
