"""An installation without a daemon: configuration, migrated database, token key."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Configured, nothing else."""
    config = tmp_path / "callcontrol.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    return CommandLine(config, capsys)


@pytest.fixture
def cc(bare: CommandLine) -> CommandLine:
    """Migrated."""
    bare.do("migrate")
    return bare
