"""Two hundred calls by SIPp, twenty at a time, of every outcome: the books say what SIPp did."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcontrol.engine.admin import commands as c
from lab.prefix import AsteriskPrefix
from lab.site import Site, SiteBuilder
from tests.support import sipp
from tests.support.clean_site import installed, nothing_left

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

CALLS = 200
AT_ONCE = 20


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


BATCHES = {
    # What the carrier does with the number -> how many, and how the agents' SIPp goes about it.
    "1000": (30, "agent", 1000),
    "1001": (20, "agent", 2000),
    "1002": (10, "agent", 3000),
    "2001": (30, "agent", 30_000),
    "2002": (20, "agent", 30_000),
    "7000": (40, "agent", 0),
    "0000": (25, "agent", 0),
    "0001": (25, "agent-cancels", 400),
}
"""See carrier.xml and agent.xml: 1... answered, the agent hangs up; 2... the customer does; 7... busy; 0... rings."""
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
    for behaviour, (count, scenario, talk_ms) in BATCHES.items():
        calls = [(accounts[n % 4], f"1198{n:03d}{behaviour}") for n in range(count)]
        # With these shares all batches end at about the same time.
        share = {"1000": 2, "1001": 2, "1002": 2, "2001": 2, "2002": 2, "7000": 5, "0000": 3, "0001": 2}[behaviour]
        folder = directory / behaviour
        batches.append(
            sipp.agents(
                folder, site.pbx.sip_address, calls, scenario=scenario, at_once=share, per_s=share, talk_ms=talk_ms
            )
        )

    async def run(batch: sipp.Sipp) -> list[sipp.Transcript]:
        async with batch as placed:
            await placed.until_through(100)
            return placed.calls()

    return [call for calls in await asyncio.gather(*(run(batch) for batch in batches)) for call in calls]


async def test_two_hundred_calls_of_every_outcome(site: Site, carrier: sipp.Sipp, tmp_path: Path) -> None:
    """R6, R7, D7, I5: one CDR each; dispositions, seconds and minutes are what SIPp did; nothing is left over."""
    dialled = await place(site, tmp_path)
    assert len(dialled) == CALLS
    await nothing_left(site)

    rows = await site.calls()
    by_number = {row["dialled"]: row for row in rows}
    assert len(rows) == len(by_number) == CALLS
    assert {call.dialled for call in dialled} == by_number.keys()
    wrong = [row for row in rows if (row["disposition"], row["reason"]) != EXPECTED[row["dialled"][-4:]]]
    assert wrong == []

    # The carrier saw each call once, whoever dialled it, and its clock says for how long it was answered.
    carried = {call.dialled.removeprefix("+55"): call for call in carrier.calls()}
    assert len(carrier.calls()) == len(carried) == CALLS
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
    assert usage["monthly_posted"] == answered == sum(n for b, (n, *_) in BATCHES.items() if b[0] in "12")
    entries = await site.daemon.ask(c.ListEntries(company="padaria"))
    posted = Counter(entry["call_id"] for entry in entries if entry["kind"] == "post")
    assert posted == Counter(row["call_id"] for row in rows if row["billed_minutes"])
