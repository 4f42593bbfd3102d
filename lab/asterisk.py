"""A real Asterisk of our own: its folders, its ports, its life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from lab.child import end_child, socket_folder, start_child
from lab.ports import LOOPBACK, free_port, free_range
from lab.prefix import REPOSITORY, AsteriskPrefix, NoAsterisk, find_prefix
from lab.sip import answers_sip

__all__ = ["AsteriskDidNotStart", "AsteriskInstance", "AsteriskPrefix", "NoAsterisk", "find_prefix"]

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


class AsteriskDidNotStart(Exception):
    """Carries the end of Asterisk's own words."""


class AsteriskInstance:
    """One Asterisk in its own directory. Subclasses say how it is configured."""

    def __init__(
        self, prefix: AsteriskPrefix, directory: Path, *, name: str, sip_port: int | None = None, rtp_ports: int = 400
    ) -> None:
        """Nothing is written or started before `start`. `name` becomes the systemname: letters and digits."""
        self.prefix = prefix
        self.directory = directory.absolute()
        self.name = name
        self.ari_user = "callcontrol"
        self.ari_password = secrets.token_urlsafe(18)
        self.ari_port = free_port()
        self.sip_port = free_port(sip_port)
        self.rtp_range = free_range(rtp_ports)
        self._run_folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def ari_url(self) -> str:
        """Base of ARI's resources: `http://127.0.0.1:PORT/ari`."""
        return f"http://{LOOPBACK}:{self.ari_port}/ari"

    @property
    def http_url(self) -> str:
        """Asterisk's HTTP server, as the daemon's `ari_url` wants it."""
        return f"http://{LOOPBACK}:{self.ari_port}"

    @property
    def ari_headers(self) -> dict[str, str]:
        """What every request to ARI carries."""
        return {"Authorization": aiohttp.encode_basic_auth(self.ari_user, self.ari_password)}

    @property
    def sip_address(self) -> str:
        return f"{LOOPBACK}:{self.sip_port}"

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    @property
    def cel_file(self) -> Path:
        return self.directory / "log" / "cel-custom" / "callcontrol.csv"

    @property
    def recordings(self) -> Path:
        return self.directory / "spool" / "recording"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    def configuration(self) -> Mapping[str, str]:
        """File name in etc/ -> content, beside asterisk.conf."""
        raise NotImplementedError

    async def start(self) -> None:
        """Until ARI and SIP answer and it is fully booted. Raises AsteriskDidNotStart with the end of its log."""
        if self.running:
            return
        self._write()
        command = [*self.prefix.command, "-C", str(self.etc / "asterisk.conf"), "-f"]
        with (self.directory / "log" / "console.log").open("ab") as console:
            self._process = await start_child(command, cwd=self.directory, output=console)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._until_ready(self._process)
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                raise AsteriskDidNotStart(
                    f"{self.name} did not answer within {_START_TIMEOUT_S:.0f} s:\n{self.log_tail()}"
                ) from None
            raise

    async def stop(self) -> None:
        """End it in order: every channel is hung up, the CEL is complete."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: what a crash is."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        """SIGSTOP: alive, its sockets open, and deaf."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid(), signal.SIGCONT)

    async def cli(self, command: str) -> str:
        """Output of a console command. Raises RuntimeError when Asterisk does not take it."""
        process = await asyncio.create_subprocess_exec(
            *self.prefix.command,
            *("-C", str(self.etc / "asterisk.conf"), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(20):
                output, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise RuntimeError(f"{self.name}: {command!r}: {output.decode(errors='replace').strip()}")
        return output.decode(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        """The end of what Asterisk wrote, for a message about a failure."""
        found: list[str] = []
        for log in ("console.log", "messages.log"):
            path = self.directory / "log" / log
            if path.exists():
                found += path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(found)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _pid(self) -> int:
        if self.pid is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.pid

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession(headers=self.ari_headers) as client:
            while not await self._answers_ari(client):
                await self._pause(process)
        await self.cli("core waitfullybooted")
        while not await answers_sip(LOOPBACK, self.sip_port):
            await self._pause(process)

    async def _pause(self, process: asyncio.subprocess.Process) -> None:
        """Asterisk does not tell when it is ready, so it is asked again; but it tells when it has ended."""
        try:
            await asyncio.wait_for(process.wait(), 0.05)
        except TimeoutError:
            return
        raise AsteriskDidNotStart(f"{self.name} ended with code {process.returncode}:\n{self.log_tail()}")

    async def _answers_ari(self, client: aiohttp.ClientSession) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            url = f"{self.ari_url}/asterisk/ping"
            async with client.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200
        return False

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            await end_child(process, how, _STOP_TIMEOUT_S)
            # One that ended while it started leaves its console's socket.
            for socket in (self.directory / "run").glob("asterisk.ctl"):
                socket.unlink(missing_ok=True)
        if self._run_folder and self._run_folder.parent != self.directory:
            shutil.rmtree(self._run_folder, ignore_errors=True)
        self._run_folder = None

    def _write(self) -> None:
        self._run_folder = socket_folder(self.directory / "run")
        folders = ("etc", "lib/keys", "spool/recording", "spool/monitor", "spool/tmp", "data")
        # Asterisk makes neither of the two in log/, and writes no records where they are missing.
        for folder in (*folders, "log/cel-custom", "log/cdr-csv"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self._link_data()
        for file, content in {"asterisk.conf": self._asterisk_conf(), **self.configuration()}.items():
            path = self.etc / file
            path.touch(mode=0o600)
            path.write_text(content)

    def _link_data(self) -> None:
        """Sounds and documentation are the prefix's, beside our own prompts."""
        data = self.directory / "data"
        (data / "sounds").mkdir(exist_ok=True)
        links = {data / entry.name: entry for entry in self.prefix.data_directory.iterdir() if entry.name != "sounds"}
        sounds = self.prefix.data_directory / "sounds"
        links |= {data / "sounds" / entry.name: entry for entry in sounds.iterdir() if entry.name != "en"}
        ours = REPOSITORY / "asterisk-conf" / "sounds"
        links[data / "sounds" / "pt_BR"] = ours / "pt_BR"
        for link, target in links.items():
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        english = data / "sounds" / "en"
        english.mkdir(exist_ok=True)
        for entry in (*(sounds / "en").iterdir(), *(ours / "en").iterdir()):
            (english / entry.name).unlink(missing_ok=True)
            (english / entry.name).symlink_to(entry)

    def _asterisk_conf(self) -> str:
        here = self.directory
        return f"""[directories]
astetcdir => {here}/etc
astmoddir => {self.prefix.module_directory}
astvarlibdir => {here}/lib
astdbdir => {here}/lib
astkeydir => {here}/lib
astdatadir => {here}/data
astagidir => {here}/data/agi-bin
astspooldir => {here}/spool
astrundir => {self._run_folder}
astcachedir => {here}/lib
astlogdir => {here}/log
astsbindir => {here}/lib

[options]
systemname = {self.name}
"""
