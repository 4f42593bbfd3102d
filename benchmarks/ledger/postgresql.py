"""The ledger on PostgreSQL, by one daemon and by several, beside pgbench with the ledger's own statements.

The server is a real one, made for the run as the tests make theirs: as shipped, with its flushes to the disk.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.call_setup.figures import middle, ratio
from benchmarks.ledger.daemons import Share, loaded_by
from benchmarks.ledger.load import calls_of, closed_loop
from benchmarks.ledger.pgbench import calls_per_second, script
from benchmarks.ledger.postgresql_recording import PostgresqlRecording, play_postgresql, recorded_postgresql
from benchmarks.ledger.site import add_companies, contract
from callcontrol.database import open_database, upgrade
from callcontrol.ledger.ledger import SqlLedger
from tests.support.postgresql import PostgresServer, find_programs
from tests.support.tools import NoTool

_RECORDED = "recorded"
_OPERATIONS = 4
"""Of a call, and so the transactions of one whose caller is alone."""


@dataclass(frozen=True, slots=True)
class ServerRound:
    """One load by daemons, and the same number of pgbench's clients, one after the other."""

    companies: int
    daemons: int
    callers: int
    """In all."""
    calls: int
    shares: list[Share]
    pgbench_calls_s: float
    bare_calls_s: float
    """The same transactions said again on one connection; NaN where the ledger used several."""

    @property
    def calls_s(self) -> float:
        return ratio(self.calls, max(share.took_s for share in self.shares))


@dataclass(frozen=True, slots=True)
class ServerLine:
    """The medians of the rounds of one kind."""

    companies: int
    daemons: int
    callers: int
    calls_s: float
    pgbench_calls_s: float
    to_pgbench: float
    bare_calls_s: float
    to_bare: float
    batch: float
    commits_s: float
    cpu_ms: float
    """Of all daemons, a call; the server's own is not in it."""


def server_lines(rounds: list[ServerRound]) -> list[ServerLine]:
    """One for each kind, in the order in which they were first made."""
    kinds = dict.fromkeys((made.companies, made.daemons, made.callers) for made in rounds)
    return [_line([made for made in rounds if (made.companies, made.daemons, made.callers) == kind]) for kind in kinds]


def _line(rounds: list[ServerRound]) -> ServerLine:
    batches = [[batch for share in made.shares for batch in share.batches] for made in rounds]
    return ServerLine(
        rounds[0].companies,
        rounds[0].daemons,
        rounds[0].callers,
        calls_s=middle([made.calls_s for made in rounds]),
        pgbench_calls_s=middle([made.pgbench_calls_s for made in rounds]),
        to_pgbench=middle([ratio(made.calls_s, made.pgbench_calls_s) for made in rounds]),
        bare_calls_s=middle([made.bare_calls_s for made in rounds]),
        to_bare=middle([ratio(made.calls_s, made.bare_calls_s) for made in rounds]),
        batch=middle([ratio(sum(of), len(of)) for of in batches]),
        commits_s=middle(
            [
                ratio(len(of), max(share.took_s for share in made.shares))
                for made, of in zip(rounds, batches, strict=True)
            ]
        ),
        cpu_ms=middle([sum(share.cpu_s for share in made.shares) * 1000 / made.calls for made in rounds]),
    )


SERVER_HEADER = (
    f"{'companies':>9}{'daemons':>9}{'callers':>9}{'calls/s':>9}{'pgbench':>9}{'ratio':>7}{'bare':>8}{'ratio':>7}"
    f"{'ops/commit':>12}{'commits/s':>11}{'CPU ms/call':>13}"
)


def server_text(line: ServerLine) -> str:
    return (
        f"{line.companies:>9}{line.daemons:>9}{line.callers:>9}{line.calls_s:>9.0f}{line.pgbench_calls_s:>9.0f}"
        f"{line.to_pgbench:>7.2f}{line.bare_calls_s:>8.0f}{line.to_bare:>7.2f}{line.batch:>12.1f}"
        f"{line.commits_s:>11.0f}{line.cpu_ms:>13.2f}"
    )


class ServerSite:
    """A server with a database that is copied for each load."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._template = server.create()
        self._pgbench = _find_pgbench()

    async def prepare(self, company_count: int) -> None:
        url = self._server.url(self._template)
        upgrade(url)
        add_companies(url, company_count)
        async with open_database(url) as database:
            await contract(database, company_count)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """The name of a database of its own."""
        name = self._server.create(self._template)
        yield name
        self._server.drop(name)

    async def recorded(self, callers: int, calls: int, companies: int) -> PostgresqlRecording:
        async with self.fresh() as name:
            with recorded_postgresql() as recording:
                async with open_database(self._server.url(name)) as database:
                    await closed_loop(SqlLedger(database), callers, calls, calls_of(companies, _RECORDED))
        return recording

    async def loaded(self, daemons: int, callers: int, calls: int, companies: int) -> list[Share]:
        async with self.fresh() as name:
            return await loaded_by(daemons, self._server.url(name), callers=callers, calls=calls, companies=companies)

    async def played(self, recording: PostgresqlRecording) -> float:
        async with self.fresh() as name:
            return play_postgresql(recording, self._server.url(name)).took_s

    async def pgbench(self, written: str, clients: int, calls: int) -> float:
        file = self._folder / "call.sql"
        file.write_text(written)
        async with self.fresh() as name:
            return calls_per_second(
                self._pgbench,
                file,
                host=str(self._server.folder),
                port=self._server.port,
                user="callcontrol",
                database=name,
                clients=clients,
                calls=calls,
            )


async def measure(options: argparse.Namespace, folder: Path) -> list[ServerRound]:
    """Prints a line for each kind of load as soon as it is made."""
    server = PostgresServer()
    try:
        server.start()
        site = ServerSite(server, folder)
        await site.prepare(max(options.companies))
        print("\n" + SERVER_HEADER, flush=True)
        rounds: list[ServerRound] = []
        for companies in options.companies:
            rounds += await _of_companies(site, companies, options)
        return rounds
    finally:
        server.remove()


async def _of_companies(site: ServerSite, companies: int, options: argparse.Namespace) -> list[ServerRound]:
    alone = await site.recorded(1, 3, 1)
    # The last of three calls by one caller: everything that happens once has happened.
    written = script(alone.commits[-_OPERATIONS:], call_id=f"{_RECORDED}-2", company_id=1, companies=companies)
    most = max(options.callers)
    kinds = [(1, callers) for callers in options.callers] + [(daemons, most) for daemons in options.daemons]
    rounds: dict[tuple[int, int], list[ServerRound]] = {kind: [] for kind in kinds}
    calls = {callers: max(callers, options.server_calls * min(callers + 16, 80) // 80) for callers in options.callers}
    recordings = {callers: await site.recorded(callers, calls[callers], 1) for callers in options.callers}
    for _ in range(options.rounds):
        for daemons, callers in kinds:
            shares = await site.loaded(daemons, callers, calls[callers], companies)
            # Companies that go side by side on several connections are nothing that one connection could say again.
            one = daemons == 1 and (companies == 1 or callers == 1)
            bare_s = await site.played(recordings[callers]) if one else float("nan")
            by_pgbench = await site.pgbench(written, callers, calls[callers])
            rounds[daemons, callers].append(
                ServerRound(
                    companies, daemons, callers, calls[callers], shares, by_pgbench, ratio(calls[callers], bare_s)
                )
            )
    for made in rounds.values():
        print(server_text(_line(made)), flush=True)
    return [made for of_kind in rounds.values() for made in of_kind]


def _find_pgbench() -> Path:
    beside = find_programs() / "pgbench"
    if beside.exists():
        return beside
    on_path = shutil.which("pgbench")
    if on_path is None:
        raise NoTool("no pgbench here: it is with PostgreSQL's own packages")
    return Path(on_path)
