"""D16: emergency codes go out whoever dials them and whatever is broken, and cost nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager

import pytest
import pytest_asyncio

from callcontrol.engine.admin import commands as c
from lab.audio import complete, seconds_of_sound
from lab.phone import PhoneAccount, PhoneCall
from lab.prefix import AsteriskPrefix
from lab.site import COMPANY, ORIGIN, Site, SiteBuilder
from tests.support.clean_site import closed_call, installed, nothing_left

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

BLOCKED, EMPTY = "bloqueada", "vazia"
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    builder = SiteBuilder(
        asterisk_prefix,
        tmp_path_factory.mktemp("emergency"),
        agents=(),
        settings={
            "calls": {"authorise_timeout_s": 1, "emergency_trunk": "carrier"},
            "asterisk": {"reconnect_max_s": 0.5, "heartbeat_s": 1},
        },
    )
    builder.site.pbx.extra["pjsip.conf"] = STRANGER_ENDPOINT
    away = ("ledger.authorise_failed", "ledger.extend_failed", "ledger.close_failed", "recovery.ledger_unavailable")
    async with installed(builder, companies=(COMPANY, BLOCKED, EMPTY), expected_errors=away) as running:
        await running.add_company(0, EMPTY, "+551130003001")
        await running.add_company(10, BLOCKED, "+551130003002")
        await running.daemon.ask(c.SetCompany(company=BLOCKED, blocked=True))
        manager = "gerente@padaria.com.br"
        await running.daemon.ask(c.AddUser(company=COMPANY, email=manager, name="Bia", role="follow_up_manager"))
        await running.enrol(
            c.AddAgent(company=COMPANY, extension="1001", name="Ana"),
            c.AddAgent(company=COMPANY, extension="1009", name="Bia", email=manager),
            c.AddAgent(company=EMPTY, extension="3001", name="Caio"),
            c.AddAgent(company=BLOCKED, extension="5001", name="Davi"),
        )
        await running.carrier.add_phone(STRANGER)
        await running.carrier.registered(STRANGER.username)
        yield running


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Nobody else can write to the database."""
    with closing(sqlite3.connect(site.daemon.database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


async def connected(site: Site, username: str, code: str, *, answer_s: float = 10.0) -> PhoneCall:
    """Until agent and emergency service talk."""
    call = await site.carrier.phone(username).dial(code)
    await call.until("ANSWER", answer_s)
    return call


@pytest.mark.parametrize(
    ("username", "company", "code"),
    [
        ("1001", COMPANY, "190"),
        ("1009", COMPANY, "191"),
        ("3001", EMPTY, "192"),
        ("5001", BLOCKED, "193"),
        ("7777", None, "194"),
    ],
    ids=["agent", "follow-up manager", "no minutes", "blocked company", "unknown agent"],
)
async def test_an_emergency_code_passes_whoever_dials_it(
    site: Site, username: str, company: str | None, code: str
) -> None:
    call = await connected(site, username, code)
    arrived = await site.carrier.next_call(code)
    if company == COMPANY:
        assert arrived.caller == ORIGIN
    await site.carrier.hang_up(arrived)
    await call.until_ended()
    if company is not None:
        row = await closed_call(site, code, company)
        assert (row["disposition"], row["number"], row["billed_minutes"]) == ("ANSWERED", code, 0)
        usage = await site.usage(company)
        assert (usage["monthly_posted"], usage["overdraft"]) == (0, 0)


async def test_without_the_ledger(site: Site) -> None:
    """D11: what costs minutes is refused aloud, what talks goes on, an emergency goes out; all is written later."""
    talking = await site.phone("1001").dial("11940011000")
    await talking.until("ANSWER")
    with locked(site):
        refused, emergency = await asyncio.gather(
            site.phone("1001").dial("11940021000"), connected(site, "1009", "197", answer_s=4)
        )
        arrived = await site.carrier.next_call("197")
        await refused.until_ended()
        assert refused.sip_code == 503
        assert seconds_of_sound(await complete(refused.heard)) > 1
        assert "+5511940021000" not in [call.number for call in site.carrier.calls]
        assert not talking.ended
        await site.carrier.hang_up(arrived)
        await emergency.until_ended()
        await talking.hang_up()
        await talking.until_ended()
    for dialled, disposition, minutes in (
        ("11940011000", "ANSWERED", 1),
        ("11940021000", "REFUSED", 0),
        ("197", "ANSWERED", 0),
    ):
        row = await closed_call(site, dialled, timeout_s=30)
        assert (row["disposition"], row["billed_minutes"]) == (disposition, minutes), dialled
    assert (await closed_call(site, "11940021000"))["reason"] == "ledger_unavailable"


async def test_with_the_daemon_dead(site: Site) -> None:
    await site.daemon.kill()
    try:
        emergency, refused = await asyncio.gather(
            connected(site, "5001", "198"), site.phone("1001").dial("11940031000")
        )
        arrived = await site.carrier.next_call("198")
        await refused.until_ended()
        assert refused.sip_code == 503
        assert "+5511940031000" not in [call.number for call in site.carrier.calls]
    finally:
        await site.daemon.start()
    # The dialplan's own call is none of ours: coming back does not touch it.
    assert not emergency.ended
    await site.carrier.hang_up(arrived)
    await emergency.until_ended()


async def test_with_the_daemon_hung(site: Site) -> None:
    """D12: Asterisk takes the call back; the daemon that wakes up finds it gone and dials nobody a second time."""
    before = len(site.carrier.calls)
    site.daemon.freeze()
    try:
        emergency = await connected(site, "1001", "199", answer_s=15)
    finally:
        site.daemon.thaw()
    arrived = await site.carrier.next_call("199")
    await site.daemon.until_ready()
    # A call through the daemon from end to end: whatever it did about the other one, it has done.
    other = await site.phone("1001").dial("11940041001")
    await other.until_ended()
    assert other.answered
    assert not emergency.ended
    assert [call.number for call in site.carrier.calls[before:]] == ["199", "+5511940041001"]
    await site.carrier.hang_up(arrived)
    await emergency.until_ended()
    await nothing_left(site, (COMPANY, BLOCKED, EMPTY))
