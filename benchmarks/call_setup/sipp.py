"""SIPp as agents and as carrier."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.call_setup.waiting import until
from lab.child import end_child, start_child
from lab.ports import LOOPBACK, is_free
from lab.prefix import REPOSITORY

_SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0


class NoSipp(Exception):
    """There is no SIPp that starts; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Dialling:
    """One call to make."""

    dialled: str
    sip_username: str
    token: str


def find_sipp() -> str:
    """Raises NoSipp."""
    tools = REPOSITORY / ".lab" / "tools" / "bin"
    program = shutil.which("sipp", path=f"{tools}:{os.environ.get('PATH', '')}")
    # Its exit code is not 0 even when it only tells its version.
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout if program else ""
    if program is None or "SIPp" not in said:
        raise NoSipp("there is no SIPp that starts: run scripts/fetch-test-tools, or install the package sip-tester")
    return program


class Carrier:
    """Answers every call while the block runs; `trace` is complete after it."""

    def __init__(self, program: str, directory: Path, port: int) -> None:
        self.trace = directory / "carrier.trace"
        self._directory = directory
        self._port = port
        self._command: list[str | Path] = [
            *(program, "-sf", _SCENARIOS / "carrier.xml", "-i", LOOPBACK, "-p", str(port), "-nostdin"),
            *("-trace_shortmsg", "-shortmessage_file", self.trace, "-timeout", "600"),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Carrier:
        self._process = await start_child(self._command, cwd=self._directory, output=asyncio.subprocess.DEVNULL)
        await until(self._listens, _START_TIMEOUT_S)
        if self._process.returncode is not None:
            raise RuntimeError(f"SIPp did not start: {' '.join(map(str, self._command))}")
        return self

    async def _listens(self) -> bool:
        """SIPp does not tell; that its port is taken does. True too when it has ended."""
        assert self._process is not None
        return self._process.returncode is not None or not is_free(self._port)

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await end_child(self._process, signal.SIGTERM, _STOP_TIMEOUT_S)


async def make_calls(
    program: str,
    directory: Path,
    *,
    port: int,
    pbx: str,
    calls: Sequence[Dialling],
    rate: int,
    talk_ms: int,
    timeout_s: float,
) -> Path:
    """Make the calls at `rate` a second from one softphone's port, and return the trace. What is not over after
    `timeout_s` is left alone."""
    numbers = directory / "calls.csv"
    numbers.touch(mode=0o600)  # it holds the tokens
    numbers.write_text("SEQUENTIAL\n" + "".join(_injected(call) for call in calls))
    trace = directory / "agents.trace"
    command: list[str | Path] = [
        *(program, pbx, "-sf", _SCENARIOS / "agent.xml", "-i", LOOPBACK, "-p", str(port), "-nostdin"),
        *("-inf", numbers, "-m", str(len(calls)), "-r", str(rate)),
        *("-l", str(len(calls)), "-d", str(talk_ms), "-trace_shortmsg", "-shortmessage_file", trace),
    ]
    with (directory / "agents.out").open("wb") as output:
        process = await start_child(command, cwd=directory, output=output)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout_s)
    finally:
        await end_child(process, signal.SIGTERM, _STOP_TIMEOUT_S)
    return trace


def _injected(call: Dialling) -> str:
    """SIPp takes a user name per call only where the whole keyword is injected."""
    credentials = f"[authentication username={call.sip_username} password={call.token}]"
    return f"{call.dialled};{call.sip_username};{credentials}\n"
