"""Installations without Asterisk: configured, migrated, furnished, with a daemon or without."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from callcontrol.cli import direct
from callcontrol.config import load_config
from tests.unit.cli.daemon import Daemon
from tests.unit.cli.support import CommandLine

CONFIG = """\
[asterisk]
ari_password = "unused"
[database]
url = "sqlite:///{folder}/callcontrol.db"
[control]
socket = "{folder}/control.sock"
[security]
key_file = "{folder}/token.key"
"""


def configure(folder: Path) -> Path:
    config = folder / "callcontrol.toml"
    config.write_text(CONFIG.format(folder=folder))
    return config


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database and its key, to be copied: migrating is what takes long."""
    folder = tmp_path_factory.mktemp("migrated")
    asyncio.run(direct.migrate(load_config(configure(folder))))
    return folder


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Configured, nothing else."""
    return CommandLine(configure(tmp_path), capsys)


@pytest.fixture
def cc(bare: CommandLine, migrated: Path) -> CommandLine:
    """Migrated, no daemon."""
    for name in ("callcontrol.db", "token.key"):
        shutil.copy(migrated / name, bare.config.with_name(name))
    return bare


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the daemon logged; unconfigured, it would go to the stdout of the commands under test."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def daemon(cc: CommandLine, logs: list[MutableMapping[str, Any]]) -> Iterator[Daemon]:
    """Migrated, with a daemon."""
    with Daemon(cc) as running:
        yield running


@pytest.fixture
def furnished(cc: CommandLine, daemon: Daemon) -> CommandLine:
    """With a daemon and one thing of each kind, so that bad input meets real data."""
    for line in (
        "company add Acme --area-code 11",
        "agent add acme 1001 --name Ana --email ana@x.br",
        "user add ana@x.br --name Ana --role agent --company acme",
        "trunk add Bob --endpoint carrier-a",
        "did add acme 1133334444 --extension 1001",
        "number add acme 1133334444",
        "contact add acme 1133334444 --name Bob",
        "destination deny acme +5511",
        "plan set acme 100",
    ):
        cc.do(*line.split(" "))
    return cc
