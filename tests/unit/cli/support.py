"""The command line as a program sees it: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from callcontrol.cli import main
from callcontrol.cli.entry import cli


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@dataclass
class CommandLine:
    """Runs commands in this process, each with the configuration of the test's own installation."""

    config: Path
    capture: pytest.CaptureFixture[str]

    @property
    def socket(self) -> Path:
        return self.config.with_name("control.sock")

    @property
    def database(self) -> Path:
        return self.config.with_name("callcontrol.db")

    def run(self, *arguments: str) -> Ran:
        """Any exit code."""
        self.capture.readouterr()
        with pytest.raises(SystemExit) as exited:
            main(["--config", str(self.config), *arguments])
        out, err = self.capture.readouterr()
        assert isinstance(exited.value.code, int)
        return Ran(exited.value.code, out, err)

    def do(self, *arguments: str) -> Ran:
        """Succeeds."""
        ran = self.run(*arguments)
        assert (ran.code, ran.err) == (0, ""), arguments
        return ran

    def refuse(self, code: int, words: str, *arguments: str) -> None:
        """Fails with `code` and one line that has `words` in it."""
        ran = self.run(*arguments)
        assert ran.code == code, ran.err
        assert_one_line(ran, arguments)
        assert words in ran.err


def assert_one_line(ran: Ran, arguments: tuple[str, ...]) -> None:
    assert ran.err.startswith("error: "), (arguments, ran)
    assert ran.err.count("\n") == 1, (arguments, ran)
    assert "defect" not in ran.err, (arguments, ran)
    assert "Traceback" not in ran.out + ran.err, (arguments, ran)


def leaves() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something: `("agent", "token", "show"), <Command>`."""

    def walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        for name, child in command.commands.items():
            yield from walk((*path, name), child)

    return walk((), cli)
