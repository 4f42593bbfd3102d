"""A real softphone program: baresip, driven over its control socket (module ctrl_tcp: JSON in netstrings)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import struct
import wave
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.child import end_child, start_child
from lab.ports import LOOPBACK, free_port, free_range
from tests.support.tools import find_tool

_RATE = 8000
_SPOKEN_S = 60
_STOP_TIMEOUT_S = 5.0
_MODULES = ("g711.so", "aufile.so", "aubridge.so", "sndfile.so")

Event = dict[str, Any]


class Baresip:
    """One softphone with one account: registers when entered, speaks a tone, keeps what it hears."""

    def __init__(self, directory: Path, *, server: str, username: str, token: str, tone_hz: int = 620) -> None:
        """`server`: host:port of the PBX. Nothing runs before it is entered."""
        self.directory = directory
        self.username = username
        self.tone_hz = tone_hz
        self._server = server
        self._token = token
        self._control_port = free_port()
        self.events: list[Event] = []
        """Everything it told, in order."""
        self._news = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._configure()
        command = [find_tool("baresip"), "-4", "-f", str(self.directory)]
        with (self.directory / "baresip.log").open("wb") as log:
            self._process = await start_child(command, cwd=self.directory, output=log)
        try:
            reader, self._writer = await self._connect(self._process)
        except BaseException:
            await end_child(self._process, signal.SIGKILL, _STOP_TIMEOUT_S)
            raise
        self._reader = asyncio.create_task(self._read(reader), name=f"baresip {self.username}")
        # Not in a file: it would register before anybody could hear of it.
        await self.order(
            "uanew",
            f"<sip:{self.username}@{self._server};transport=udp>;auth_user={self.username};auth_pass={self._token};"
            "regint=60;audio_codecs=pcma",
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            # Its own end would first sign off at the PBX, which may be gone.
            await end_child(self._process, signal.SIGKILL, _STOP_TIMEOUT_S)

    async def dial(self, number: str) -> None:
        await self.order("dial", number)

    async def hang_up(self) -> None:
        await self.order("hangup")

    async def order(self, command: str, parameters: str = "") -> None:
        assert self._writer is not None
        message = json.dumps({"command": command, "params": parameters}).encode()
        self._writer.write(b"%d:%b," % (len(message), message))
        await self._writer.drain()

    def mark(self) -> int:
        """The present, for `until(..., since=)`."""
        return len(self.events)

    async def until(self, *types: str, since: int = 0, timeout_s: float = 15.0) -> Event:
        """The first event of one of these types: REGISTER_OK, REGISTER_FAIL, CALL_RINGING, CALL_PROGRESS,
        CALL_ESTABLISHED, CALL_CLOSED."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while True:
                    for event in self.events[since:]:
                        if event.get("type") in types:
                            return event
                    await self._news.wait()
        except TimeoutError:
            told = [event.get("type") for event in self.events[since:]]
            raise TimeoutError(f"{' or '.join(types)} on {self.username}'s softphone; it told {told}") from None

    @property
    def heard(self) -> Path:
        """What came out of its earpiece in the latest call, answered or not; complete when the call is closed."""
        return max(self.directory.glob("dump-*-dec.wav"))

    def _configure(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        voice = self.directory / "voice.wav"
        _speak(voice, self.tone_hz)
        sip_port = free_port()
        first, last = free_range(64)
        (self.directory / "config").write_text(
            f"sip_listen {LOOPBACK}:{sip_port}\n"
            f"net_interface {LOOPBACK}\n"
            f"rtp_ports {first}-{last}\n"
            f"ctrl_tcp_listen {LOOPBACK}:{self._control_port}\n"
            f"audio_path {self.directory}\n"
            # Nothing is played; what is decoded is kept by the module sndfile.
            "audio_player aubridge,earpiece\n"
            "audio_alert aubridge,bell\n"
            f"audio_source aufile,{voice}\n"
            f"ausrc_srate {_RATE}\nauplay_srate {_RATE}\n"
            f"snd_path {self.directory}\n"
            f"module_path {_module_path()}\n"
            + "".join(f"module {module}\n" for module in _MODULES)
            + "module_app menu.so\nmodule_app ctrl_tcp.so\n"
        )
        (self.directory / "contacts").touch()

    async def _connect(self, process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """It does not tell when it listens, so it is tried; but it tells when it has ended."""
        async with asyncio.timeout(15):
            while True:
                with contextlib.suppress(OSError):
                    return await asyncio.open_connection(LOOPBACK, self._control_port)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.05)
                    log = (self.directory / "baresip.log").read_text(errors="replace")
                    raise RuntimeError(f"baresip ended with code {process.returncode}:\n{log}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    async with self._news:
                        self.events.append(message)
                        self._news.notify_all()


def _module_path() -> Path:
    """Beside the program where it was unpacked, else where Debian puts it."""
    script = Path(find_tool("baresip"))
    unpacked = script.parent.parent / "root" / "usr" / "lib" / "baresip" / "modules"
    return unpacked if unpacked.is_dir() else Path("/usr/lib/baresip/modules")


def _speak(file: Path, hz: int) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        samples = (int(8000 * math.sin(2 * math.pi * hz * n / _RATE)) for n in range(_RATE * _SPOKEN_S))
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
