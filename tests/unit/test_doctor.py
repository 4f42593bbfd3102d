"""What the doctor says of this machine, of versions and of names; the rest is in tests/live, on a real Asterisk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from callcontrol.config import AsteriskConfig, Config, DatabaseConfig, SecurityConfig
from callcontrol.database import upgrade
from callcontrol.doctor import Check, asterisk, local, run_checks
from callcontrol.doctor.asterisk_conf import option
from callcontrol.doctor.requirements import MODULES, OLDEST_VERSION, TESTED_VERSIONS
from lab.ports import free_port

ROOT = Path(__file__).parents[2]


def database_config(url: str) -> Config:
    return Config(database=DatabaseConfig(url=url))


def test_tested_versions_are_those_of_the_file() -> None:
    lines = (ROOT / "asterisk-conf" / "tested-versions").read_text().splitlines()
    assert tuple(line for line in lines if line and not line.startswith("#")) == TESTED_VERSIONS
    assert ".".join(map(str, OLDEST_VERSION)) == TESTED_VERSIONS[0]


def test_needed_modules_are_loaded_by_the_shipped_configuration() -> None:
    loaded = set(re.findall(r"^load = (\S+)", (ROOT / "asterisk-conf" / "modules.conf").read_text(), re.MULTILINE))
    assert sorted(MODULES - loaded) == []


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("22.10.1", True),
        ("22.10.1+dfsg+~cs6.17.60671434-1", True),
        ("22.10.1-rc1", None),
        ("22.11.0-rc2", None),
        ("23.1.0", None),
        ("22.10.0", False),
        ("20.9.3", False),
        ("18.10.0~dfsg+~cs6.10.40431411-2", False),
        ("GIT-master-abc", None),
        ("certified/22.8-cert1", None),
        ("", None),
    ],
)
def test_versions(text: str, ok: bool | None) -> None:
    assert asterisk.version({"system": {"version": text}}).ok is ok


@pytest.mark.parametrize(
    ("name", "ok"), [("pbx1", True), ("", False), (None, False), ("Asterisk", None), ("pbx", None)]
)
def test_system_names(name: str | None, ok: bool | None) -> None:
    assert asterisk.systemname({"config": {"name": name}}).ok is ok


def test_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cc.db"
    before = local.database(database_config(url))
    assert (before.ok, before.advice) == (False, "run `callcontrol migrate`")
    upgrade(url)
    assert local.database(database_config(url)).ok is True
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    assert local.database(database_config(f"sqlite:///{tmp_path}/broken.db")).ok is False
    assert local.database(database_config("sqlite+nothing://")).ok is False


def test_key_file(tmp_path: Path) -> None:
    key = tmp_path / "token.key"
    assert local.key_file(key).ok is None
    key.write_bytes(b"key")
    key.chmod(0o640)
    assert (local.key_file(key).ok, local.key_file(key).advice) == (False, f"chmod 600 {key}")
    key.chmod(0o600)
    assert local.key_file(key).ok is True
    key.write_bytes(b"")
    assert local.key_file(key).ok is False
    assert local.key_file(tmp_path).ok is False


def test_the_clock_of_this_machine_is_no_failure() -> None:
    assert local.clock().ok is not False


@pytest.mark.parametrize(
    ("files", "ok"),
    [
        ({"ari.conf": "[general]\nenabled=yes\n"}, False),
        ({"ari.conf": "[general]\nwebsocket_write_timeout=100 ; default\n"}, False),
        ({"ari.conf": "[general]\nwebsocket_write_timeout = 1000\n"}, True),
        ({"ari.conf": "[other]\nwebsocket_write_timeout = 1000\n"}, False),
        ({"ari.conf": "[general](+)\nwebsocket_write_timeout => 5000;fast\n[user]\nx=y\n"}, True),
        ({"ari.conf": "[general]\n;websocket_write_timeout = 1000\n"}, False),
        ({"ari.conf": "[general]\n#include more.conf\n", "more.conf": "websocket_write_timeout = 2000\n"}, True),
        ({"ari.conf": '#include "d/*.conf"\n', "d/a.conf": "[general]\nwebsocket_write_timeout = 2000\n"}, True),
        ({"ari.conf": "[general]\n#tryinclude absent.conf\nwebsocket_write_timeout=1500\n"}, True),
        ({"ari.conf": "[general]\n#include absent.conf\nwebsocket_write_timeout=1500\n"}, None),
        ({"ari.conf": "#include ari.conf\n[general]\nwebsocket_write_timeout=much\n"}, False),
        ({}, None),
    ],
)
def test_websocket_write_timeout(tmp_path: Path, files: dict[str, str], ok: bool | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert local.websocket_write_timeout(tmp_path).ok is ok


def test_the_shipped_ari_conf_has_it() -> None:
    value = option(ROOT / "asterisk-conf" / "ari.conf", "general", "websocket_write_timeout")
    assert value is not None
    assert int(value) >= 1000


async def test_no_asterisk_is_one_finding(tmp_path: Path) -> None:
    config = Config(
        asterisk=AsteriskConfig(ari_url=f"http://127.0.0.1:{free_port()}", ari_password="x", config_folder=tmp_path),
        database=DatabaseConfig(url=f"sqlite:///{tmp_path}/cc.db"),
        security=SecurityConfig(key_file=tmp_path / "key"),
    )
    found = await run_checks(config)
    assert [check.name for check in found] == ["database", "key file", "clock", "websocket_write_timeout", "ari"]
    assert found[-1].ok is False
    assert found[-1].message.endswith(": Connection refused")
    assert "does Asterisk run" in found[-1].advice


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Config]:
    """A server that says this, or nothing, to whoever asks."""
    handled: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(cast("asyncio.Task[None]", asyncio.current_task()))
        await reader.readuntil(b"\r\n\r\n")
        if answer:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = AsteriskConfig(ari_url=f"http://127.0.0.1:{port}", ari_password="x", request_timeout_s=0.3)
    async with server:
        yield replace(Config(), asterisk=settings)
        await asyncio.gather(*handled)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "does not answer within 0.3 s"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "ARI is not there"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "refuses user 'callcontrol'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "ARI is not there"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http://127.0.0.1:"),
    ],
)
async def test_something_else_on_the_port(answer: bytes, words: str) -> None:
    async with answering(answer) as config:
        (found,) = await asterisk.check_all(config)
    assert isinstance(found, Check)
    assert found.ok is False
    assert words in found.message
