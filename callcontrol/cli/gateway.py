"""How a command reaches the directory and the ledger: through the running daemon, else straight to the database."""

from __future__ import annotations

import asyncio
import http.client
import os
import pwd
import socket
import time
from http import HTTPStatus
from pathlib import Path

import msgspec

from callcontrol.cli.exits import unavailable
from callcontrol.config import Config
from callcontrol.engine.admin.commands import Command, decode, encode
from callcontrol.engine.admin.errors import AdminError, ErrorKind

_RETRY_PAUSE_S = 0.05


class _NoDaemon(Exception):
    """Nobody listens on the socket."""


class _Busy(Exception):
    """Another process owns the database."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid


def execute(config: Config, command: Command, *, timeout_s: float) -> object:
    """The command's result as JSON has it. Raises AdminError.

    A process that owns the database and does not listen is a daemon that starts or stops, or another command line:
    both routes are tried again until one is free or `timeout_s` has passed.
    """
    body = encode(command)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return _through_daemon(config.control.socket, body, timeout_s)
        except _NoDaemon:
            pass
        try:
            return asyncio.run(_directly(config, body))
        except _Busy as busy:
            if time.monotonic() > deadline:
                raise unavailable(_busy_message(config, busy.pid)) from None
        # Another command line has the lock, or a daemon starts: neither tells when it is done, so both are asked again.
        time.sleep(_RETRY_PAUSE_S)


def _busy_message(config: Config, pid: int | None) -> str:
    who = f"process {pid}" if pid is not None else "another process"
    return (
        f"{who} owns the database but does not listen on {config.control.socket}: wait for it, "
        "or see that [control] socket is the daemon's"
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket (unix(7))."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _through_daemon(path: Path, body: bytes, timeout_s: float) -> object:
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.connect()
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise _NoDaemon from None
    except OSError as error:
        connection.close()
        raise unavailable(
            f"cannot connect to the daemon's socket {path} ({error.strerror or error}): "
            "run as the daemon's user or as root"
        ) from None
    try:
        connection.request("POST", "/command", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = msgspec.json.decode(response.read())
    except TimeoutError:
        raise unavailable(
            f"the daemon did not answer within {timeout_s:g} s: the command may or may not have been carried out; "
            "see whether the daemon hangs, then look before you repeat it"
        ) from None
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        raise unavailable(
            "the daemon ended before it answered: the command may or may not have been carried out; "
            "look before you repeat it"
        ) from None
    finally:
        connection.close()
    if response.status == HTTPStatus.OK:
        return answer["result"]
    raise AdminError(answer["error"]["message"], ErrorKind(answer["error"]["kind"]))


async def _directly(config: Config, body: bytes) -> object:
    # Imported here, because with a daemon none of it is needed and a command should start at once.
    from callcontrol.cli.direct import administration
    from callcontrol.database import DatabaseInUse

    try:
        async with administration(config) as service:
            return await service.execute(decode(body), actor=_actor())
    except DatabaseInUse as error:
        raise _Busy(error.pid) from None


def _actor() -> str:
    """The user this process runs as: by uid, not by an environment that anybody can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
