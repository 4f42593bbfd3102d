"""Several daemons, one ledger (PostgreSQL): processes that want the same minutes, and a server that dies under them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from tests.support.books import COMPANY, add_company, open_books
from tests.support.databases import make_database, new_database
from tests.support.postgresql import PostgresServer
from tests.support.waiting import until

_DAEMON = """
import asyncio, json, sys
from callcontrol.database import Limits
from tests.support.books import COMPANY, open_books

me = sys.argv[1]

async def want(books, count):
    '''How many of `count` calls got a minute.'''
    holds = await asyncio.gather(*(books.dial(f"{me}-{number}") for number in range(count)))
    return sum(hold is not None for hold in holds)

async def order(books, count):
    '''The same order, `count` times.'''
    await asyncio.gather(*(books.plan(10, "the-order") for _ in range(count)))

async def hammer(books, count):
    '''Calls from beginning to end; those that were acknowledged.'''
    done = []
    async def caller(which):
        for number in range(count):
            call_id = f"{me}-{which}-{number}"
            assert await books.dial(call_id)
            await books.extend(call_id, 2)
            await books.hang_up(call_id, 0, 61)
            done.append(call_id)
    await asyncio.gather(*(caller(which) for which in range(4)))
    return done

async def work(url, task, count):
    # On a machine that does ten things at once nothing here may fail for being slow.
    async with open_books(url, limits=Limits(retry_s=60, lock_timeout_s=30, statement_timeout_s=40)) as books:
        await books.minutes.entries(COMPANY)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await globals()[task](books, count)), flush=True)

for line in sys.stdin:
    asyncio.run(work(*json.loads(line)))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with new_database("postgresql", tmp_path, add_company) as url:
        yield url


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server to be killed."""
    own = PostgresServer()
    own.start()
    yield own
    own.remove()


class Daemons:
    """Processes that begin together, again and again."""

    def __init__(self, processes: int) -> None:
        self._processes = [
            subprocess.Popen([sys.executable, "-c", _DAEMON, f"daemon-{number}"], stdin=PIPE, stdout=PIPE, text=True)
            for number in range(processes)
        ]

    async def prepare(self, url: str, task: str, count: int) -> None:
        """Until each is ready to begin."""
        self._tell(json.dumps([url, task, count]))
        assert await self._lines() == ["ready\n"] * len(self._processes)

    def begin(self) -> None:
        self._tell("go")

    async def results(self) -> list[Any]:
        return [json.loads(line) for line in await self._lines()]

    def end(self) -> None:
        for process in self._processes:
            process.communicate()

    def _tell(self, line: str) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(line + "\n")
            process.stdin.flush()

    async def _lines(self) -> list[str]:
        lines = []
        for process in self._processes:
            assert process.stdout is not None
            lines.append(await asyncio.to_thread(process.stdout.readline))
        return lines


@pytest.fixture(scope="module")
def daemons() -> Iterator[Daemons]:
    daemons = Daemons(3)
    yield daemons
    daemons.end()


async def test_the_last_minutes_are_sold_once(url: str, daemons: Daemons) -> None:
    """D1, over processes."""
    async with open_books(url) as books:
        await books.plan(25)
        await daemons.prepare(url, "want", 40)
        daemons.begin()
        assert sum(await daemons.results()) == 25
        assert (await books.minutes.usage(COMPANY, books.start)).held == 25
        assert await books.findings() == []


async def test_the_first_calls_of_a_month_come_to_several_daemons_at_once(url: str, daemons: Daemons) -> None:
    """The month's grant is made once, by whoever comes first; nothing could be locked before it was there."""
    async with open_books(url) as books:
        await books.plan(30, at=books.at(-40 * 24 * 3600))
        await daemons.prepare(url, "want", 20)
        daemons.begin()
        assert sum(await daemons.results()) == 30
        grants = [entry for entry in await books.minutes.entries(COMPANY) if entry.kind == "grant"]
        assert [str(entry.grant_period) for entry in grants] == ["2026-10", "2026-11"]
        assert await books.findings() == []


async def test_an_account_that_is_not_there_yet_and_the_same_order_in_all_daemons_at_once(
    url: str, daemons: Daemons
) -> None:
    """Insert, then lock. The same paid order credited twice within milliseconds is one grant."""
    await daemons.prepare(url, "order", 5)
    daemons.begin()
    await daemons.results()
    async with open_books(url) as books:
        usage = await books.minutes.usage(COMPANY, books.start)
        assert usage.monthly_granted == 10
        assert len(await books.minutes.entries(COMPANY)) == 1
        assert await books.findings() == []


async def test_a_hot_company_loses_nothing_and_counts_nothing_twice(url: str, daemons: Daemons) -> None:
    async with open_books(url) as books:
        await books.plan(100_000)
        await daemons.prepare(url, "hammer", 10)
        daemons.begin()
        done = [call_id for calls in await daemons.results() for call_id in calls]
        assert len(set(done)) == 3 * 4 * 10
        rows = {row.call_id: row.billed_minutes for row in await books.calls()}
        assert rows == dict.fromkeys(done, 2)
        usage = await books.minutes.usage(COMPANY, books.start)
        assert (usage.monthly_posted, usage.held) == (2 * len(done), 0)
        assert await books.findings() == []


async def test_a_server_killed_under_load_has_what_it_acknowledged(
    own_server: PostgresServer, daemons: Daemons
) -> None:
    """Twice; the daemons live through it, and do what they had to do once."""
    name = own_server.create()
    url = own_server.url(name)
    make_database(url, add_company)
    async with open_books(url) as books:
        await books.plan(100_000)
    await daemons.prepare(url, "hammer", 20)
    daemons.begin()
    for least in (20, 60):
        await until(lambda least=least: closed(own_server, name) >= least, f"{least} closed calls", 60)
        await asyncio.to_thread(own_server.kill)
        await asyncio.to_thread(own_server.start)
    done = [call_id for calls in await daemons.results() for call_id in calls]
    async with open_books(url) as books:
        rows = {row.call_id: row.billed_minutes for row in await books.calls()}
        assert rows == dict.fromkeys(done, 2)
        assert len(done) == 3 * 4 * 20
        assert (await books.minutes.usage(COMPANY, books.start)).monthly_posted == 2 * len(done)
        assert await books.findings() == []


def closed(server: PostgresServer, name: str) -> int:
    [(count,)] = server.execute("SELECT count(*) FROM calls WHERE disposition IS NOT NULL", name)
    return int(count)
