"""docs/cli.md says what the command line does, and all of it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from callcontrol.bootstrap import EXIT_APPLICATION_TAKEN
from callcontrol.cli.entry import cli
from callcontrol.cli.exits import Exit
from tests.unit.cli.support import leaves

DOC = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
LEAVES = list(leaves())


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_and_option_is_documented(path: tuple[str, ...], command: click.Command) -> None:
    arguments = [
        parameter.make_metavar(click.Context(command))
        for parameter in command.params
        if isinstance(parameter, click.Argument)
    ]
    usage = " ".join([*path, *arguments])
    [row] = re.findall(rf"^\| `{re.escape(usage)}` \|.*$", DOC, re.MULTILINE)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "as_json":
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{option}" in row or f"{option}`" in row, option


def test_no_command_is_documented_that_is_not_there() -> None:
    documented = re.findall(r"^\| `([a-z][a-z -]*[a-z])", DOC, re.MULTILINE)
    assert sorted(documented) == sorted(" ".join(path) for path, _ in LEAVES)


def test_every_global_option_is_documented() -> None:
    for parameter in cli.params:
        assert f"`{parameter.opts[0]}" in DOC


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOC, re.MULTILINE)}
    assert documented == {int(code) for code in Exit} | {EXIT_APPLICATION_TAKEN}
