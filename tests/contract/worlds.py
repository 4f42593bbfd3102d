"""One set of phones, carriers and connections, twice: in memory, and real."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.pbx import AriPbx
from callcontrol.ari.session import AriSession
from callcontrol.ari.softphones import AriSoftphones
from callcontrol.engine.ports.pbx import ChannelEntered, Outcome, Pbx, PbxEvent, SoftphoneAccount
from lab.asterisk import find_prefix
from lab.carrier import CarrierInstance
from lab.pbx import PbxInstance
from lab.phone import PhoneAccount, PhoneCall
from lab.ports import LOOPBACK
from tests.contract.recorder import Recorder
from tests.support import carrier as scripts
from tests.support.fake_asterisk import FakeChannel, FakePbx

E = TypeVar("E", bound=PbxEvent)

AGENT = SoftphoneAccount(sip_username="1001", token="a-token-of-1001", agent_id=7, display_name="Ana", extension="1001")


class Called(StrEnum):
    """What the called side does; the values are numbers of lab/carrier.conf."""

    RINGS_ONE_SECOND_THEN_ANSWERS = "0000"
    ANSWERS_AND_HANGS_UP = "1001"
    RINGS_FOR_EVER = "3000"
    EARLY_MEDIA_FOR_TWO_SECONDS_THEN_ANSWERS = "2000"
    BUSY = "4486"
    NO_SUCH_NUMBER = "4404"
    REJECTS = "4403"
    CONGESTED = "5503"


_SCRIPTS: dict[Called, scripts.Script] = {
    Called.RINGS_ONE_SECOND_THEN_ANSWERS: scripts.answers(),
    Called.ANSWERS_AND_HANGS_UP: scripts.answers_at_once(talks_s=1),
    Called.RINGS_FOR_EVER: scripts.rings_for_ever(),
    Called.EARLY_MEDIA_FOR_TWO_SECONDS_THEN_ANSWERS: scripts.early_media_then_answers(),
    Called.BUSY: scripts.refuses(17),
    Called.NO_SUCH_NUMBER: scripts.refuses(1),
    Called.REJECTS: scripts.refuses(21),
    Called.CONGESTED: scripts.refuses(34),
}

NOT_REGISTERED = "PJSIP/1099"
MISSING_SOUND = "sound:callcontrol/there-is-none"
SOUND = "sound:callcontrol/unavailable"


class World(Protocol):
    """One test's Asterisk."""

    pbx: Pbx
    told: Recorder

    def dial_string(self, called: Called) -> str: ...

    async def agent_dials(self) -> str:
        """The agent's phone dials; returns its channel once ChannelEntered was told."""

    async def agent_dials_unheard(self) -> None:
        """The same while no daemon is connected; returns when Asterisk has the call."""

    async def agent_hangs_up(self, channel_id: str) -> None: ...

    async def agent_saw(self, channel_id: str, what: str) -> None:
        """Wait until the phone was told RINGING (180), PROGRESS (183) or ANSWER (200)."""

    async def agent_got(self, channel_id: str) -> int | None:
        """The final SIP code that an unanswered phone got; waits for the end of its call."""

    async def until(self, fact: Callable[[], object], what: str) -> None:
        """Let time pass until it is so. Raises TimeoutError."""

    async def until_gone(self, channel_id: str) -> None:
        """Until Asterisk has the channel no more, told or not."""

    async def lose_connection(self) -> None: ...

    async def reconnect(self) -> None:
        """Returns when on_connected has returned."""

    async def restart(self) -> None:
        """Asterisk is killed and comes back; returns when on_connected has returned again."""

    async def close(self) -> None: ...


async def event(world: World, kind: type[E], channel_id: str, matches: Callable[[E], bool] = lambda _: True) -> E:
    """Wait for an event of this channel."""

    def found() -> E | None:
        return world.told.find(kind, lambda event: event.channel_id == channel_id and matches(event))

    await world.until(found, f"{kind.__name__} of {channel_id}")
    result = found()
    assert result is not None
    return result


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FakePbx()
        self.pbx: Pbx = self.fake
        self.told = Recorder()
        self.fake.carrier = {self.dial_string(called): script for called, script in _SCRIPTS.items()}
        self.fake.unreachable.add(NOT_REGISTERED)
        self.fake.missing_media.add(MISSING_SOUND)

    @classmethod
    async def open(cls) -> FakeWorld:
        world = cls()
        await world.reconnect()
        return world

    def dial_string(self, called: Called) -> str:
        return f"PJSIP/+551190000{called}@carrier"

    async def agent_dials(self) -> str:
        channel_id = self.fake.agent_dials("1001", "911112222")
        await event(self, ChannelEntered, channel_id)
        return channel_id

    async def agent_dials_unheard(self) -> None:
        self.fake.agent_dials("1001", "911112222")

    async def agent_hangs_up(self, channel_id: str) -> None:
        self.fake.phone_hangs_up(channel_id)

    async def agent_saw(self, channel_id: str, what: str) -> None:
        word = {"RINGING": "ringing", "PROGRESS": "early media", "ANSWER": "answered"}[what]
        await self.until(lambda: word in self._channel(channel_id).heard, f"{word} at the phone")

    async def agent_got(self, channel_id: str) -> int | None:
        await self.until_gone(channel_id)
        return self._channel(channel_id).sip_code

    async def until(self, fact: Callable[[], object], what: str) -> None:
        for _ in range(600):
            await self.fake.settle()
            if fact():
                return
            await self.fake.clock.advance(0.1)
        raise TimeoutError(f"{what}: not within a minute; told: {self.told.told}")

    async def until_gone(self, channel_id: str) -> None:
        await self.until(lambda: channel_id not in self.fake.channels, f"the end of {channel_id}")

    async def lose_connection(self) -> None:
        self.fake.lose_connection()

    async def reconnect(self) -> None:
        await self.fake.reconnect(self.told)

    async def restart(self) -> None:
        await self.fake.clock.advance(1)
        self.fake.restart()
        await self.reconnect()

    async def close(self) -> None:
        self.fake.lose_connection()

    def _channel(self, channel_id: str) -> FakeChannel:
        return self.fake.channels.get(channel_id) or self.fake.ended[channel_id]


class RealField:
    """A PBX and a carrier with one softphone, shared by all tests of the suite."""

    def __init__(self, directory: Path) -> None:
        prefix = find_prefix()
        phone = PhoneAccount(username=AGENT.sip_username, token=AGENT.token)
        self.carrier = CarrierInstance(prefix, directory / "carrier", phones=[phone])
        self.pbx = PbxInstance(prefix, directory / "pbx", trunks={"carrier": self.carrier.sip_address})
        self.carrier.pbx_address = self.pbx.sip_address

    async def start(self) -> None:
        await self.pbx.start()
        await self.carrier.start()
        async with self.connection() as connection:
            softphones = AriSoftphones(connection, endpoint_options={"media_address": LOOPBACK})
            assert await softphones.put(AGENT) is Outcome.DONE

    async def stop(self) -> None:
        await self.carrier.stop()
        await self.pbx.stop()

    def connection(self) -> AriConnection:
        return AriConnection(self.pbx.ari_url, self.pbx.ari_user, self.pbx.ari_password)


class RealWorld:
    _numbers = itertools.count(9_1000_0000)

    def __init__(self, field: RealField) -> None:
        self.field = field
        self.told = Recorder()
        self._connection = field.connection()
        self.pbx: Pbx = AriPbx(self._connection)
        self._session: asyncio.Task[None] | None = None
        self._phone_calls: dict[str, PhoneCall] = {}
        self._unheard: list[PhoneCall] = []

    @classmethod
    async def open(cls, field: RealField) -> RealWorld:
        world = cls(field)
        await world.reconnect()
        return world

    def dial_string(self, called: Called) -> str:
        return f"PJSIP/+551190000{called}@carrier"

    async def agent_dials(self) -> str:
        number = str(next(self._numbers))
        call = await self.field.carrier.phone(AGENT.sip_username).dial(number)

        def entered() -> ChannelEntered | None:
            return self.told.find(ChannelEntered, lambda event: event.app_args == ("outbound", number))

        await self.until(entered, f"ChannelEntered of the phone that dialled {number}")
        arrival = entered()
        assert arrival is not None
        self._phone_calls[arrival.channel_id] = call
        return arrival.channel_id

    async def agent_dials_unheard(self) -> None:
        call = await self.field.carrier.phone(AGENT.sip_username).dial(str(next(self._numbers)))
        self._unheard.append(call)
        await call.until("PROGRESS")  # the fallback's announcement

    async def agent_hangs_up(self, channel_id: str) -> None:
        await self._phone_calls[channel_id].hang_up()

    async def agent_saw(self, channel_id: str, what: str) -> None:
        await self._phone_calls[channel_id].until(what)

    async def agent_got(self, channel_id: str) -> int | None:
        call = self._phone_calls[channel_id]
        await call.until_ended()
        return call.sip_code

    async def until(self, fact: Callable[[], object], what: str) -> None:
        await self.told.until(fact, 15, what)

    async def until_gone(self, channel_id: str) -> None:
        async with asyncio.timeout(15):
            while await self.pbx.channel_exists(channel_id) is not False:  # noqa: ASYNC110 - there is only the question
                await asyncio.sleep(0.05)

    async def lose_connection(self) -> None:
        if self._session is not None:
            self._session.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._session
            self._session = None

    async def reconnect(self) -> None:
        await self.lose_connection()
        count = len(self.told.snapshots)
        session = AriSession(self._connection, self.told, heartbeat_s=1, backoff=Backoff(0.05, 0.2))
        self._session = asyncio.create_task(session.run())
        await self.told.until(lambda: len(self.told.snapshots) > count, 15, "on_connected")

    async def restart(self) -> None:
        count = len(self.told.snapshots)
        await self.field.pbx.kill()
        await self.field.pbx.start()
        await self.told.until(lambda: len(self.told.snapshots) > count, 30, "on_connected after the restart")

    async def close(self) -> None:
        """Leave nothing to the next test."""
        for call in (*self._phone_calls.values(), *self._unheard):
            with contextlib.suppress(RuntimeError):  # it ended by itself in this moment
                await call.hang_up()
        snapshot = await self.pbx.snapshot()
        for channel_id in snapshot.channels:
            await self.pbx.hang_up(channel_id, 16)
        for bridge_id in snapshot.bridges:
            await self.pbx.destroy_bridge(bridge_id)
        for channel_id in snapshot.channels:
            await self.until_gone(channel_id)
        await self.lose_connection()
        await self._connection.close()
