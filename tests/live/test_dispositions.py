"""How each call that is not answered ends: what the agent's phone is told and hears, and what the call list says.

Every kind of call is placed twice, by a softphone whose earpiece is recorded and by SIPp, which writes down each SIP
message; all of them side by side, since most of their time is the announcement's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from callcontrol.domain.causes import AGENT_ANSWERS, Reason
from callcontrol.engine.admin import commands as c
from lab.audio import complete, seconds_of_sound, seconds_of_tone
from lab.phone import PhoneAccount, PhoneCall
from lab.prefix import AsteriskPrefix
from lab.site import COMPANY, Site, SiteBuilder
from tests.support import sipp
from tests.support.clean_site import closed_call, installed, nothing_left
from tests.support.truth import Cel
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

NO_MINUTES, NO_NUMBER, BLOCKED = "semminutos", "semnumero", "bloqueada"
COMPANIES = (COMPANY, NO_MINUTES, NO_NUMBER, BLOCKED)
STRANGER = PhoneAccount("7777", "known to Asterisk only")
STRANGER_ENDPOINT = f"""
[7777]
type = auth
auth_type = digest
username = 7777
password = {STRANGER.token}
[7777]
type = aor
max_contacts = 1
[7777]
type = endpoint
aors = 7777
auth = 7777
context = callcontrol-agents
transport = udp
disallow = all
allow = alaw
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A call, and how it must end. `carrier_sip`, `q850`: what the call list must say of the cause."""

    number: str
    reason: Reason
    q850: int
    carrier_sip: int | None = None
    extension: str = "1001"
    company: str = COMPANY
    rings: bool = False
    early_media: bool = False


UNANSWERED = {
    "busy": Case("4486", Reason.BUSY, 17, 486),
    "busy after early media": Case("8486", Reason.BUSY, 17, 486, early_media=True),
    "no answer": Case("3000", Reason.NO_ANSWER, 19, rings=True),
    "unreachable, 480": Case("4480", Reason.UNREACHABLE, 19, 480),
    "unreachable, 408": Case("4408", Reason.UNREACHABLE, 18, 408),
    "rejected by the carrier": Case("4403", Reason.REJECTED, 21, 403),
    "invalid number, 404": Case("4404", Reason.INVALID_NUMBER, 1, 404),
    "invalid number, 410": Case("4410", Reason.INVALID_NUMBER, 22, 410),
    "invalid number, 484": Case("4484", Reason.INVALID_NUMBER, 28, 484),
    "congestion, 500": Case("5500", Reason.CONGESTION, 38, 500),
    "congestion, 503": Case("5503", Reason.CONGESTION, 34, 503),
}
"""By what the carrier does: the last four digits of the number, see carrier.conf."""
REFUSED = {
    "no minutes": Case("11970020001", Reason.POOL_EXHAUSTED, 21, extension="3001", company=NO_MINUTES),
    "follow-up manager": Case("11970020002", Reason.FOLLOW_UP_MANAGER, 21, extension="1009"),
    "blocked company": Case("11970020003", Reason.COMPANY_BLOCKED, 21, extension="5001", company=BLOCKED),
    "no origin number": Case("11970020004", Reason.NO_ORIGIN_NUMBER, 21, extension="4001", company=NO_NUMBER),
    "premium": Case("0900123456", Reason.DESTINATION_DENIED, 21),
    "international": Case("0012125550100", Reason.DESTINATION_DENIED, 21),
    "denied by the company": Case("11970120001", Reason.DESTINATION_DENIED, 21),
    "undiallable": Case("12345", Reason.UNDIALLABLE_NUMBER, 28),
    "a feature code that is none": Case("*98", Reason.UNDIALLABLE_NUMBER, 28),
}
"""Before dialling, by the rules."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a case: the softphone's call, SIPp's messages, and both rows of the call list."""

    phone: PhoneCall
    messages: sipp.Transcript
    rows: tuple[dict[str, Any], dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    settings = {"calls": {"ring_timeout_s": 3}}
    directory = tmp_path_factory.mktemp("dispositions")
    builder = SiteBuilder(asterisk_prefix, directory, settings=settings)
    builder.site.pbx.extra["pjsip.conf"] = STRANGER_ENDPOINT
    async with sipp.carrier(directory / "sipp") as other_carrier:
        builder.site.pbx.trunks["other"] = other_carrier.address
        async with installed(builder, companies=COMPANIES) as running:
            await other_carrier.until_listening()
            await populate(running)
            yield running


async def populate(site: Site) -> None:
    """A company for each reason to be refused, and an agent in each."""
    ask = site.daemon.ask
    await site.add_company(0, NO_MINUTES, "+551130003001")
    await site.add_company(10, BLOCKED, "+551130003002")
    await ask(c.SetCompany(company=BLOCKED, blocked=True))
    await ask(c.AddCompany(name=NO_NUMBER, slug=NO_NUMBER, area_code="11"))
    await ask(c.SetPlan(company=NO_NUMBER, minutes=10))
    manager = "gerente@padaria.com.br"
    await ask(c.AddUser(company=COMPANY, email=manager, name="Gerente", role="follow_up_manager"))
    await ask(c.AddTrunk(name="other", endpoint="other"))
    await ask(c.DenyDestination(company=COMPANY, prefix="+551197012"))
    await site.enrol(
        c.AddAgent(company=COMPANY, extension="1002", name="Bia"),
        c.AddAgent(company=COMPANY, extension="1009", name="Gerente", email=manager),
        c.AddAgent(company=NO_MINUTES, extension="3001", name="Caio"),
        c.AddAgent(company=NO_NUMBER, extension="4001", name="Davi"),
        c.AddAgent(company=BLOCKED, extension="5001", name="Eva"),
    )
    await site.carrier.add_phone(STRANGER)
    await site.carrier.registered(STRANGER.username)


def numbers(case: Case) -> tuple[str, str]:
    """Of the softphone's call and of SIPp's, so that each has one row in the list."""
    if len(case.number) == 4:
        return f"1197001{case.number}", f"1197002{case.number}"
    return case.number, case.number[:-1] + "9"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """Every case, placed by both kinds of phones."""
    cases = {**UNANSWERED, **REFUSED}
    few = asyncio.Semaphore(9)

    async def place(case: Case) -> PhoneCall:
        async with few:
            call = await site.phone(case.extension).dial(numbers(case)[0])
            await call.until_ended(30)
            await complete(call.heard)
        return call

    dialled = [(site.phone(case.extension).account, numbers(case)[1]) for case in cases.values()]
    directory = tmp_path_factory.mktemp("agents")
    transcripts, calls = await asyncio.gather(
        sipp.dial_all(directory, site.pbx.sip_address, dialled),
        asyncio.gather(*(place(case) for case in cases.values())),
    )
    return {
        name: Seen(
            call,
            transcripts[numbers(case)[1]],
            (
                await closed_call(site, numbers(case)[0], case.company),
                await closed_call(site, numbers(case)[1], case.company),
            ),
        )
        for (name, case), call in zip(cases.items(), calls, strict=True)
    }


def check_told(case: Case, found: Seen) -> None:
    """docs/causes.md: never silence, then the SIP response that says the same."""
    answer = AGENT_ANSWERS[case.reason]
    early, final = found.messages.responses[:-1], found.messages.responses[-1]
    assert final.code == found.phone.sip_code == answer.sip_code
    assert final.header("Reason") == f"Q.850;cause={answer.q850:d}"
    assert (180 in [message.code for message in early]) is case.rings
    assert [message.has_sdp for message in early if message.code == 183] == [True]
    assert "PROGRESS" in found.phone.progress
    if answer.announcement.startswith("tone:"):
        assert seconds_of_tone(found.phone.heard, 425) > 1
    else:
        assert seconds_of_sound(found.phone.heard) > 1


def check_listed(case: Case, row: dict[str, Any]) -> None:
    """R7, R8, R10: no minutes, and the cause."""
    answer = AGENT_ANSWERS[case.reason]
    assert (row["disposition"], row["reason"]) == (answer.disposition, case.reason)
    assert (row["q850"], row["sip_code"]) == (case.q850, case.carrier_sip)
    assert (row["billed_minutes"], row["billsec"], row["answered_at"]) == (0, 0, None)
    assert row["direction"] == "outbound"


@pytest.mark.parametrize("name", UNANSWERED)
async def test_a_call_that_is_not_answered(seen: dict[str, Seen], site: Site, name: str) -> None:
    case, found = UNANSWERED[name], seen[name]
    check_told(case, found)
    for row in found.rows:
        check_listed(case, row)
    if case.early_media:
        # What the carrier played came first.
        assert seconds_of_tone(found.phone.heard, 1400) > 1
    reached = [call.number for call in site.carrier.calls]
    assert [reached.count(f"+55{number}") for number in numbers(case)] == [1, 1]


@pytest.mark.parametrize("name", REFUSED)
async def test_a_call_that_is_refused_before_dialling(seen: dict[str, Seen], site: Site, name: str) -> None:
    """R2, R8, R11, D1, D14."""
    case, found = REFUSED[name], seen[name]
    check_told(case, found)
    for row in found.rows:
        check_listed(case, row)
    subscriber = case.number.lstrip("0")[-8:-1]
    assert [call.number for call in site.carrier.calls if subscriber in call.number] == []


async def test_unanswered_calls_cost_nothing_and_hold_nothing(seen: dict[str, Seen], site: Site) -> None:
    usage = await site.usage()
    assert (usage["monthly_posted"], usage["held"]) == (0, 0)
    await nothing_left(site, COMPANIES)


async def test_a_phone_that_belongs_to_no_agent(site: Site, tmp_path: Path) -> None:
    """Known to Asterisk by the operator's own configuration, and to nobody else: it belongs to no company's list."""
    before = await site.daemon.metrics()
    call = await site.carrier.phone(STRANGER.username).dial("11970030001")
    await call.until_ended()
    assert (call.sip_code, call.q850) == (403, 21)
    assert seconds_of_sound(await complete(call.heard)) > 1
    refused = 'callcontrol_calls_total{direction="outbound",disposition="REFUSED"}'

    async def counted() -> bool:
        return (await site.daemon.metrics()).get(refused, 0) == before.get(refused, 0) + 1

    await until(counted, "the refused call in the metrics")
    assert [row for row in await site.calls() if row["dialled"] == "11970030001"] == []


async def test_a_call_with_a_wrong_token(site: Site, tmp_path: Path) -> None:
    """Asterisk asks for credentials, again, and nothing of it reaches the daemon."""
    forged = PhoneAccount("1001", "not-the-token")
    seen = await sipp.dial_all(tmp_path, site.pbx.sip_address, [(forged, "11970031000")])
    codes = [message.code for message in seen["11970031000"].messages if message.of_invite]
    assert [code for code in codes if code > 100] == [401, 401]
    assert [row for row in await site.calls() if row["dialled"] == "11970031000"] == []


async def test_the_called_party_declines(site: Site, tmp_path: Path) -> None:
    """603, and 600 from a carrier that tried everywhere: what Asterisk as a carrier cannot say."""
    await site.daemon.ask(c.SetTrunk(name="other", is_default=True))
    try:
        account = site.phone("1002").account
        dialled = ["11970046000", "11970048000"]
        seen = await sipp.dial_all(tmp_path, site.pbx.sip_address, [(account, number) for number in dialled])
        for number, reason, q850, code in ((dialled[0], Reason.REJECTED, 21, 603), (dialled[1], Reason.BUSY, 17, 600)):
            assert seen[number].responses[-1].code == AGENT_ANSWERS[reason].sip_code
            check_listed(Case(number, reason, q850, code), await closed_call(site, number))
    finally:
        await site.daemon.ask(c.SetTrunk(name="carrier", is_default=True))


async def test_a_call_that_its_agent_gives_up(site: Site, tmp_path: Path) -> None:
    """While it rings, while the carrier plays early media, and while the announcement is played."""
    ringing, early, told = "11970053000", "11970058486", "11970054404"
    calls = {number: await site.phone("1001").dial(number) for number in (ringing, early, told)}
    arrived = await site.carrier.next_call(f"+55{ringing}")
    await calls[ringing].until("RINGING")
    await calls[early].until("PROGRESS")
    await calls[told].until("PROGRESS")
    for call in calls.values():
        await call.hang_up()
        await call.until_ended()
    await site.carrier.until_ended(arrived)
    for number in (ringing, early):
        row = await closed_call(site, number)
        assert (row["disposition"], row["reason"], row["status"]) == ("CANCELLED", "cancelled", "Cancelada")
        assert (row["billed_minutes"], row["q850"]) == (0, 16)
    # The first cause is the cause.
    assert (await closed_call(site, told))["reason"] == "invalid_number"
    account = site.phone("1001").account
    async with sipp.agents(
        tmp_path,
        site.pbx.sip_address,
        [(account, "11970063000")],
        scenario="agent-cancels",
        at_once=1,
        per_s=1,
        talk_ms=300,
    ) as agent:
        await agent.until_through(20)
        [seen] = agent.calls()
    assert [message.code for message in seen.responses] == [180, 487]
    assert (await closed_call(site, "11970063000"))["reason"] == "cancelled"


async def test_an_answer_in_the_moment_of_giving_up(site: Site) -> None:
    """R6, D7: whoever comes first, the list says what Asterisk's own record says: what it never saw answered costs
    nothing, though the carrier's 200 may have crossed our CANCEL."""
    numbers = [f"1197{n:03d}9{hundredths}" for n in range(6) for hundredths in range(296, 301)]
    calls = [await site.phone("1001").dial(number) for number in numbers]
    for call in calls:
        await call.until_ended(30)
    await nothing_left(site, COMPANIES)
    record = Cel(site.pbx.cel_file)
    for number in numbers:
        row = await closed_call(site, number)
        found = (row["disposition"], row["reason"], row["billed_minutes"])
        if record.instants(f"cc-{row['call_id']}-customer", "ANSWER"):
            assert (found[0], found[2]) == ("ANSWERED", 1), row
        else:
            assert found == ("NO_ANSWER", "no_answer", 0), row
