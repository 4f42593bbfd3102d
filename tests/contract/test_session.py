"""A session with a real Asterisk: half-open, frozen, taken; and what its peers see."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.pbx import AriPbx
from callcontrol.ari.requests import Request
from callcontrol.ari.session import ApplicationTaken, AriSession
from callcontrol.engine.ports.pbx import ChannelDestroyed, ChannelEntered, Outcome
from lab.ports import LOOPBACK
from tests.contract.recorder import Recorder
from tests.contract.worlds import Called, RealField, RealWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.live]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealField]:
    field = RealField(tmp_path_factory.mktemp("field"))
    try:
        await field.start()
        yield field
    finally:
        await field.stop()


class Line:
    """One session with its own listener."""

    def __init__(self, connection: AriConnection) -> None:
        self.told = Recorder()
        self.connection = connection
        self.session = AriSession(connection, self.told, heartbeat_s=0.3, backoff=Backoff(0.05, 0.2))
        self.running = asyncio.create_task(self.session.run())

    async def connected(self, times: int = 1) -> None:
        await self.told.until(lambda: self.told.told.count("connected") == times, 15, f"connected {times} times")

    async def close(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ApplicationTaken):
            await self.running
        await self.connection.close()


OpenLine = Callable[[AriConnection], Line]


@pytest_asyncio.fixture(loop_scope="module")
async def open_line() -> AsyncIterator[OpenLine]:
    lines: list[Line] = []

    def open_one(connection: AriConnection) -> Line:
        lines.append(Line(connection))
        return lines[-1]

    yield open_one
    for line in lines:
        await line.close()


class Wire:
    """A cable between the daemon and Asterisk that can be cut so that neither end notices."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: list[asyncio.StreamWriter] = []
        self._cut: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._join, LOOPBACK, 0)
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Connections that exist carry nothing any more, and stay open; new ones work."""
        self._cut.update(self._streams)

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for stream in self._streams:
            stream.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._port)
        self._streams += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if sink not in self._cut:
                    sink.write(data)
                    await sink.drain()
            if sink not in self._cut:
                sink.close()


async def test_a_second_daemon_takes_the_application(real: RealField, open_line: OpenLine) -> None:
    first = open_line(real.connection())
    await first.connected()
    second = open_line(real.connection())
    with pytest.raises(ApplicationTaken):
        await asyncio.wait_for(first.running, 15)
    await second.connected()
    assert first.told.told == ["connected", "lost"]
    assert second.session.connected


async def test_our_own_half_open_connection_is_replaced_by_us(real: RealField, open_line: OpenLine) -> None:
    """Asterisk tells the old socket that it was replaced; that must not end the daemon."""
    port = urlsplit(real.pbx.ari_url).port
    assert port is not None
    cable = Wire(port)
    line = open_line(AriConnection(await cable.start(), real.pbx.ari_user, real.pbx.ari_password, request_timeout_s=2))
    await line.connected()
    cable.cut()
    await line.connected(2)
    assert line.told.told == ["connected", "lost", "connected"]
    pbx = AriPbx(line.connection)
    dial_string = "PJSIP/+5511900004486@carrier"
    assert await pbx.create_channel("cc-h-customer", dial_string, app_args=(), originator=None) is Outcome.DONE
    await line.told.until(lambda: line.told.find(ChannelEntered), 15, "an event on the new connection")
    assert await pbx.hang_up("cc-h-customer", 16) is Outcome.DONE
    await line.told.until(lambda: line.told.find(ChannelDestroyed), 15, "its end")
    assert not line.running.done()
    await cable.stop()


async def test_a_frozen_asterisk_is_noticed_and_found_again(real: RealField, open_line: OpenLine) -> None:
    line = open_line(real.connection())
    await line.connected()
    real.pbx.freeze()
    try:
        await line.told.until(lambda: "lost" in line.told.told, 15, "the silence")
        assert not line.session.connected
    finally:
        real.pbx.thaw()
    await line.connected(2)
    before, after = line.told.snapshots
    assert after.asterisk_started_at == before.asterisk_started_at


async def test_our_own_sleep_is_no_evidence_against_asterisk(real: RealField, open_line: OpenLine) -> None:
    """A daemon that was stopped (SIGSTOP, a suspended machine) reads what was said meanwhile before it judges."""
    line = open_line(real.connection())
    await line.connected()
    pbx = AriPbx(line.connection)
    dial_string = "PJSIP/+5511900004486@carrier"
    assert await pbx.create_channel("cc-z-customer", dial_string, app_args=(), originator=None) is Outcome.DONE
    time.sleep(2)  # noqa: ASYNC251 - the whole loop stands still, which is the point; 0.3 s is one heartbeat
    assert await pbx.hang_up("cc-z-customer", 16) is Outcome.DONE
    await line.told.until(lambda: line.told.find(ChannelDestroyed), 15, "the end of the channel")
    assert line.told.told == ["connected", "ChannelEntered", "ChannelLeft", "ChannelDestroyed"]
    async with asyncio.timeout(15):
        while not line.session.connected:  # noqa: ASYNC110 - with the next heartbeat, which nobody is told of
            await asyncio.sleep(0.05)


async def test_the_filter_lets_only_our_events_through(real: RealField) -> None:
    """9 events of a bridged call are let through, 46 ChannelVarset alone are not."""
    world = await RealWorld.open(real)
    async with real.connection() as connection:
        application = await connection.get(Request("GET", "/applications/{app}", "/applications/callcontrol"))
    assert b'"StasisStart"' in application
    assert b"ChannelVarset" not in application
    await world.close()


async def test_the_carrier_and_the_agent_see_the_numbers_we_choose(real: RealField) -> None:
    """Functions work through `POST /channels/{id}/variables`."""
    world = await RealWorld.open(real)
    pbx, customer = world.pbx, "cc-n-customer"
    dial_string = world.dial_string(Called.RINGS_FOR_EVER)
    agent = await world.agent_dials()
    assert await pbx.create_channel(customer, dial_string, app_args=(), originator=agent) is Outcome.DONE
    await world.until(lambda: world.told.find(ChannelEntered, lambda told: told.channel_id == customer), "entered")
    variables = {"TIMEOUT(absolute)": "20", "CONNECTEDLINE(num,i)": "+551130003000", "CC_X": "a,b;c"}
    assert await pbx.set_variables(customer, variables) is Outcome.DONE
    assert await pbx.create_bridge("cc-n-bridge") is Outcome.DONE
    assert await pbx.add_to_bridge("cc-n-bridge", (agent, customer)) is Outcome.DONE
    assert await pbx.dial(customer, caller=None, timeout_s=20) is Outcome.DONE
    call = await real.carrier.next_call(dial_string.removeprefix("PJSIP/").removesuffix("@carrier"))
    assert call.caller == "+551130003000"
    await world.close()
