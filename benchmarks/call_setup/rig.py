"""What is measured: one PBX, the daemon beside it, and a plain `Dial()` in the same dialplan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from benchmarks.call_setup.cpu import cpu_s
from benchmarks.call_setup.figures import Cpu, Round, round_of
from benchmarks.call_setup.sipp import Carrier, Dialling, make_calls
from benchmarks.call_setup.stages import stage_medians
from benchmarks.call_setup.trace import read, setups
from benchmarks.call_setup.waiting import until
from callcontrol.ari import requests
from lab.daemon import DaemonProcess
from lab.pbx import PbxInstance
from lab.ports import LOOPBACK, free_port, free_range
from lab.prefix import AsteriskPrefix

DAEMON = "daemon"
DIAL = "dial"
UNFILTERED = "daemon, unfiltered"
"""The daemon, while Asterisk tells it every event."""
BEFORE = "daemon, before"
"""The daemon of another checkout, beside an Asterisk of its own."""

_RTP_PORTS = 8_000
"""Two of each leg of each call that lives at once; SIPp sends no RTP."""
_PLAIN_PREFIX = "00"
_PLAIN_DIALPLAN = f"""
[callcontrol-agents](+)
exten => _{_PLAIN_PREFIX}11XXXXXXXXX,1,Dial(PJSIP/+55${{EXTEN:{len(_PLAIN_PREFIX)}}}@carrier,60)
"""
_MINUTES = 10_000_000
_QUIET_TIMEOUT_S = 90.0


class Rig:
    """Use as an async context manager. `load` makes one round of calls and measures it."""

    def __init__(
        self,
        prefix: AsteriskPrefix,
        sipp: str,
        directory: Path,
        *,
        agents: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment`: added to the daemon's."""
        self._sipp = sipp
        self._directory = directory
        self._agent_count = agents
        self._carrier_port = free_port()
        self._agents_port = free_port()
        self.pbx = PbxInstance(
            prefix,
            directory / "pbx",
            trunks={"carrier": f"{LOOPBACK}:{self._carrier_port}"},
            extra={"extensions.conf": _PLAIN_DIALPLAN},
        )
        self.pbx.rtp_range = free_range(_RTP_PORTS)
        self.daemon = DaemonProcess(directory / "daemon", self.pbx, environment=environment)
        self._accounts: list[tuple[str, str]] = []
        self._made = 0
        self._rounds = 0
        self._log_read = 0

    async def __aenter__(self) -> Self:
        await self.pbx.start()
        try:
            await self.daemon.prepare()
            await self.daemon.start()
            await self._make_company()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def load(self, way: str, *, rate: int, calls: int, talk_s: float) -> Round:
        """`calls` calls at `rate` a second, each `talk_s` long, and everything that follows from them."""
        await self._filter_events(way != UNFILTERED)
        directory = self._directory / f"round-{self._rounds:03}"
        self._rounds += 1
        directory.mkdir()
        dialled = [self._next_call(_PLAIN_PREFIX if way == DIAL else "") for _ in range(calls)]
        before = self._cpu_s()
        async with Carrier(self._sipp, directory, self._carrier_port) as carrier:
            agents_trace = await make_calls(
                self._sipp,
                directory,
                port=self._agents_port,
                pbx=self.pbx.sip_address,
                calls=dialled,
                rate=rate,
                talk_ms=round(talk_s * 1000),
                timeout_s=calls / rate + talk_s + 20,
            )
            await until(self._no_channel, _QUIET_TIMEOUT_S)
            await until(self._all_settled, _QUIET_TIMEOUT_S)
        after = self._cpu_s()
        with agents_trace.open() as agents, carrier.trace.open() as reached:
            made = setups(read(agents), read(reached))
        asterisk_s, daemon_s = (end - begin for begin, end in zip(before, after, strict=True))
        cpu = Cpu(asterisk_ms=asterisk_s * 1000 / calls, daemon_ms=daemon_s * 1000 / calls)
        stages = stage_medians(made, [] if way == DIAL else self._new_log_lines())
        return round_of(way, rate, list(made.values()), calls, cpu, stages)

    def _new_log_lines(self) -> list[str]:
        with self.daemon.log.open() as log:
            log.seek(self._log_read)
            lines = log.readlines()
            self._log_read = log.tell()
        return lines

    def _next_call(self, prefix: str) -> Dialling:
        """Every call of a run has a number of its own, by which it is known on both sides."""
        self._made += 1
        username, token = self._accounts[self._made % len(self._accounts)]
        return Dialling(f"{prefix}119{self._made:08}", username, token)

    def _cpu_s(self) -> tuple[float, float]:
        asterisk, daemon = self.pbx.pid, self.daemon.pid
        if asterisk is None or daemon is None:
            raise RuntimeError(f"the {'PBX' if asterisk is None else 'daemon'} has ended:\n{self.daemon.log_tail()}")
        return cpu_s(asterisk), cpu_s(daemon)

    async def _make_company(self) -> None:
        run = self.daemon.command
        await run("trunk", "add", "carrier", "--endpoint", "carrier")
        await run("company", "add", "Padaria", "--slug", "padaria", "--area-code", "11")
        await run("number", "add", "padaria", "+551130003000")
        await run("plan", "set", "padaria", str(_MINUTES), "--order", "benchmark")
        for index in range(self._agent_count):
            extension = str(1001 + index)
            added = await self.daemon.json("agent", "add", "padaria", extension, "--name", f"Agente {extension}")
            self._accounts.append((added["sip_username"], added["token"]))
        await until(self._agents_known, 20)

    async def _agents_known(self) -> bool:
        present = {endpoint["resource"] for endpoint in await self._ari("GET", "/endpoints/PJSIP")}
        return present >= {name for name, _ in self._accounts}

    async def _filter_events(self, filtered: bool) -> None:
        """As the daemon does it at every connect, or not at all."""
        request = requests.filter_events("callcontrol")
        await self._ari("PUT", request.path, (request.body or b"") if filtered else b"{}")

    async def _no_channel(self) -> bool:
        return not await self._ari("GET", "/channels")

    async def _all_settled(self) -> bool:
        return not (await self.daemon.metrics())['callcontrol_calls_active{direction="outbound"}']

    async def _ari(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {**self.pbx.ari_headers, "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.request(method, self.pbx.ari_url + path, data=body) as response,
        ):
            response.raise_for_status()
            return await response.json() if response.status == 200 else None

    async def _stop(self) -> None:
        await self.daemon.stop()
        await self.pbx.stop()
