"""The control socket: administrative commands for the running daemon, over HTTP on a Unix socket.

`POST /command` with a command's JSON answers `{"result": ...}`, or `{"error": {"kind", "message"}}` with a status
that fits. Who may connect is decided by the socket's mode (0600); who did is told by the kernel (SO_PEERCRED,
unix(7)) and goes into the audit trail.
"""

from __future__ import annotations

import pwd
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from callcontrol.engine.admin.commands import decode
from callcontrol.engine.admin.errors import AdminError, ErrorKind
from callcontrol.engine.admin.service import AdminService

_log = structlog.get_logger("control")

_STATUS = {
    ErrorKind.INVALID: 422,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.INTERNAL: 500,
}
_PEER = struct.Struct("3i")
"""`struct ucred`: pid, uid, gid."""


class ControlSocketUnusable(Exception):
    """The socket cannot be made; the message says which and why."""


class ControlServer:
    """Serves AdminService on a Unix socket from `start` to `stop`."""

    def __init__(self, service: AdminService, path: Path) -> None:
        self._service = service
        self._path = path
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises ControlSocketUnusable."""
        app = web.Application()
        app.router.add_post("/command", self._command)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, _bind(self._path)).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            with suppress(OSError):
                self._path.unlink()

    async def _command(self, request: web.Request) -> web.Response:
        actor = _actor(request)
        try:
            command = decode(await request.read())
            result = await self._service.execute(command, actor=actor)
        except AdminError as error:
            return _error(error)
        except Exception:
            _log.exception("admin.failed", actor=actor)
            return _error(AdminError("a defect of the daemon's: its log has the details", ErrorKind.INTERNAL))
        _log.info("admin.command", command=type(command).__name__, actor=actor)
        return _json(200, {"result": result})


def _bind(path: Path) -> socket.socket:
    """A bound socket that only its owner can connect to."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        server.bind(str(path))
        # Nobody connects between bind and chmod: it does not listen yet.
        path.chmod(0o600)
    except OSError as error:
        server.close()
        raise ControlSocketUnusable(f"cannot make the control socket {path}: {error.strerror or error}") from None
    except BaseException:
        server.close()
        raise
    return server


def _clear(path: Path) -> None:
    """Remove the socket of a daemon that died. One that lives, or a file that is no socket, is left alone."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlSocketUnusable(f"{path} is there and is no socket: remove it, or change [control] socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(ConnectionRefusedError):
            probe.connect(str(path))
            raise ControlSocketUnusable(f"another daemon listens on {path}: stop it, or change [control] socket")
        path.unlink()


def _actor(request: web.Request) -> str:
    connection = request.get_extra_info("socket")
    _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _error(error: AdminError) -> web.Response:
    return _json(_STATUS[error.kind], {"error": {"kind": error.kind, "message": error.message}})


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
