"""Commands while something owns the database: a daemon that answers, one that hangs, one that starts or stops."""

from __future__ import annotations

import asyncio
import http.client
import os
import pwd
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callcontrol.cli.exits import Exit
from callcontrol.cli.gateway import _UnixConnection
from callcontrol.database import DatabaseLock
from callcontrol.engine.admin.commands import AddCompany, decode, encode
from callcontrol.engine.admin.errors import AdminError
from callcontrol.engine.admin.service import AdminService
from callcontrol.web.control import ControlServer, ControlSocketUnusable
from tests.unit.cli.daemon import Daemon
from tests.unit.cli.support import CommandLine

pytestmark = pytest.mark.usefixtures("logs")


def test_commands_go_through_the_daemon_that_owns_the_database(cc: CommandLine, daemon: Daemon) -> None:
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("agent", "add", "acme", "1001", "--name", "Ana")
    assert daemon.told == ["softphones"]
    cc.refuse(Exit.REFUSED, "has an agent '1001' already", "agent", "add", "acme", "1001", "--name", "Ana")
    cc.refuse(Exit.REFUSED, "no company 'other'", "usage", "other")
    assert cc.do("agent", "list", "acme", "--json").json[0]["sip_username"] == "1001"


def test_the_kernel_says_who_was_shown_a_token(cc: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    cc.do("company", "add", "Acme", "--area-code", "11")
    with Daemon(cc) as daemon:
        cc.do("agent", "add", "acme", "1001", "--name", "Ana")
        cc.do("agent", "token", "show", "acme", "1001")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert daemon.showings == [(me, "created"), (me, "shown")]


def test_commands_are_logged_and_tokens_are_not(
    cc: CommandLine, daemon: Daemon, logs: list[MutableMapping[str, Any]]
) -> None:
    cc.do("company", "add", "Acme", "--area-code", "11")
    token = cc.do("agent", "add", "acme", "1001", "--name", "Ana", "--json").json["token"]
    assert [line["command"] for line in logs] == ["AddCompany", "AddAgent"]
    assert token not in repr(logs)


def test_after_the_daemon_commands_go_straight_to_the_database(cc: CommandLine) -> None:
    with Daemon(cc):
        cc.do("company", "add", "Acme", "--area-code", "11")
        assert stat.S_IMODE(cc.socket.stat().st_mode) == 0o600
    assert not cc.socket.exists()
    assert cc.do("company", "list", "--json").json[0]["slug"] == "acme"


def test_a_schema_is_never_changed_under_a_daemon(cc: CommandLine, daemon: Daemon) -> None:
    cc.refuse(Exit.UNAVAILABLE, "stop it first", "migrate")


@contextmanager
def listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield server


def test_a_hung_daemon_is_one_line_after_the_timeout(cc: CommandLine) -> None:
    with listener(cc.socket):
        cc.refuse(Exit.UNAVAILABLE, "did not answer within 0.2 s", "--timeout", "0.2", "company", "list")


def answering(server: socket.socket, answer: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"rubbish\r\n\r\n"])
def test_a_daemon_that_ends_in_mid_answer_is_one_line(cc: CommandLine, answer: bytes) -> None:
    with listener(cc.socket) as server:
        thread = answering(server, answer)
        cc.refuse(Exit.UNAVAILABLE, "may or may not have been carried out", "company", "list")
        thread.join()


def test_a_socket_that_is_none_is_one_line(cc: CommandLine) -> None:
    cc.socket.write_text("")
    # A file that refuses connections is like the socket of a daemon that died.
    assert cc.do("company", "list").out == "no companies yet\n"
    cc.config.write_text(cc.config.read_text().replace("control.sock", "x" * 120))
    cc.refuse(Exit.UNAVAILABLE, "cannot connect to the daemon's socket", "company", "list")


def test_an_owner_that_does_not_listen_is_waited_for_then_named(cc: CommandLine) -> None:
    with DatabaseLock(f"sqlite:///{cc.database}"):
        cc.refuse(Exit.UNAVAILABLE, f"process {os.getpid()} owns", "--timeout", "0.2", "company", "list")


def test_two_command_lines_take_turns(cc: CommandLine) -> None:
    """The second waits for the lock, not for its user to try again."""
    program = "from callcontrol.cli import main; main()"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, "--config", str(cc.config), "--timeout", "60", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for arguments in [("company", "add", f"Company {i}", "--area-code", "11") for i in range(2)]
    ]
    assert [(process.wait(), process.communicate()[1]) for process in running] == [(0, b"")] * 2
    assert len(cc.do("company", "list", "--json").json) == 2


# the server's own edges


def post(path: Path, body: bytes) -> tuple[int, bytes]:
    connection = _UnixConnection(path, 30)
    try:
        connection.request("POST", "/command", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"type": "DropTables"}',
        b'{"type": "AddCompany"}',
        b'{"type": "AddCompany", "name": 1, "area_code": "11"}',
        b'{"type": "AddCompany", "name": "A", "area_code": "11", "surprise": true}',
        b'{"type": "SetPlan", "company": "a", "minutes": 1e99}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_command_is_refused(cc: CommandLine, daemon: Daemon, body: bytes) -> None:
    status, answer = post(cc.socket, body)
    assert status == 422
    assert b'"kind":"invalid"' in answer


def test_other_paths_and_methods_are_refused(cc: CommandLine, daemon: Daemon) -> None:
    for method, path, status in [("GET", "/command", 405), ("POST", "/", 404)]:
        connection: http.client.HTTPConnection = _UnixConnection(cc.socket, 30)
        connection.request(method, path)
        assert connection.getresponse().status == status
        connection.close()


def test_text_that_is_not_unicode_never_leaves() -> None:
    with pytest.raises(AdminError, match="UTF-8"):
        encode(AddCompany(name="\udcff", area_code="11"))


def test_commands_survive_the_wire() -> None:
    command = AddCompany(name="Acme", area_code="11", recording=True)
    assert decode(encode(command)) == command


async def _start(service: AdminService, path: Path) -> None:
    server = ControlServer(service, path)
    await server.start()
    await server.stop()


def _unused_service() -> AdminService:
    return AdminService.__new__(AdminService)


def test_the_socket_of_a_daemon_that_died_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listener(path):
        pass
    assert path.exists()
    asyncio.run(_start(_unused_service(), path))


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: path.write_text("precious"), "is no socket"),
        (lambda path: path.mkdir(), "is no socket"),
    ],
)
def test_what_is_no_socket_is_left_alone(tmp_path: Path, prepare: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "control.sock"
    prepare(path)
    with pytest.raises(ControlSocketUnusable, match=words):
        asyncio.run(_start(_unused_service(), path))
    assert path.exists()


def test_a_living_daemons_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listener(path), pytest.raises(ControlSocketUnusable, match="another daemon"):
        asyncio.run(_start(_unused_service(), path))


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketUnusable, match="cannot make the control socket"):
        asyncio.run(_start(_unused_service(), tmp_path / ("x" * 120)))
