"""Faults around a living daemon: it hangs, its connection goes, Asterisk or the database goes. No call is lost.

One installation serves all tests: each leaves nothing behind but a living daemon.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.asterisk import AsteriskPrefix
from lab.audio import complete, seconds_of_sound
from lab.daemon import DaemonProcess
from lab.ports import LOOPBACK
from lab.site import COMPANY
from tests.support.installation import SETTINGS, Installation, installation
from tests.support.proxy import CuttableProxy
from tests.support.truth import instant
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    async with installation(asterisk_prefix, tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lab(started: Installation) -> AsyncIterator[Installation]:
    async with started.one_test():
        yield started


async def test_d12_a_daemon_that_hangs(lab: Installation) -> None:
    """The dialplan takes new calls back: refused aloud, emergency codes go out. Awake again, the daemon leaves them
    alone, lists each at most once, and bills what ended while it slept to the second."""
    await lab.have_daemon()
    talk = await lab.talk("1001")
    await lab.answered(talk)
    lab.daemon.freeze()
    dialled, refused = await lab.dial("1002", "1000")
    ambulance = await lab.carrier.phone("1003").dial("193")
    await lab.customer_hangs_up(talk)
    emergency = await lab.carrier.next_call("193", timeout_s=12)
    await ambulance.until("ANSWER")
    await refused.until_ended(timeout_s=30)
    assert refused.sip_code == 503
    assert seconds_of_sound(await complete(refused.heard)) > 1.5
    lab.daemon.thaw()
    await lab.until_ready(True)
    lab.check_bill(talk, await lab.closed(talk))
    await talk.agent.until_ended()
    await until(lambda: all(row["disposition"] for row in lab.bill.rows("193")), "the end of what it saw too late")
    assert not ambulance.ended
    assert not emergency.ended
    await lab.carrier.hang_up(emergency)
    await ambulance.until_ended()
    for number in (dialled, "193"):
        assert sum(row["billed_minutes"] for row in lab.bill.rows(number)) == 0
        assert len(lab.bill.rows(number)) <= 1
    assert len([call for call in lab.carrier.calls if call.number.endswith(dialled)]) == 0


async def test_the_connection_to_asterisk_is_lost(lab: Installation) -> None:
    """Closed, then half-open: /readyz tells, it connects again, and what was missed is made up for."""
    async with CuttableProxy(lab.pbx.ari_port) as proxy:
        await lab.have_daemon(
            {"asterisk": {"ari_url": f"http://{LOOPBACK}:{proxy.port}", "request_timeout_s": 2}},
        )
        pid = lab.daemon.pid
        talking = await lab.talk("1001")
        ringing = await lab.reach("1002", "3000")
        await ringing.agent.until("RINGING")
        await lab.answered(talking)

        proxy.close_all()
        await lab.until_ready(False)
        await lab.customer_hangs_up(talking)
        await lab.customer_answers(ringing)
        await lab.answer_recorded(ringing)
        await ringing.agent.until("ANSWER")  # the bridge passes it on without us
        proxy.restore()
        await lab.until_ready(True)
        lab.check_bill(talking, await lab.closed(talking))
        assert await lab.reconciled() == {"cel": 1, "adopted": 1}

        proxy.swallow()
        await lab.until_ready(False)
        await lab.agent_hangs_up(ringing)
        assert not ringing.carried.ended
        proxy.restore()
        await lab.until_ready(True)
        lab.check_bill(ringing, await lab.closed(ringing))
        await lab.carrier.until_ended(ringing.carried)
        assert lab.daemon.pid == pid
        await lab.have_daemon()


async def test_asterisk_is_killed_and_comes_back(lab: Installation) -> None:
    """Nothing records the end: it is the last time the call was seen, and flagged. Phones are known at once."""
    await lab.have_daemon()
    talk = await lab.talk("1001")
    await lab.answered(talk)
    answered_at = instant(lab.bill.row(talk.dialled)["answered_at"])
    await until(lambda: lab.bill.last_mark() > answered_at, "a sign of life")
    await lab.pbx.kill()
    await lab.until_ready(False)
    last_seen_at = lab.bill.last_mark()
    await lab.pbx.start()
    await lab.until_ready(True)
    row = await lab.closed(talk)
    assert (row["reason"], row["disposition"], bool(row["estimated"])) == ("pbx_restarted", "ANSWERED", True)
    assert instant(row["ended_at"]) >= last_seen_at
    assert row["billed_minutes"] == 1
    await lab.carrier.hang_up(talk.carried)
    await talk.agent.hang_up()
    # No phone has registered again: none would for minutes.
    again = await lab.talk("1001")
    await lab.agent_hangs_up(again)
    lab.check_bill(again, await lab.closed(again))


async def test_asterisk_is_stopped_in_order_and_comes_back(lab: Installation) -> None:
    """Its record is whole: settled to the second."""
    await lab.have_daemon()
    talk = await lab.talk("1001")
    await lab.answered(talk)
    await lab.pbx.stop()
    await lab.until_ready(False)
    await lab.pbx.start()
    await lab.until_ready(True)
    row = await lab.closed(talk)
    assert not row["estimated"]
    lab.check_bill(talk, row)
    await lab.both_gone(talk)


async def test_another_daemon_takes_the_application(
    lab: Installation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two of them would steal it from each other for ever: the first one ends, with a code that nobody restarts.
    Its calls go on without it."""
    await lab.have_daemon()
    talk = await lab.talk("1001")
    async with lab.foreign_client():
        assert await lab.exit_code() == 16
    assert lab.last_line()["event"] == "daemon.application_taken"
    await lab.start_daemon()
    assert await lab.reconciled() == {"adopted": 1}
    await lab.agent_hangs_up(talk)
    lab.check_bill(talk, await lab.closed(talk))
    second = DaemonProcess(tmp_path_factory.mktemp("second"), lab.pbx, settings=SETTINGS)
    async with second:
        assert await lab.exit_code() == 16


async def test_a_second_daemon_on_the_same_database_is_refused(lab: Installation) -> None:
    await lab.have_daemon()
    pid = lab.daemon.pid
    output = await lab.daemon.try_command("run")
    assert output.code not in (0, 1)
    [line] = output.err.strip().splitlines()
    assert str(pid) in line
    assert "Traceback" not in line
    assert (lab.daemon.pid, (await lab.daemon.get("/readyz"))[0]) == (pid, 200)


@pytest.mark.parametrize("how", ["locked", "full"])
async def test_d11_the_ledger_is_away(lab: Installation, how: str) -> None:
    """Locked by another process, or on a full disk: nothing new that costs, what talks goes on, nothing is lost."""
    await lab.have_daemon()
    ends, stays = [await lab.talk(extension) for extension in ("1001", "1002")]
    for talk in (ends, stays):
        await lab.answered(talk)
    with lab.bill.locked() if how == "locked" else lab.full_disk():
        dialled, refused = await lab.dial("1003", "1000")
        ambulance = await lab.carrier.phone("1004").dial("190")
        emergency = await lab.carrier.next_call("190")
        await ambulance.until("ANSWER")
        await lab.customer_hangs_up(ends)
        await ends.agent.until_ended()
        await refused.until_ended()
        assert refused.sip_code == 503
        assert seconds_of_sound(await complete(refused.heard)) > 1.5
        await lab.until_ready(False)
        assert lab.bill.closed(ends.dialled) is None
        assert not stays.agent.ended
        assert not ambulance.ended
    await lab.until_ready(True)
    lab.check_bill(ends, await lab.closed(ends, timeout_s=30))
    await lab.agent_hangs_up(stays)
    lab.check_bill(stays, await lab.closed(stays))
    await lab.carrier.hang_up(emergency)
    await ambulance.until_ended()
    row = await until(lambda: lab.bill.closed(dialled), "the refused call in the list", 30)
    assert (row["disposition"], row["reason"]) == ("REFUSED", "ledger_unavailable")
    await until(lambda: lab.bill.closed("190"), "the emergency call in the list", 30)
    assert all(row["billed_minutes"] == 0 for row in (*lab.bill.rows("190"), row))
    usage = await lab.daemon.json("usage", COMPANY)
    assert usage["held"] == 0
