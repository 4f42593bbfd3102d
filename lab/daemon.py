"""The daemon of the laboratory: a child process, and the `callcontrol` command beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from callcontrol.cli.gateway import execute
from callcontrol.config import load_config
from callcontrol.engine.admin.commands import Command
from lab.asterisk import AsteriskInstance
from lab.ports import LOOPBACK, free_port

_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 40.0


class DaemonDidNotStart(Exception):
    """The daemon ended, or was not ready in time; carries the end of its log."""


class CommandFailed(Exception):
    """`callcontrol ...` ended with another code than 0."""

    def __init__(self, arguments: tuple[str, ...], code: int, errors: str) -> None:
        super().__init__(f"callcontrol {' '.join(arguments)}: exit {code}: {errors.strip()}")
        self.code = code
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class DaemonProcess:
    """One node beside one Asterisk, with its files in `directory`."""

    def __init__(
        self,
        directory: Path,
        asterisk: AsteriskInstance,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        http_port: int | None = None,
        database_url: str | None = None,
    ) -> None:
        """`settings`: section -> key -> value, beyond what the laboratory needs. `environment`: added to ours.
        `database_url`: another database than the SQLite file `database`."""
        self.directory = directory
        self.asterisk = asterisk
        self.http_port = free_port(http_port)
        self.log = directory / "daemon.log"
        self.config = directory / "callcontrol.toml"
        self.database = directory / "callcontrol.db"
        self.database_url = database_url or f"sqlite:///{self.database}"
        self._settings = settings or {}
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    async def prepare(self) -> None:
        """Write the configuration and bring the database up to date."""
        self.write_config()
        await self.command("migrate")

    def write_config(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config.touch(mode=0o600)
        self.config.write_text(self._toml())

    async def start(self, *, ready: bool = True) -> None:
        """Start it; `ready`: until /readyz agrees. Raises DaemonDidNotStart."""
        command = [sys.executable, "-m", "callcontrol.cli", "--config", str(self.config), "run"]
        # Whatever ends us, even SIGKILL, ends it too.
        if setpriv := shutil.which("setpriv", path="/usr/bin:/bin"):
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        if ready:
            await self.until_ready()

    async def until_ready(self, timeout_s: float = _READY_TIMEOUT_S) -> None:
        process = self._process
        assert process is not None
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as client:
                while not await self._is_ready(client):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 0.05)
                        raise DaemonDidNotStart(f"the daemon ended with code {process.returncode}:\n{self.log_tail()}")
        except TimeoutError:
            raise DaemonDidNotStart(f"the daemon is not ready after {timeout_s:g} s:\n{self.log_tail()}") from None

    async def stop(self) -> int | None:
        """SIGTERM, and wait. Returns its exit code; None when it did not run."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: what a crash is."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: alive, its sockets open, and deaf."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    async def command(self, *arguments: str, stdin: str | None = None) -> str:
        """What `callcontrol ARGUMENTS` prints. Raises CommandFailed."""
        output = await self.try_command(*arguments, stdin=stdin)
        if output.code != 0:
            raise CommandFailed(arguments, output.code, output.err)
        return output.out

    async def json(self, *arguments: str) -> Any:
        """The same with `--json`, read."""
        return json.loads(await self.command(*arguments, "--json"))

    async def ask(self, command: Command) -> Any:
        """The daemon's answer to an administrative command, over its socket: the command line without the process.
        Raises AdminError."""
        config = await asyncio.to_thread(load_config, self.config)
        return await asyncio.to_thread(execute, config, command, timeout_s=20)

    async def try_command(self, *arguments: str, stdin: str | None = None) -> Output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callcontrol.cli", "--config", str(self.config), *arguments),
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate(stdin.encode() if stdin is not None else None)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return Output(process.returncode or 0, out.decode(), err.decode())

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP route of the daemon."""
        async with aiohttp.ClientSession() as client, client.get(self.url + path) as response:
            return response.status, await response.text()

    async def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by `name{labels}`."""
        _, text = await self.get("/metrics")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def events(self) -> list[dict[str, Any]]:
        """The log so far, its JSON lines."""
        if not self.log.exists():
            return []
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    async def __aenter__(self) -> Self:
        await self.prepare()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _is_ready(self, client: aiohttp.ClientSession) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with client.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200
        return False

    async def _end(self, how: signal.Signals) -> int | None:
        process = self._process
        if process is None or process.returncode is not None:
            return self.exit_code
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
            os.killpg(process.pid, signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        return process.returncode

    def _toml(self) -> str:
        laboratory: dict[str, dict[str, Any]] = {
            "asterisk": {
                "ari_url": self.asterisk.ari_url.removesuffix("/ari"),
                "ari_user": self.asterisk.ari_user,
                "ari_password": self.asterisk.ari_password,
                "cel_file": str(self.asterisk.cel_file),
                "config_folder": str(self.asterisk.etc),
            },
            "database": {"url": self.database_url},
            "http": {"port": self.http_port},
            "control": {"socket": str(self.directory / "control.sock")},
            "security": {"key_file": str(self.directory / "token.key")},
        }
        for section, keys in self._settings.items():
            laboratory.setdefault(section, {}).update(keys)
        lines = []
        for section, keys in laboratory.items():
            # Of TOML's values those used here are written as in JSON.
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""]
        return "\n".join(lines)
