"""kill -9 at random moments under load: what was acknowledged is stored, nothing is stored twice, and whoever was told
nothing asks once more and is served. A witness outside the database has written down every question and every answer.

    CAMPAIGN_SEED=7 CAMPAIGN_KILLS=50 pytest -m campaign tests/ledger/test_kills_under_load.py

The seed gives what is asked for and when who dies; it is printed. The processes' own pace is the machine's, so a
failure found once may need a few runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, TextClause, text

from callcontrol.engine.ports.ledger import CallOpening
from tests.support.books import NODE, Books, add_company, open_books
from tests.support.databases import DIALECTS, new_database
from tests.support.postgresql import server
from tests.support.requests import Answer, Buy, Close, Dial, Give, GiveBack, Request, SetPlan
from tests.support.waiting import until
from tests.support.witness import Evidence, Notebook

COMPANIES = 12
CALLERS = 64
_STORED = text("SELECT key, result FROM operations")
_CALLS = text("SELECT call_id, billed_minutes, refunded_minutes, ended_at IS NOT NULL AS ended FROM calls")
_ORDERED = text("SELECT source_ref, company_id, granted FROM grants WHERE source_ref LIKE 'order:%'")
_PLANS = text("SELECT operation_key, company_id, minutes FROM plan_versions")


_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'callcontrol' ORDER BY pid"


def fill(connection: Connection) -> None:
    for company_id in range(1, COMPANIES + 1):
        add_company(connection, company_id)


@pytest.fixture(params=DIALECTS)
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Campaign]:
    seed = os.environ.get("CAMPAIGN_SEED") or str(random.SystemRandom().randrange(10**6))
    with new_database(request.param, tmp_path, fill) as url:
        yield Campaign(url, seed, tmp_path / "witness", on_server=request.param == "postgresql")


@dataclass
class Campaign:
    """Loads that work one ledger, and what has become of it. On PostgreSQL two processes at a time, as two daemons."""

    url: str
    seed: str
    witness: Path
    on_server: bool
    rounds: int = 0
    kills: int = 0
    kills_of_server: int = 0
    retried: int = 0
    loads: list[asyncio.subprocess.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.witness.touch()
        self.evidence = Evidence(self.witness)
        self.moments = random.Random(f"{self.seed} kills")

    async def kill_once(self) -> None:
        """Let them work, kill them in the middle of it, and look."""
        self.rounds += 1
        await self._start(2 if self.on_server else 1)
        try:
            await self._until_more_is_told(self._some())
            if self.on_server and self.moments.random() < 0.3:
                await self._until_all_work()
                await self._kill_server()
                await self._until_more_is_told(self._some())
            for load in list(self.loads):
                load.send_signal(signal.SIGKILL)
                self.kills += 1
                await load.wait()
                self.loads.remove(load)
                if self.loads:
                    await self._until_more_is_told(self._some())
        finally:
            await self._end_all()
        self.evidence.read()
        async with open_books(self.url) as books:
            await self._look(books)

    async def _start(self, processes: int) -> None:
        for number in range(processes):
            name = f"{self.rounds}-{number}"
            words = [self.url, str(self.witness), name, f"{self.seed} {name}"]
            # Three days from one round to the next: a load is often the first of its month.
            sizes = [str(size) for size in (COMPANIES, CALLERS // processes, 3 * self.rounds)]
            program = [sys.executable, "-m", "tests.support.ledger_load"]
            self.loads.append(await asyncio.create_subprocess_exec(*program, *words, *sizes))

    async def _end_all(self) -> None:
        for load in self.loads:
            if load.returncode is None:
                load.kill()
                await load.wait()
        self.loads.clear()

    async def _until_more_is_told(self, more: int) -> None:
        """A load that ends by itself has found a defect: it never gives up."""
        enough = self.evidence.read() + more

        def told() -> bool:
            assert [load.returncode for load in self.loads] == [None] * len(self.loads), self._words()
            return self.evidence.read() >= enough

        await until(told, f"{more} answers more", 60)

    async def _until_all_work(self) -> None:
        """Who cannot even open the database ends by itself, as a daemon does."""
        names = {f"{self.rounds}-{number}" for number in range(len(self.loads))}

        def working() -> bool:
            self.evidence.read()
            return names <= self.evidence.tellers

        await until(working, "an answer for each process", 60)

    def _some(self) -> int:
        """Often in the first moments of a process, when it opens the database and begins the months."""
        return self.moments.choice((1, self.moments.randint(2, 60), self.moments.randint(60, 800)))

    async def _kill_server(self) -> None:
        """All of it at once; or one of its processes, upon which it ends the others and recovers. Until it is back."""
        self.kills_of_server += 1
        if self.moments.random() < 0.5:
            server().kill()
            server().start()
            return
        backends = [pid for (pid,) in server().execute(_BACKENDS)]
        os.kill(self.moments.choice(backends), signal.SIGKILL)
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in backends), "the end of all backends", 60)
        await until(_server_is_back, "the server's recovery", 60)

    # after a kill

    async def _look(self, books: Books) -> None:
        await self._assert_in_order(books)
        before = await self._stored(books)
        for number, answer in self.evidence.told.items():
            if answer is not None:
                assert _answer_in(before, self.evidence.asked[number]) == answer, self._words()
        await self._ask_again(books)
        await self._settle(books)
        self.evidence.read()
        await self._assert_in_order(books)
        assert await books.ledger.held_total() == 0, self._words()
        await self._assert_all_is_there_once(books)

    async def _ask_again(self, books: Books) -> None:
        """Nobody was told: the same question, and once more, has one answer; but for one that was refused, which leaves
        nothing, and may be granted when others have given their minutes back."""
        untold = self.evidence.untold
        once = await asyncio.gather(*(request.ask(books) for request in untold.values()))
        again = await asyncio.gather(*(request.ask(books) for request in untold.values()))
        with Notebook(self.witness, "") as notebook:
            for number, first, second in zip(untold, once, again, strict=True):
                assert first in (None, second), self._words()
                notebook.tell(number, second)
        self.retried += len(untold)

    async def _settle(self, books: Books) -> None:
        """As recovery does: every open call gets its end."""
        with Notebook(self.witness, f"{self.rounds}-recovery") as notebook:
            calls = [call.opening for call in await books.ledger.open_calls(NODE)]
            await asyncio.gather(*(notebook.ask(books, _never_answered(call)) for call in calls))

    async def _assert_in_order(self, books: Books) -> None:
        """I1-I12."""
        now = max(request.at for request in self.evidence.asked.values())
        assert await books.minutes.audit(now) == [], self._words()

    async def assert_replayed(self) -> None:
        """I7: every balance rebuilt from the entries on the reference model."""
        async with open_books(self.url) as books:
            for company_id in range(1, COMPANIES + 1):
                assert (await books.minutes.replay(company_id)).differences == (), self._words()

    async def _assert_all_is_there_once(self, books: Books) -> None:
        """What is stored is what the witness says, to the minute: no call, order or refund more, and none less."""
        told = [(self.evidence.asked[number], answer) for number, answer in self.evidence.told.items()]
        refunded = Counter(request.call_id for request, _ in told if isinstance(request, GiveBack))
        closed = {
            request.call_id: (answer["billed_minutes"], refunded[request.call_id])
            for request, answer in told
            if isinstance(request, Close) and answer is not None
        }
        rows = await self._read(books, _CALLS)
        assert all(row.ended for row in rows), self._words()
        assert {row.call_id: (row.billed_minutes, row.refunded_minutes) for row in rows} == closed, self._words()
        dialled = {request.call_id for request, answer in told if isinstance(request, Dial) and answer is not None}
        assert dialled == set(closed), self._words()
        orders = {
            request.keys[0]: (request.company_id, request.minutes)
            for request, _ in told
            if isinstance(request, Buy | Give)
        }
        rows = await self._read(books, _ORDERED)
        assert {row.source_ref: (row.company_id, row.granted) for row in rows} == orders, self._words()
        assert len(rows) == len(orders), self._words()
        plans = {
            request.keys[0]: (request.company_id, request.minutes)
            for request, _ in told
            if isinstance(request, SetPlan)
        }
        rows = await self._read(books, _PLANS)
        assert {row.operation_key: (row.company_id, row.minutes) for row in rows} == plans, self._words()

    async def _stored(self, books: Books) -> dict[str, dict[str, Any]]:
        return {row.key: json.loads(row.result) for row in await self._read(books, _STORED)}

    async def _read(self, books: Books, query: TextClause) -> Sequence[Any]:
        return await books.database.examine(lambda connection: connection.execute(query).all())

    def _words(self) -> str:
        return f"CAMPAIGN_SEED={self.seed}, round {self.rounds}"


def _server_is_back() -> bool:
    try:
        return bool(server().execute("SELECT 1"))
    except psycopg.OperationalError:
        return False


def _never_answered(call: CallOpening) -> Close:
    began, company_id = call.started_at, call.terms.company_id
    assert company_id is not None
    return Close(company_id=company_id, at=began, call_id=call.call_id, started_at=began, answered_at=None)


def _answer_in(stored: dict[str, dict[str, Any]], request: Request) -> Answer:
    """Of what is stored under the request's key, the part that is answered."""
    [found] = [stored[key] for key in request.keys if key in stored]
    return {} if isinstance(request, Buy | Give) else found


async def run(campaign: Campaign, kills: int) -> None:
    print(f"CAMPAIGN_SEED={campaign.seed} CAMPAIGN_KILLS={kills}")
    began = time.monotonic()
    while campaign.kills < kills:
        await campaign.kill_once()
    await campaign.assert_replayed()
    evidence = campaign.evidence
    print(
        f"{campaign.kills} processes killed, {campaign.kills_of_server} times the server;"
        f" {len(evidence.asked)} operations asked for, {campaign.retried} of them asked for again;"
        f" {time.monotonic() - began:.0f} s"
    )
    assert evidence.asked, "nothing to be learnt"


@pytest.mark.timeout(300)
async def test_whoever_dies_what_was_acknowledged_is_stored_once(campaign: Campaign) -> None:
    await run(campaign, 3)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
async def test_whoever_dies_fifty_times_what_was_acknowledged_is_stored_once(campaign: Campaign) -> None:
    await run(campaign, int(os.environ.get("CAMPAIGN_KILLS", "50")))
