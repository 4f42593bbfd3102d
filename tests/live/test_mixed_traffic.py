"""Two hundred calls by SIPp, twenty at a time, of every outcome: the books say what SIPp did."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from callcontrol.engine.admin import commands as c
from lab.prefix import AsteriskPrefix
from lab.site import Site, SiteBuilder
from tests.support import sipp
from tests.support.clean_site import installed, nothing_left

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def carrier(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[sipp.Sipp]:
    async with sipp.carrier(tmp_path_factory.mktemp("carrier")) as running:
        await running.until_listening()
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory, carrier: sipp.Sipp
) -> AsyncIterator[Site]:
    builder = SiteBuilder(
        asterisk_prefix,
        tmp_path_factory.mktemp("traffic"),
        agents=("1001", "1002", "1003", "1004"),
        minutes=1000,
        settings={"calls": {"ring_timeout_s": 2}},
    )
    builder.site.pbx.trunks["sipp"] = carrier.address
    async with installed(builder) as running:
        await running.daemon.ask(c.AddTrunk(name="sipp", endpoint="sipp", is_default=True))
        yield running


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls of one kind. `at_once`: such shares that all kinds are through at about the same time."""

    count: int
    at_once: int
    scenario: str = "agent"
    talk_ms: int = 30_000


BATCHES = {
    "1000": Batch(40, 2, talk_ms=1000),
    "1001": Batch(20, 2, talk_ms=2000),
    "1002": Batch(10, 2, talk_ms=3000),
    "2001": Batch(30, 2),
    "2002": Batch(20, 2),
    "7000": Batch(30, 5),
    "0000": Batch(20, 4),
    "0001": Batch(30, 1, "agent-cancels", talk_ms=400),
}
"""By the last four digits of the number. 1... is answered and the agent hangs up, after `talk_ms`; 2... the customer
does, after so many seconds; 7... is busy; 0... rings, until our limit or until the agent has had enough."""
EXPECTED = {
    "1000": ("ANSWERED", "agent_hung_up"),
    "1001": ("ANSWERED", "agent_hung_up"),
    "1002": ("ANSWERED", "agent_hung_up"),
    "2001": ("ANSWERED", "customer_hung_up"),
    "2002": ("ANSWERED", "customer_hung_up"),
    "7000": ("BUSY", "busy"),
    "0000": ("NO_ANSWER", "no_answer"),
    "0001": ("CANCELLED", "cancelled"),
}


async def place(site: Site, directory: Path) -> list[sipp.Transcript]:
    """Every batch with its share of the twenty; each call dials a number of its own."""
    batches = []
    accounts = [site.phone(f"100{n}").account for n in range(1, 5)]
    for behaviour, batch in BATCHES.items():
        calls = [(accounts[n % 4], f"1198{n:03d}{behaviour}") for n in range(batch.count)]
        batches.append(
            sipp.agents(
                directory / behaviour,
                site.pbx.sip_address,
                calls,
                scenario=batch.scenario,
                at_once=batch.at_once,
                per_s=batch.at_once,
                talk_ms=batch.talk_ms,
            )
        )

    async def run(agents: sipp.Sipp) -> list[sipp.Transcript]:
        async with agents as placed:
            await placed.until_through(100)
            return placed.calls()

    return [call for calls in await asyncio.gather(*(run(agents) for agents in batches)) for call in calls]


async def test_two_hundred_calls_of_every_outcome(site: Site, carrier: sipp.Sipp, tmp_path: Path) -> None:
    """R6, R7, D7, I5: one CDR each; dispositions, seconds and minutes are what SIPp did; nothing is left over."""
    dialled = await place(site, tmp_path)
    assert len(dialled) == 200 == sum(batch.count for batch in BATCHES.values())
    assert sum(batch.at_once for batch in BATCHES.values()) == 20
    await nothing_left(site)

    rows = await site.calls()
    by_number = {row["dialled"]: row for row in rows}
    assert len(rows) == len(by_number) == 200
    assert {call.dialled for call in dialled} == by_number.keys()
    wrong = [row for row in rows if (row["disposition"], row["reason"]) != EXPECTED[row["dialled"][-4:]]]
    assert wrong == []

    # The carrier saw each call once, whoever dialled it, and its clock says for how long it was answered.
    carried = {call.dialled.removeprefix("+55"): call for call in carrier.calls()}
    assert len(carrier.calls()) == len(carried) == 200
    differing = []
    for number, row in by_number.items():
        call = carried[number]
        if call.answered_at is None:
            assert (row["billsec"], row["billed_minutes"], row["answered_at"]) == (0, 0, None), row
            continue
        assert call.ended_at is not None
        seconds = (call.ended_at - call.answered_at).total_seconds()
        # One second is what truncation takes (R7), the other what a busy machine puts between two programs' clocks.
        if abs(seconds - row["billsec"]) > 2:
            differing.append((number, seconds, row["billsec"]))
        assert row["billed_minutes"] == 1, row
    assert differing == []
    answered = sum(call.answered_at is not None for call in carried.values())
    usage = await site.usage()
    assert (
        usage["monthly_posted"]
        == answered
        == sum(batch.count for behaviour, batch in BATCHES.items() if behaviour[0] in "12")
    )
    entries = await site.daemon.ask(c.ListEntries(company="padaria"))
    posted = Counter(entry["call_id"] for entry in entries if entry["kind"] == "post")
    assert posted == Counter(row["call_id"] for row in rows if row["billed_minutes"])
