"""The command line on PostgreSQL: from an empty database, beside other daemons, and when the server is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callcontrol.config import load_config
from callcontrol.doctor import local
from lab.ports import LOOPBACK, free_port
from tests.support.postgresql import server
from tests.unit.cli.support import CommandLine


@pytest.fixture
def database() -> Iterator[str]:
    """An empty one."""
    name = server().create()
    yield name
    server().drop(name)


@pytest.fixture
def on_server(bare: CommandLine, database: str) -> CommandLine:
    use(bare, server().url(database))
    return bare


def use(cc: CommandLine, url: str) -> None:
    cc.config.write_text(cc.config.read_text().replace(f"sqlite:///{cc.database}", url))


def test_from_an_empty_database_to_the_first_minutes(on_server: CommandLine) -> None:
    on_server.do("check-config")
    on_server.refuse(5, "run `callcontrol migrate`", "company", "list")
    on_server.do("migrate")
    on_server.do("migrate")
    on_server.do("company", "add", "Padaria", "--area-code", "11")
    on_server.do("plan", "set", "padaria", "100", "--order", "1")
    assert on_server.do("usage", "padaria", "--json").json["monthly_granted"] == 100
    on_server.do("audit")
    on_server.do("replay", "padaria")
    assert not on_server.database.exists()


def test_a_server_that_is_not_there_is_one_line_without_the_password(bare: CommandLine) -> None:
    use(bare, f"postgresql://callcontrol:hunter2secret@{LOOPBACK}:{free_port()}/callcontrol")
    for command in (("migrate",), ("company", "list")):
        bare.refuse(5, "the database cannot be used", *command)
        assert "hunter2" not in bare.run(*command).err


def test_the_doctor_sees_a_server_that_loses_what_it_acknowledges(on_server: CommandLine, database: str) -> None:
    on_server.do("migrate")
    config = load_config(on_server.config)
    assert local.database(config).ok is True
    server().execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    check = local.database(config)
    assert check.ok is False
    assert "synchronous_commit off" in check.message
