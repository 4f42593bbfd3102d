"""A daemon in virtual time: the engine on the in-memory Asterisk and the real ledger. It can die and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from callcontrol.domain.admission import Caller, Trunk
from callcontrol.domain.calls.state import Call, Timing
from callcontrol.domain.rights import Role
from callcontrol.engine.engine import Engine
from callcontrol.engine.ports.directory import DirectoryUnavailable
from callcontrol.engine.ports.ledger import Cdr, LedgerUnavailable
from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    DialProgressed,
    DialStatus,
    PbxEvent,
    SoftphoneAccount,
)
from callcontrol.engine.ports.records import ChannelRecord
from callcontrol.engine.ports.reports import CallRow
from callcontrol.engine.world import World
from tests.support.books import COMPANY, Books, open_books
from tests.support.clock import VirtualClock
from tests.support.fake_asterisk import FakePbx

ANA = Caller(
    company_id=COMPANY,
    company_slug="company-1",
    time_zone="America/Sao_Paulo",
    area_code="11",
    blocked=False,
    destinations=(),
    max_call_minutes=180,
    agent_id=7,
    agent_extension="1001",
    agent_name="Ana",
    user_id=None,
    role=None,
    origin_number="+551130003000",
    trunk=Trunk("carrier", "carrier"),
    extensions={},
)
NUMBER = "11988887777"
DIAL_STRING = "PJSIP/+5511988887777@carrier"


class RecordedPbx(FakePbx):
    """Writes down what happens to channels, as CEL does, also while nobody is connected."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.records: dict[str, ChannelRecord] = {}
        self.recording = True
        """False: Asterisk crashed before it wrote, or nobody made the folder."""

    def _emit(self, event: PbxEvent) -> None:
        if self.recording:
            record = self.records.get(event.channel_id, ChannelRecord(event.channel_id))
            record = replace(record, last_seen_at=event.at)
            if isinstance(event, ChannelEntered):
                record = replace(record, started_at=event.at)
            elif isinstance(event, DialProgressed) and event.status is DialStatus.ANSWER:
                record = replace(record, answered_at=event.at)
            elif isinstance(event, ChannelLeft | ChannelDestroyed):
                q850 = self.ended[event.channel_id].hangup_q850 if event.channel_id in self.ended else None
                record = replace(record, ended_at=event.at, q850=q850)
            self.records[event.channel_id] = record
        super()._emit(event)

    async def read(
        self, channel_ids: Collection[str], *, since: datetime, ended: Collection[str], wait_s: float
    ) -> dict[str, ChannelRecord]:
        return {name: self.records[name] for name in channel_ids if name in self.records}


class Phonebook:
    """A directory of agents by SIP user name."""

    def __init__(self, callers: dict[str, Caller]) -> None:
        self.callers = callers
        self.answering = True

    async def caller(self, sip_username: str, dialled: str) -> Caller | None:
        if not self.answering:
            raise DirectoryUnavailable("the test took it away")
        return self.callers.get(sip_username)

    async def default_trunk(self) -> Trunk | None:
        return Trunk("carrier", "carrier")

    async def softphones(self) -> list[SoftphoneAccount]:
        return []

    async def provisioned(self, node: str) -> dict[str, str]:
        return {}

    async def mark_provisioned(self, node: str, sip_username: str, fingerprint: str | None) -> None:
        raise AssertionError("nothing is pushed here")


@dataclass
class Notes:
    """What the engine told its observer."""

    closed: list[tuple[Call, Cdr]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    clock_steps: list[float] = field(default_factory=list)
    reaped: list[str] = field(default_factory=list)

    def call_changed(self, before: Call | None, after: Call) -> None:
        pass

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        self.closed.append((call, cdr))

    def minutes_refused(self, reason: str) -> None:
        self.refused.append(reason)

    def reconciled(self, source: str) -> None:
        self.sources.append(source)

    def clock_stepped(self, step_s: float) -> None:
        self.clock_steps.append(step_s)

    def orphan_reaped(self, kind: str) -> None:
        self.reaped.append(kind)


class Site:
    """One node. `start` and `die` as often as a test likes."""

    def __init__(self, directory: Path, timing: Timing | None = None) -> None:
        self._directory = directory
        self._timing = timing or Timing()
        self.clock = VirtualClock()
        self.pbx = RecordedPbx(self.clock)
        self.directory = Phonebook({"1001": ANA, "1002": replace(ANA, agent_id=8, agent_extension="1002")})
        self.directory.callers["1003"] = replace(ANA, agent_id=9, agent_extension="1003", role=Role.FOLLOW_UP_MANAGER)
        self.notes = Notes()
        self.books: Books
        self.engine: Engine
        self._open: object = None

    async def start(self) -> None:
        self._open = open_books(self._directory)
        self.books = await self._open.__aenter__()
        world = World(
            node="main",
            pbx=self.pbx,
            ledger=self.books.ledger,
            directory=self.directory,
            records=self.pbx,
            clock=self.clock,
            observer=self.notes,
            timing=self._timing,
            emergency_codes=frozenset({"190"}),
            emergency_trunk=Trunk("carrier", "carrier"),
        )
        self.engine = Engine(world)
        await self.pbx.connect(self.engine)
        await self.quiet()

    async def die(self) -> None:
        """As kill -9: what is committed stays, what waits is lost, nobody says goodbye to Asterisk."""
        with suppress(LedgerUnavailable):
            await self.books.ledger.mark_alive("main", self.engine.mark())
        self.pbx.lose_connection()
        await self.engine.close()
        await self._open.__aexit__(None, None, None)  # type: ignore[attr-defined]

    async def quiet(self) -> None:
        """Until nothing is under way, without time passing: effects have ended, the ledger has answered."""
        async with asyncio.timeout(20):
            while True:
                await self.pbx.settle()
                # Requests to this Asterisk take no time or virtual time; only the ledger's thread takes real time.
                busy = [task for task in asyncio.all_tasks() if task.get_name().startswith(("ledger ", "settle "))]
                if not busy:
                    return
                await asyncio.wait(busy, timeout=0.005)

    async def advance(self, seconds: float) -> None:
        """Time passes from timer to timer, and the ledger's answers, which take none, fall between them."""
        end = self.clock.now() + timedelta(seconds=seconds)
        await self.quiet()
        while (due := self.clock.next_at) is not None and due <= end:
            await self.clock.advance((due - self.clock.now()).total_seconds())
            await self.quiet()
        await self.clock.advance((end - self.clock.now()).total_seconds())

    def set_clock(self, step_s: float) -> None:
        """Set the wall clock under a living daemon, which looks at it every second: 0.3 s ago, and in 0.7 s."""
        self.engine.watch.look()
        self.clock.step(step_s)
        self.clock.call_in(0.7, self.engine.watch.look)

    async def call_rows(self) -> list[CallRow]:
        """The call list, oldest first."""
        return list(reversed(await self.books.calls()))

    async def assert_clean(self) -> None:
        """No channel, bridge or hold is left over, and the books balance."""
        assert self.pbx.channels == {}
        assert self.pbx.bridges == {}
        assert self.engine.calls == []
        assert await self.books.ledger.held_total() == 0
        assert await self.books.findings() == []


@asynccontextmanager
async def site(directory: Path, *, plan: int = 100, timing: Timing | None = None) -> AsyncIterator[Site]:
    running = Site(directory, timing)
    await running.start()
    if plan:
        await running.books.plan(plan)
    yield running
    await running.die()
