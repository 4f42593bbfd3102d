"""kill -9 at random moments under five concurrent calls, and the bill compared with what the carrier saw.

    CAMPAIGN_SEED=7 CAMPAIGN_KILLS=20 pytest -m campaign tests/live/test_kill_campaign.py

On both databases, or on one (`-k sqlite`, `-k postgresql`). The seed gives what is dialled and when the daemon dies; it
is printed, and given again it plays the same campaign. The processes' own pace is the machine's, so a failure found
once may need a few runs.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import pytest
import pytest_asyncio

from lab.asterisk import AsteriskPrefix
from lab.events import Event
from lab.phone import PhoneCall
from tests.support.databases import DIALECTS
from tests.support.installation import PADARIA, Installation, installation
from tests.support.postgresql import server
from tests.support.waiting import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.campaign,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(3600),
]

BEHAVIOURS = ("0001", "0004", "1000", "1002", "1005", "1009", "2003", "3003", "3000", "4486", "5503", "7004")
"""Rings and talks, answers at once and talks 2, 5, 9 s or until the agent leaves, early media, slow, never answered,
busy, congestion, a silent voicemail."""
LONGEST_CALL_S = 12.0


@dataclass(slots=True)
class Seen:
    """The carrier's own knowledge of one INVITE."""

    number: str
    answered_at: datetime | None = None
    ended_at: datetime | None = None

    def seconds(self, agent_ended_at: datetime) -> float:
        """From its answer to the first end of either party: with the daemon dead, the other one waits for it."""
        assert self.answered_at is not None
        assert self.ended_at is not None
        return max(0.0, (min(self.ended_at, agent_ended_at) - self.answered_at).total_seconds())


@dataclass
class CarrierRecord:
    """What the Asterisk that plays carrier and phones told, with its own timestamps."""

    calls: dict[str, Seen] = field(default_factory=dict)
    ended_at: dict[str, datetime] = field(default_factory=dict)
    """The end of every channel, by its id; those of phones too."""

    def on_event(self, event: Event) -> None:
        channel = event.get("channel") or {}
        kind, at = event["type"], datetime.fromisoformat(event["timestamp"])
        if kind == "ChannelCreated" and channel["name"].startswith("PJSIP/pbx-"):
            self.calls[channel["id"]] = Seen(channel["dialplan"]["exten"])
        if kind == "ChannelDestroyed":
            self.ended_at[channel["id"]] = at
        seen = self.calls.get(channel.get("id", ""))
        if seen is None:
            return
        if kind == "ChannelDestroyed":
            seen.ended_at = at
        elif kind == "ChannelStateChange" and channel["state"] == "Up":
            seen.answered_at = seen.answered_at or at

    def more_than(self, calls: int) -> bool:
        return len(self.calls) > calls

    def of(self, dialled: str) -> list[Seen]:
        return [seen for seen in self.calls.values() if seen.number == f"+55{dialled}"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DIALECTS)
async def lab(
    request: pytest.FixtureRequest, asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    url = None if request.param == "sqlite" else server().url(server().create())
    async with installation(asterisk_prefix, tmp_path_factory.mktemp("campaign"), database_url=url) as running:
        yield running


async def test_whenever_it_is_killed_the_bill_is_what_the_carrier_saw(lab: Installation) -> None:
    seed = int(os.environ.get("CAMPAIGN_SEED") or random.SystemRandom().randrange(10**6))
    kills = int(os.environ.get("CAMPAIGN_KILLS", "20"))
    print(f"CAMPAIGN_SEED={seed} CAMPAIGN_KILLS={kills}")
    record = CarrierRecord()
    lab.carrier.listen(record.on_event)
    over = asyncio.Event()
    dialled: dict[str, PhoneCall] = {}
    agents = [
        asyncio.create_task(_agent(lab, extension, random.Random(f"{seed} {extension}"), over, dialled))
        for extension in PADARIA.agents
    ]
    moments = random.Random(f"{seed} kills")
    for _ in range(kills):
        if moments.random() < 0.8:
            await until(partial(record.more_than, len(record.calls)), "a call at the carrier", 60)
        # Most of what can go wrong is in the milliseconds after a call was dialled or taken up again.
        await asyncio.sleep(moments.choice((moments.uniform(0, 0.3), moments.uniform(0, 3), moments.uniform(3, 8))))
        await lab.daemon.kill()
        await lab.daemon.start(ready=False)
        if moments.random() < 0.8:
            await lab.daemon.until_ready(timeout_s=60)
    await lab.daemon.until_ready(timeout_s=60)
    over.set()
    await asyncio.gather(*agents)
    await lab.assert_clean()
    await until(lambda: all(seen.ended_at for seen in record.calls.values()), "the end of every call at the carrier")
    wrong = [problem for number, call in dialled.items() if (problem := _compare(lab, record, number, call))]
    answered = sum(seen.answered_at is not None for seen in record.calls.values())
    print(f"{len(dialled)} calls dialled, {len(record.calls)} reached the carrier, {answered} answered")
    assert wrong == [], f"CAMPAIGN_SEED={seed}"
    assert answered >= kills // 2, "nothing to be learnt"


async def _agent(
    lab: Installation, extension: str, chance: random.Random, over: asyncio.Event, all_dialled: dict[str, PhoneCall]
) -> None:
    """Calls one number after the other; some calls the agent ends, at any moment."""
    while not over.is_set():
        dialled, call = await lab.dial(extension, chance.choice(BEHAVIOURS))
        all_dialled[dialled] = call
        patience_s = chance.choice((chance.uniform(0, 2), chance.uniform(2, LONGEST_CALL_S), LONGEST_CALL_S))
        try:
            await call.until_ended(patience_s)
        except TimeoutError:
            await call.hang_up()
            await call.until_ended(60)


def _compare(lab: Installation, record: CarrierRecord, dialled: str, placed: PhoneCall) -> str | None:
    """One line about what is wrong with the bill of this call."""
    rows, seen = lab.bill.rows(dialled), record.of(dialled)
    if len(rows) > 1 or len(seen) > 1:
        return f"{dialled}: {len(rows)} calls listed, {len(seen)} reached the carrier"
    if not seen:
        billed = [row for row in rows if row["billed_minutes"] or row["disposition"] == "ANSWERED"]
        return f"{dialled}: never reached the carrier, listed as {billed}" if billed else None
    if not rows:
        return f"{dialled}: reached the carrier and is not listed"
    [row], [call] = rows, seen
    if call.answered_at is None:
        free = row["billed_minutes"] == 0 and row["disposition"] != "ANSWERED"
        return None if free else f"{dialled}: not answered, listed as {row}"
    assert placed.channel_id is not None
    seconds = call.seconds(record.ended_at[placed.channel_id])
    if row["disposition"] != "ANSWERED" or abs(row["billsec"] - seconds) > 1.1:
        return f"{dialled}: {seconds:.2f} s at the carrier, listed as {row}"
    if row["billed_minutes"] != max(1, -(-row["billsec"] // 60)) or row["estimated"]:
        return f"{dialled}: billed as {row}"
    return None
