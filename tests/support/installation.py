"""One installation for many faults: its daemon dies, hangs and comes back while calls go on, and must leave nothing."""

from __future__ import annotations

import asyncio
import itertools
import resource
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from callcontrol.cli import direct
from callcontrol.config import load_config
from callcontrol.engine.admin import commands as admin
from lab.asterisk import AsteriskInstance
from lab.carrier import CarrierCall, CarrierInstance
from lab.daemon import DaemonProcess
from lab.pbx import PbxInstance
from lab.phone import PhoneAccount, PhoneCall
from lab.prefix import AsteriskPrefix
from tests.support.truth import Bill, Cel
from tests.support.waiting import until

Settings = Mapping[str, Mapping[str, Any]]
"""Section -> key -> value."""

SETTINGS: Settings = {
    "asterisk": {"heartbeat_s": 1, "reconnect_max_s": 0.5, "cel_wait_s": 3},
    "calls": {"ring_timeout_s": 30, "authorise_timeout_s": 2, "hangup_timeout_s": 2},
}
"""Waits that only cost time here; everything else is as an operator has it."""

_counter = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Company:
    """`minutes`: its plan. `agents`: extensions, unique over the installation."""

    slug: str
    minutes: int
    agents: tuple[str, ...]


PADARIA = Company("padaria", 1000, ("1001", "1002", "1003", "1004", "1005"))


@dataclass(slots=True)
class Talk:
    """One call, seen from both its ends."""

    dialled: str
    agent: PhoneCall
    carried: CarrierCall


@dataclass
class Installation:
    """Asterisk, carrier, phones and a daemon."""

    pbx: PbxInstance
    carrier: CarrierInstance
    daemon: DaemonProcess
    bill: Bill
    cel: Cel
    _daemons: list[DaemonProcess] = field(default_factory=list)
    _options: tuple[Settings, Mapping[str, str]] = ({}, {})

    # Calls

    async def dial(self, extension: str, behaviour: str) -> tuple[str, PhoneCall]:
        """A number that nobody dialled before; its last four digits tell the carrier what to do (carrier.conf)."""
        dialled = f"119{next(_counter):04d}{behaviour}"
        return dialled, await self.carrier.phone(extension).dial(dialled)

    async def reach(self, extension: str, behaviour: str) -> Talk:
        """Until the INVITE is at the carrier."""
        dialled, agent = await self.dial(extension, behaviour)
        return Talk(dialled, agent, await self.carrier.next_call(f"+55{dialled}"))

    async def talk(self, extension: str, behaviour: str = "1000") -> Talk:
        """Until both have answered; by default they talk until somebody hangs up."""
        talk = await self.reach(extension, behaviour)
        await self.carrier.until_answered(talk.carried)
        await talk.agent.until("ANSWER")
        return talk

    async def customer_answers(self, talk: Talk) -> None:
        """One who rings (3000) answers now, and talks until somebody hangs up."""
        channel = await _ask(self.carrier, "GET", f"/channels/{talk.carried.channel_id}")
        await self.carrier.cli("module load res_clioriginate.so")
        await self.carrier.cli(f"channel redirect {channel['name']} talk,s,1")
        await self.carrier.until_answered(talk.carried)

    async def answered(self, talk: Talk) -> None:
        """Until the answer is stored: what a later kill cannot take away."""
        await until(lambda: self.bill.row(talk.dialled)["answered_at"], f"the stored answer of {talk.dialled}")

    async def closed(self, talk: Talk, timeout_s: float = 15.0) -> dict[str, Any]:
        """The call's row once it is billed."""
        return await until(lambda: self.bill.closed(talk.dialled), f"the bill of {talk.dialled}", timeout_s)

    async def customer_hangs_up(self, talk: Talk) -> None:
        """Until Asterisk has recorded it."""
        await self.carrier.hang_up(talk.carried)
        await self.carrier.until_ended(talk.carried)
        await self._recorded(talk, "customer_ended")

    async def agent_hangs_up(self, talk: Talk) -> None:
        """Until Asterisk has recorded it."""
        await talk.agent.hang_up()
        await talk.agent.until_ended()
        await self._recorded(talk, "agent_ended")

    async def answer_recorded(self, talk: Talk) -> None:
        """Until Asterisk has recorded the customer's answer, whoever lives."""
        await self._recorded(talk, "answered")

    async def both_gone(self, talk: Talk, timeout_s: float = 15.0) -> None:
        """Until neither end has a call, whoever ended it."""
        await talk.agent.until_ended(timeout_s)
        await self.carrier.until_ended(talk.carried, timeout_s)

    async def _recorded(self, talk: Talk, what: str) -> None:
        row = self.bill.row(talk.dialled)
        await until(
            lambda: getattr(self.cel.call(row), what) is not None, f"{what} of {talk.dialled} in Asterisk's record"
        )

    def check_bill(self, talk: Talk, row: dict[str, Any]) -> None:
        """R6, R7, D6: the row says what Asterisk's own record says, to the second, once."""
        seconds = self.cel.call(row).seconds
        # An instant from an event and the same one from the record differ by less than this.
        possible = {int(max(0.0, seconds - 0.2)), int(seconds + 0.2)}
        assert row["disposition"] == "ANSWERED"
        assert row["billsec"] in possible, f"billed {row['billsec']} s, on record {seconds:.3f} s"
        assert row["billed_minutes"] == max(1, -(-row["billsec"] // 60))
        posted = {kind: minutes for kind, minutes in self.bill.postings(talk.dialled).items() if kind != "grace"}
        assert sum(posted.values()) == row["billed_minutes"]
        assert len(self.bill.rows(talk.dialled)) == 1

    # Faults

    async def have_daemon(
        self, settings: Settings | None = None, environment: Mapping[str, str] | None = None
    ) -> DaemonProcess:
        """Have a daemon run with these settings beyond the usual ones, on the same database."""
        wanted = (settings or {}, environment or {})
        if wanted != self._options:
            await self.daemon.stop()
            self._options = wanted
            self.daemon = DaemonProcess(
                self.daemon.directory,
                self.pbx,
                settings=merged(SETTINGS, settings or {}),
                environment=environment,
                database_url=self.daemon.database_url,
            )
            self._daemons.append(self.daemon)
            await self.daemon.prepare()
        if self.daemon.pid is None:
            await self.start_daemon()
        return self.daemon

    @asynccontextmanager
    async def foreign_client(self) -> AsyncIterator[None]:
        """Somebody else's ARI client takes our application while the block runs."""
        async with (
            aiohttp.ClientSession(headers=self.pbx.ari_headers) as client,
            client.ws_connect(f"{self.pbx.ari_url}/events?app=callcontrol"),
        ):
            yield

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The daemon can write nothing to any file, its log neither; needs no file system of its own, nor root."""
        assert self.daemon.pid is not None
        _, most = resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (0, most))
        try:
            yield
        finally:
            resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (most, most))

    async def exit_code(self) -> int:
        """Of a daemon that ends by itself."""
        await until(lambda: self.daemon.pid is None, "the end of the daemon")
        assert self.daemon.exit_code is not None
        return self.daemon.exit_code

    def last_line(self) -> dict[str, Any]:
        """Of its log."""
        return self.daemon.events()[-1]

    async def until_ready(self, ready: bool, timeout_s: float = 15.0) -> None:
        """Until /readyz says so."""
        status = 200 if ready else 503

        async def said() -> bool:
            return (await self.daemon.get("/readyz"))[0] == status

        await until(said, f"/readyz {status}", timeout_s)

    async def start_daemon(self) -> None:
        """Until it is ready, on a busy machine too."""
        await self.daemon.start(ready=False)
        await self.daemon.until_ready(timeout_s=60)

    async def kill_and_start(self) -> None:
        await self.daemon.kill()
        await self.start_daemon()

    async def reconciled(self) -> dict[str, float]:
        """How many calls this daemon took up since it started, by source."""
        metrics = await self.daemon.metrics()
        name = "callcontrol_reconciled_calls_total"
        return {
            source: value
            for source in ("adopted", "cel", "estimated", "voided")
            if (value := metrics.get(f'{name}{{source="{source}"}}', 0.0))
        }

    async def logged(self, event: str, timeout_s: float = 15.0, **fields: Any) -> dict[str, Any]:
        """The first line of the daemon's log that says this."""

        def line() -> dict[str, Any] | None:
            matching = (
                entry
                for entry in self.daemon.events()
                if entry.get("event") == event and all(entry.get(key) == value for key, value in fields.items())
            )
            return next(matching, None)

        return await until(line, f"{event} {fields} in the daemon's log", timeout_s)

    # Asterisk

    async def ari(self, method: str, path: str, **query: str) -> Any:
        """A request to the PBX: what it answers, True where it has nothing to say, None where it refuses."""
        return await _ask(self.pbx, method, path, **query)

    async def leftovers(self) -> list[str]:
        """Channels and bridges in Asterisk; calls, holds and errors in the books."""
        channels = await self.ari("GET", "/channels") or []
        bridges = await self.ari("GET", "/bridges") or []
        found = [f"channel {channel['name']} {channel['id']}" for channel in channels]
        found += [f"bridge {bridge['id']}" for bridge in bridges]
        return found + self.bill.leftovers()

    async def assert_clean(self) -> None:
        """No channel, bridge or hold is left over, and the books balance."""
        left: list[str] = []

        async def clean() -> bool:
            left[:] = await self.leftovers()
            return not left

        try:
            await until(clean, "a clean end", 10)
        except TimeoutError:
            raise AssertionError(f"left over: {left}") from None

    @asynccontextmanager
    async def one_test(self) -> AsyncIterator[None]:
        """Before: a living daemon and no call. After: no channel, bridge or hold is left, and the books balance."""
        if self.daemon.pid is None:
            await self.start_daemon()
        try:
            yield
            await self.assert_clean()
        except BaseException:
            await self._sweep()
            raise

    async def _sweep(self) -> None:
        """After a failed test: the next one begins with no call."""
        if not self.pbx.running:
            await self.pbx.start()
        for channel in await self.ari("GET", "/channels") or []:
            await self.ari("DELETE", f"/channels/{channel['id']}")
        if self.daemon.pid is not None:
            self.daemon.thaw()
            await self.daemon.kill()

    async def stop(self) -> None:
        for daemon in self._daemons:
            await daemon.stop()
        await self.carrier.stop()
        await self.pbx.stop()


@asynccontextmanager
async def installation(
    prefix: AsteriskPrefix,
    directory: Path,
    companies: tuple[Company, ...] = (PADARIA,),
    *,
    database_url: str | None = None,
) -> AsyncIterator[Installation]:
    """Started, every phone registered. `database_url`: of an empty database, else on SQLite."""
    carrier = CarrierInstance(prefix, directory / "carrier")
    pbx = PbxInstance(prefix, directory / "pbx", trunks={"carrier": carrier.sip_address})
    carrier.pbx_address = pbx.sip_address
    daemon = DaemonProcess(directory / "daemon", pbx, settings=SETTINGS, database_url=database_url)
    running = Installation(pbx, carrier, daemon, Bill(daemon.database_url), Cel(pbx.cel_file))
    running._daemons.append(daemon)
    try:
        await daemon.prepare()
        accounts = await asyncio.to_thread(asyncio.run, _make(daemon.config, companies))
        carrier.set_phones(accounts)
        await asyncio.gather(pbx.start(), carrier.start())
        await running.start_daemon()
        for account in accounts:
            await carrier.registered(account.username, timeout_s=30)
        yield running
    finally:
        await running.stop()


async def _ask(asterisk: AsteriskInstance, method: str, path: str, **query: str) -> Any:
    async with (
        aiohttp.ClientSession(headers=asterisk.ari_headers) as client,
        client.request(method, f"{asterisk.ari_url}{path}", params=query) as response,
    ):
        if response.status >= 400:
            return None
        return await response.json() if response.status == 200 else True


async def _make(config_file: Path, companies: tuple[Company, ...]) -> list[PhoneAccount]:
    """The directory, as the command line makes it while no daemon runs."""
    accounts = []
    async with direct.administration(load_config(config_file)) as service:

        async def do(command: admin.Command) -> Any:
            return await service.execute(command, actor="laboratory")

        await do(admin.AddTrunk(name="carrier", endpoint="carrier", is_default=True))
        for number, company in enumerate(companies):
            slug = company.slug
            await do(admin.AddCompany(name=slug.capitalize(), slug=slug, area_code="11"))
            await do(admin.AddOriginNumber(company=slug, number=f"+5511300030{number:02d}"))
            await do(admin.SetPlan(company=slug, minutes=company.minutes, order_id=f"{slug}-plan"))
            for extension in company.agents:
                await do(admin.AddAgent(company=slug, extension=extension, name=f"Agente {extension}"))
                shown = await do(admin.ShowToken(company=slug, extension=extension))
                accounts.append(PhoneAccount(shown["sip_username"], shown["token"]))
    return accounts


def merged(first: Settings, second: Settings) -> dict[str, dict[str, Any]]:
    """Settings of both, the second one's where both have a key."""
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
