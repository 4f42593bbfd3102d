"""A real PostgreSQL server for tests, started once per process of tests, with a fresh database for each test."""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg

from lab.ports import LOOPBACK, free_port
from lab.prefix import REPOSITORY
from tests.support.tools import NoTool

FETCHED = REPOSITORY / ".lab" / "postgresql" / "bin"
"""Where scripts/fetch-postgresql puts its programs."""
_START_S = 60
_LOOK_AGAIN_S = 0.02
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "max_connections": 120,
    "shared_buffers": "32MB",
    # Queries of tests are small; and its compiler is not fetched.
    "jit": "off",
    "log_line_prefix": "%m [%p] %a ",
}
"""Beside these everything is as shipped: what is acknowledged is on the disk (fsync, synchronous_commit)."""


def find_programs() -> Path:
    """The folder of `initdb` and `postgres`. None here is an error, not a skipped test."""
    on_path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in (FETCHED, *([Path(on_path).parent] if on_path else []), *installed):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoTool("no PostgreSQL here: run scripts/fetch-postgresql")


class PostgresServer:
    """One server in a folder of its own, on a Unix socket and on a port of the loopback address.

    It refuses to run as root; as root it runs as `nobody`.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(mkdtemp(prefix="cc-pg-"))
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._as_user: dict[str, Any] = {}
        self._programs = find_programs()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            if self._programs == FETCHED and not _open_to_all(FETCHED):
                # A checkout in root's own folder: what was fetched runs from anywhere.
                shutil.copytree(FETCHED.parent, self.folder / "programs", symlinks=True)
                self._programs = self.folder / "programs" / FETCHED.name
        words = ["--pgdata", str(self._data), "--username", "callcontrol", "--auth", "trust", "--encoding", "UTF8"]
        # Its flush of the empty cluster is for an installation that is to last.
        self._run("initdb", *words, "--locale", "C", "--no-sync")

    def start(self) -> None:
        """Returns once it takes connections."""
        command = [self._programs / "postgres", "-D", self._data, "-k", self.folder, "-p", str(self.port)]
        if setpriv := shutil.which("setpriv", path="/usr/bin:/bin"):
            # Whatever ends us, even SIGKILL, ends it too.
            command = [setpriv, "--pdeathsig", "INT", *command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in _SETTINGS.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **self._as_user,
            )
        self._wait(self._answers, "PostgreSQL does not start")

    def stop(self) -> None:
        """Fast shutdown: connections are ended, nothing is lost."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_START_S)

    def kill(self) -> None:
        """SIGKILL to all of it at once, as when the machine's power goes but for the disk's cache."""
        assert self._process is not None
        # Frozen first: it would see a child die, and begin to recover.
        self._process.send_signal(signal.SIGSTOP)
        children = _children_of(self._process.pid)
        for pid in (*children, self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(_START_S)
        self._wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "its processes do not end")

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, *, tcp_port: int | None = None) -> str:
        """On the Unix socket, or on a port of the loopback address: the server's own, or a proxy's."""
        if tcp_port is None:
            return f"postgresql://callcontrol@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://callcontrol@{LOOPBACK}:{tcp_port}/{database}"

    def create(self, template: str = "template1") -> str:
        """A new database; its name."""
        name = f"cc_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement, beside everything that is tested."""
        parameters = {"host": str(self.folder), "port": self.port, "user": "callcontrol", "dbname": database}
        with psycopg.connect(**parameters, autocommit=True) as connection:  # type: ignore[arg-type]
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {self._log.read_text()[-2000:]}")
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _wait(self, fact: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _START_S
        while not fact():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise}: {self._log.read_text()[-2000:]}")
            time.sleep(_LOOK_AGAIN_S)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            **self._as_user,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")


@cache
def server() -> PostgresServer:
    """This process's own, started at its first use."""
    made = PostgresServer()
    atexit.register(made.remove)
    made.start()
    return made


def _open_to_all(folder: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))


def _children_of(pid: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in path.read_text().split()]
    return children
