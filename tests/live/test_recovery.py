"""kill -9 at every stage of a call, on a real Asterisk: what lives goes on, what ended is billed to the second.

One installation serves all tests: each leaves nothing behind but a living daemon.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from lab.asterisk import AsteriskPrefix
from lab.audio import complete, seconds_of_sound
from tests.support.installation import PADARIA, Company, Installation, installation
from tests.support.truth import instant
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

FARMACIA = Company("farmacia", 1, ("2001",))
MERCADO = Company("mercado", 4, ("3001",))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    directory = tmp_path_factory.mktemp("recovery")
    async with installation(asterisk_prefix, directory, (PADARIA, FARMACIA, MERCADO)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lab(started: Installation) -> AsyncIterator[Installation]:
    async with started.one_test():
        yield started


async def test_killed_while_ringing(lab: Installation) -> None:
    """Answered while dead, answered after the restart, cancelled, refused, and never answered: each as it was."""
    early, late, cancelled, refused, unanswered = [
        await lab.reach(extension, "3000") for extension in ("1001", "1002", "1003", "1004", "1005")
    ]
    for talk in (early, late, cancelled, refused, unanswered):
        await talk.agent.until("RINGING")
    await lab.daemon.kill()
    await lab.agent_hangs_up(cancelled)
    await lab.customer_hangs_up(refused)
    await lab.customer_answers(early)
    await lab.answer_recorded(early)
    await early.agent.until("ANSWER")  # the bridge passes it on without us
    await lab.start_daemon()
    assert await lab.reconciled() == {"adopted": 3, "voided": 2}
    await lab.customer_answers(late)
    await late.agent.until("ANSWER")
    await lab.customer_hangs_up(early)
    await lab.agent_hangs_up(late)
    for talk in (early, late):
        lab.check_bill(talk, await lab.closed(talk))
    dispositions = []
    for talk in (cancelled, refused, unanswered):
        row = await lab.closed(talk, timeout_s=45)
        dispositions.append(row["disposition"])
        assert (row["billsec"], row["billed_minutes"]) == (0, 0)
        await lab.both_gone(talk)
    assert dispositions == ["CANCELLED", "FAILED", "NO_ANSWER"]
    assert unanswered.agent.sip_code == 480


async def test_killed_between_the_answer_and_its_storing(lab: Installation) -> None:
    """Neither the answer nor the second minute is committed: both come from Asterisk's record afterwards (R6)."""
    talk = await lab.reach("1001", "3000")
    await talk.agent.until("RINGING")
    with lab.bill.locked():
        await lab.customer_answers(talk)
        await talk.agent.until("ANSWER")
        await lab.daemon.kill()
    assert lab.bill.row(talk.dialled)["answered_at"] is None
    assert lab.bill.held(talk.dialled) == 1
    await lab.start_daemon()
    await until(lambda: lab.bill.held(talk.dialled) >= 2, "the extension")
    await lab.agent_hangs_up(talk)
    lab.check_bill(talk, await lab.closed(talk))


async def test_killed_again_and_again_while_talking(lab: Installation) -> None:
    """Adopted each time, billed once."""
    talk = await lab.talk("1001")
    for _ in range(2):
        await lab.kill_and_start()
        assert await lab.reconciled() == {"adopted": 1}
    assert not talk.agent.ended
    assert not talk.carried.ended
    await lab.customer_hangs_up(talk)
    row = await lab.closed(talk)
    lab.check_bill(talk, row)
    assert row["reason"] == "customer_hung_up"
    await lab.both_gone(talk)


async def test_d6_calls_end_without_us_while_the_record_is_rotated(lab: Installation) -> None:
    """By the customer, by the agent, by both; before and after a rotation by renaming, and after one by copying."""
    by_customer, by_agent, by_both = [await lab.talk(extension) for extension in ("1001", "1002", "1003")]
    for talk in (by_customer, by_agent, by_both):
        await lab.answered(talk)
    await lab.daemon.kill()
    record = lab.cel.file
    await lab.customer_hangs_up(by_customer)
    record.rename(record.with_name(record.name + ".2"))
    await lab.pbx.cli("module reload cel_custom")
    await lab.agent_hangs_up(by_agent)
    shutil.copy(record, record.with_name(record.name + ".1"))
    with record.open("r+") as file:
        file.truncate(0)
    await lab.agent_hangs_up(by_both)
    await lab.customer_hangs_up(by_both)
    assert not by_customer.agent.ended, "one party leaving does not end a bridge"
    assert not by_agent.carried.ended
    await lab.start_daemon()
    assert await lab.reconciled() == {"cel": 3}
    reasons = []
    for talk in (by_customer, by_agent, by_both):
        row = await lab.closed(talk)
        lab.check_bill(talk, row)
        assert not row["estimated"]
        reasons.append(row["reason"])
        await lab.both_gone(talk)
    assert reasons == ["customer_hung_up", "agent_hung_up", "agent_hung_up"]


async def test_d6_without_a_record_the_end_is_when_it_was_last_seen(lab: Installation) -> None:
    talk = await lab.talk("1001")
    await lab.answered(talk)
    answered_at = instant(lab.bill.row(talk.dialled)["answered_at"])
    await until(lambda: lab.bill.last_mark() > answered_at, "a sign of life")
    await lab.daemon.kill()
    await lab.agent_hangs_up(talk)
    await lab.customer_hangs_up(talk)
    for file in lab.cel.file.parent.iterdir():
        file.unlink()
    last_seen_at = lab.bill.last_mark()
    await lab.start_daemon()
    row = await lab.closed(talk)
    assert await lab.reconciled() == {"estimated": 1}
    assert row["estimated"]
    assert instant(row["ended_at"]) == last_seen_at
    assert row["billsec"] == (last_seen_at - answered_at) // timedelta(seconds=1)
    assert row["billed_minutes"] == 1


async def test_a_stopping_daemon_leaves_its_calls_to_asterisk_and_to_the_next_one(lab: Installation) -> None:
    """SIGTERM: exit 0, a call that rings and one that talks go on, both are adopted."""
    talking = await lab.talk("1001")
    ringing = await lab.reach("1002", "3000")
    await ringing.agent.until("RINGING")
    assert await lab.daemon.stop() == 0
    ends = (talking.agent, talking.carried, ringing.agent, ringing.carried)
    assert [end.ended for end in ends] == [False] * 4
    await lab.start_daemon()
    assert await lab.reconciled() == {"adopted": 2}
    await lab.customer_answers(ringing)
    await ringing.agent.until("ANSWER")
    for talk in (talking, ringing):
        await lab.agent_hangs_up(talk)
        lab.check_bill(talk, await lab.closed(talk))


async def test_leftovers_of_ours_are_removed_at_start(lab: Installation) -> None:
    await lab.daemon.kill()
    name = "cc-00000000000000000000000000000bad"
    async with lab.foreign_client():
        await lab.ari("POST", "/bridges", bridgeId=f"{name}-bridge", type="mixing,proxy_media")
        await lab.ari(
            "POST",
            "/channels/create",
            endpoint="PJSIP/+5511988883000@carrier",
            app="callcontrol",
            appArgs="leg,customer,bad",
            channelId=f"{name}-customer",
        )

        async def in_application() -> bool:
            channel = await lab.ari("GET", f"/channels/{name}-customer")
            return bool(channel["dialplan"]["app_name"] == "Stasis")

        await until(in_application, "the channel in the application", 5)
    await lab.start_daemon()
    await lab.assert_clean()
    metrics = await lab.daemon.metrics()
    assert metrics['callcontrol_orphans_reaped_total{kind="bridge"}'] == 1
    assert metrics['callcontrol_orphans_reaped_total{kind="channel"}'] == 1


# A minute of two seconds, for what takes minutes.

SHORT_MINUTE_S = 2
GRACE_S = 3
RING_TIMEOUT_S = 62


@pytest_asyncio.fixture(loop_scope="module")
async def short(lab: Installation) -> AsyncIterator[Installation]:
    settings = {"calls": {"grace_s": GRACE_S, "ring_timeout_s": RING_TIMEOUT_S}}
    await lab.have_daemon(settings, {"CALLCONTROL_TEST_MINUTE_S": str(SHORT_MINUTE_S)})
    yield lab


async def test_d4_the_last_minute_ends_and_with_it_the_call(short: Installation) -> None:
    """At the end of what is held, at most a second late; and the bill is not more than what was held."""
    talk = await short.talk("3001")
    await short.both_gone(talk)
    row = await short.closed(talk)
    assert row["reason"] == "pool_exhausted"
    held_s = MERCADO.minutes * SHORT_MINUTE_S
    assert held_s <= short.cel.call(row).seconds <= held_s + 1
    assert row["billed_minutes"] == 1
    assert short.bill.postings(talk.dialled) == {"monthly": 1}


async def test_d5_asterisk_bounds_the_calls_of_a_daemon_that_is_away(short: Installation) -> None:
    """Cut at the end of the hold plus grace; what was talked beyond is billed, and what nothing was left for is an
    overdraft. Meanwhile the dialplan refuses new calls aloud and lets emergency calls pass (D12, D16)."""
    extended = await short.talk("1001")
    held = await until(lambda: (minutes := short.bill.held(extended.dialled)) > 1 and minutes, "the extension")
    beyond_all = await short.reach("2001", "3000")
    await beyond_all.agent.until("RINGING")
    await short.daemon.kill()
    held = short.bill.held(extended.dialled)
    await short.customer_answers(beyond_all)

    _, refused = await short.dial("1002", "1000")
    ambulance = await short.carrier.phone("1003").dial("192")
    emergency = await short.carrier.next_call("192")
    await ambulance.until("ANSWER")
    await refused.until_ended()
    assert refused.sip_code == 503
    assert seconds_of_sound(await complete(refused.heard)) > 1.5

    await short.both_gone(extended, timeout_s=held * SHORT_MINUTE_S + 20)
    await short.both_gone(beyond_all, timeout_s=RING_TIMEOUT_S + 20)
    assert not ambulance.ended
    await short.carrier.hang_up(emergency)
    await ambulance.until_ended()
    await short.start_daemon()

    row = await short.closed(extended)
    short.check_bill(extended, row)
    recorded = short.cel.call(row)
    limit_s = held * SHORT_MINUTE_S + GRACE_S
    assert recorded.answered is not None
    for ended in (recorded.agent_ended, recorded.customer_ended):
        assert ended is not None
        assert limit_s - 0.5 <= ended - recorded.answered <= limit_s + 1.5
    assert row["reason"] == "pbx_limit"

    row = await short.closed(beyond_all)
    short.check_bill(beyond_all, row)
    assert 60 < row["billsec"] <= RING_TIMEOUT_S + SHORT_MINUTE_S + 1, "real minutes, whatever a held one is (R7)"
    assert row["reason"] == "pbx_limit"
    assert short.bill.postings(beyond_all.dialled) == {"monthly": 1, "grace": 1, "overdraft": 1}
