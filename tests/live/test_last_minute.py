"""The end of the last held minute on a real Asterisk: tones for the agent alone, add-ons, overdraft, the cut (D3-D5).

The minute is of 31 s, so that two of them are billed as two; the tones scale with it. All calls run side by side, and
each test looks at its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from lab.audio import complete, stretches_of_tone
from lab.carrier import CUSTOMER_HZ
from lab.prefix import AsteriskPrefix
from tests.support.installation import Company, Installation, Talk, installation
from tests.support.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

MINUTE_S = 31
FIRST_S, SECOND_S = MINUTE_S, MINUTE_S / 4
"""How long before the end the tones sound: 60 s and 15 s of a minute of 60."""
WARNING_HZ, AGENT_HZ = 1800, 440
LONGEST_GAP_S = 0.25
COMPANIES = (
    Company("conversa", 2, ("1001",)),
    Company("calado", 2, ("2001",)),
    Company("muda", 2, ("3001",)),
    Company("salva", 1, ("4001",)),
    Company("termina", 1, ("5001",)),
    Company("morre", 2, ("6001",)),
    Company("renova", 1, ("7001",)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    async with installation(asterisk_prefix, tmp_path_factory.mktemp("last-minute"), COMPANIES) as running:
        await running.have_daemon({"calls": {"grace_s": 3}}, {"CALLCONTROL_TEST_MINUTE_S": str(MINUTE_S)})
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talks(lab: Installation) -> dict[str, Talk]:
    """Every call, answered; by the company that pays."""
    await lab.daemon.command("policy", "set", "termina", "finish", "--limit", "1", "--order", "contrato-1")
    silent = lab.carrier.phone("3001")
    silent.account = replace(silent.account, tone_hz=0)
    return {
        "salva": await lab.talk("4001"),
        "conversa": await lab.talk("1001"),
        "calado": await lab.talk("2001", "7000"),
        "muda": await lab.talk("3001"),
        "termina": await lab.talk("5001"),
    }


async def heard(recording: Path, hz: float) -> list[tuple[float, float]]:
    return stretches_of_tone(await complete(recording), hz)


def gaps(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """(from, how long) between the first and the last time that it is heard."""
    return [(end, begin - end) for (_, end), (begin, _) in pairwise(stretches)]


async def check_tones(lab: Installation, talk: Talk, expected: list[float]) -> list[float]:
    """They sound to the agent where the rule says, in seconds from the answer, once each and short, each with its line
    in the daemon's log; to the customer never. Returns when they sounded."""
    call_id = lab.bill.row(talk.dialled)["call_id"]
    lines = [line for line in lab.daemon.events() if line["event"] == "call.warned" and line["call_id"] == call_id]
    tones = await heard(talk.agent.heard, WARNING_HZ)
    assert len(tones) == len(lines) == len(expected), f"{tones}, {lines}"
    for (begins, ends), at in zip(tones, expected, strict=True):
        assert abs(begins - at) <= 1
        assert 0.1 < ends - begins <= LONGEST_GAP_S
    assert await heard(talk.carried.heard, WARNING_HZ) == []
    return [begins for begins, _ in tones]


def check_cut(lab: Installation, talk: Talk, minutes: int) -> None:
    """At the end of what was held, at most a second late, and not billed beyond it."""
    row = lab.bill.row(talk.dialled)
    assert row["reason"] == "pool_exhausted"
    held_s = minutes * MINUTE_S
    assert held_s <= lab.cel.call(row).seconds <= held_s + 1
    assert row["billed_minutes"] == minutes


async def check_conversation(recording: Path, hz: float, tones: list[float]) -> None:
    """The other party's voice is heard before, between and after the tones, which interrupt it for a moment."""
    voice = await heard(recording, hz)
    around = [(at, length) for at, length in gaps(voice) if any(abs(at - tone) < 1 for tone in tones)]
    assert len(around) >= len(tones), "while a tone sounds, the parties do not hear each other"
    assert all(length <= LONGEST_GAP_S for _, length in around), around
    for begins, ends in zip([0.0, *tones], [*tones, tones[-1] + SECOND_S], strict=True):
        spoken = sum(min(to, ends) - max(since, begins) for since, to in voice if since < ends and to > begins)
        assert spoken > 0.8 * (ends - begins) - LONGEST_GAP_S, f"{begins:.1f} to {ends:.1f} s: {spoken:.1f} s"


async def test_d3_an_addon_bought_in_the_last_minute_saves_the_call(lab: Installation, talks: dict[str, Talk]) -> None:
    """With exactly one minute the first tone comes with the answer; the second and the cut never do, and the minutes
    after that are the pack's."""
    talk = talks["salva"]
    await lab.logged("call.warned", call_id=lab.bill.row(talk.dialled)["call_id"])
    await lab.daemon.command("addon", "add", "salva", "5", "--order", "pacote-1")
    await lab.both_gone(talks["conversa"], timeout_s=3 * MINUTE_S)
    assert not talk.agent.ended
    await lab.agent_hangs_up(talk)
    row = await lab.closed(talk)
    assert (row["reason"], row["billed_minutes"]) == ("agent_hung_up", 2)
    assert lab.bill.postings(talk.dialled) == {"monthly": 1, "addon": 1}
    await check_tones(lab, talk, [0])


async def test_d4_the_agent_alone_hears_the_tones_then_the_call_is_cut(
    lab: Installation, talks: dict[str, Talk]
) -> None:
    talk = talks["conversa"]
    await lab.both_gone(talk)
    await lab.closed(talk)
    check_cut(lab, talk, 2)
    tones = await check_tones(lab, talk, [2 * MINUTE_S - FIRST_S, 2 * MINUTE_S - SECOND_S])
    await check_conversation(talk.agent.heard, CUSTOMER_HZ, tones)
    await check_conversation(talk.carried.heard, AGENT_HZ, tones)


async def test_d4_with_a_customer_who_sends_no_rtp(lab: Installation, talks: dict[str, Talk]) -> None:
    talk = talks["calado"]
    await lab.both_gone(talk)
    await lab.closed(talk)
    check_cut(lab, talk, 2)
    tones = await check_tones(lab, talk, [2 * MINUTE_S - FIRST_S, 2 * MINUTE_S - SECOND_S])
    assert await heard(talk.agent.heard, CUSTOMER_HZ) == []
    # A recording of one who sends nothing has no clock of its own: what is missing makes it shorter.
    spoken_s = sum(end - begin for begin, end in await heard(talk.carried.heard, AGENT_HZ))
    assert spoken_s >= 2 * MINUTE_S - 1 - len(tones) * LONGEST_GAP_S


async def test_d4_with_an_agent_who_sends_no_rtp(lab: Installation, talks: dict[str, Talk]) -> None:
    talk = talks["muda"]
    await lab.both_gone(talk)
    await lab.closed(talk)
    check_cut(lab, talk, 2)
    tones = await check_tones(lab, talk, [2 * MINUTE_S - FIRST_S, 2 * MINUTE_S - SECOND_S])
    assert await heard(talk.carried.heard, AGENT_HZ) == []
    await check_conversation(talk.agent.heard, CUSTOMER_HZ, tones)


async def test_d4_finish_goes_on_as_overdraft_to_its_limit_and_the_next_addon_pays_it_back(
    lab: Installation, talks: dict[str, Talk]
) -> None:
    talk = talks["termina"]
    await lab.both_gone(talk)
    await lab.closed(talk)
    check_cut(lab, talk, 2)
    await check_tones(lab, talk, [2 * MINUTE_S - FIRST_S, 2 * MINUTE_S - SECOND_S])
    assert lab.bill.postings(talk.dialled)["monthly"] == 1
    assert lab.bill.postings(talk.dialled)["overdraft"] >= 1
    assert (await lab.daemon.json("usage", "termina"))["overdraft"] == 1
    dialled, refused = await lab.dial("5001", "1000")
    await refused.until_ended()
    row = await until(lambda: lab.bill.closed(dialled), "the refused call in the list")
    assert row["reason"] == "pool_exhausted", "the overdraft is for calls already answered"
    await lab.daemon.command("addon", "add", "termina", "5", "--order", "pacote-2")
    usage = await lab.daemon.json("usage", "termina")
    assert (usage["overdraft"], usage["addon_balance"]) == (0, 4)
    await lab.assert_clean()


async def test_d5_asterisk_cuts_by_the_limit_of_the_last_extension_when_we_are_dead(lab: Installation) -> None:
    """kill -9 before the cut: one call has its last minute, the other's limit followed the add-on that saved it."""
    minute_s = 8
    await lab.have_daemon({"calls": {"grace_s": 3}}, {"CALLCONTROL_TEST_MINUTE_S": str(minute_s)})
    dies, extended = await lab.talk("6001"), await lab.talk("7001")
    await lab.logged("call.warned", call_id=lab.bill.row(extended.dialled)["call_id"])
    await lab.daemon.command("addon", "add", "renova", "1", "--order", "pacote-3")
    # Its retry for more says that the limit of the longer hold has been asked for before.
    call_id = lab.bill.row(extended.dialled)["call_id"]
    await lab.logged("call.extended", call_id=call_id, held_minutes=2)
    await lab.logged("call.warned", call_id=call_id, left_s=float(minute_s))
    await lab.daemon.kill()
    for talk in (dies, extended):
        await lab.both_gone(talk, timeout_s=4 * minute_s)
    await lab.start_daemon()
    for talk in (dies, extended):
        row = await lab.closed(talk)
        assert row["reason"] == "pool_exhausted"
        assert 2 * minute_s - 0.5 <= lab.cel.call(row).seconds <= 2 * minute_s + 1.5
        assert row["billed_minutes"] == 1, "real minutes, whatever a held one is (R7)"
        assert sum(lab.bill.postings(talk.dialled).values()) == 1
    await lab.assert_clean()
