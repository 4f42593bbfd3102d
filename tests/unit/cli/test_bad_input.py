"""Bad input to every command: one clear line, a documented exit code, no traceback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import pytest

from callcontrol.cli.exits import Exit
from tests.unit.cli.support import CommandLine, assert_one_line, leaves

HOSTILE = (
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    "1e9",
    "99999999999999999999999999",
    "nobody",
    "acme",
    "1001",
    "190",
    "ação",
    "' OR 1=1 --",
    "a\nb",
    "a\x00b",
    "\x1b[2J",
    "\udcff",
    "../../etc/passwd",
    "x" * 5000,
    "{}",
)
VALID = {
    "name": "Bob",
    "company": "acme",
    "extension": "1001",
    "area_code": "11",
    "email": "ana@x.br",
    "role": "agent",
    "endpoint": "carrier-z",
    "number": "1133334444",
    "prefix": "+5511",
    "minutes": "10",
    "order_id": "o9",
    "of_order": "o8",
    "policy": "cut",
    "call": "call-1",
    "reason": "noise",
}
DAEMON = {("run",), ("doctor",), ("migrate",), ("check-config",)}
"""They take no input; bad configurations are theirs (test_commands)."""
FINE = frozenset({Exit.OK, Exit.USAGE, Exit.REFUSED})

COMMANDS = {" ".join(path): (path, command) for path, command in leaves() if path not in DAEMON}
ORDERS = {"addon add", "courtesy add"}


def invocation(path: Sequence[str], command: click.Command, **replaced: str) -> tuple[str, ...]:
    """The command with what it requires, and `replaced` in the place of those parameters."""
    options: list[str] = []
    arguments: list[str] = []
    for parameter in command.params:
        assert parameter.name is not None
        value = replaced.get(parameter.name)
        if value is None and parameter.required:
            value = VALID[parameter.name]
        if value is None:
            continue
        if isinstance(parameter, click.Argument):
            arguments.append(value)
        else:
            # With an equals sign, so that a value that begins with a dash is one.
            options.append(f"{parameter.opts[0]}={value}")
    return (*path, *options, "--", *arguments)


def taking_values(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if not (isinstance(parameter, click.Option) and parameter.is_flag):
            assert parameter.name is not None
            yield parameter.name


def check(cc: CommandLine, arguments: tuple[str, ...], codes: frozenset[Exit] = FINE) -> Exit:
    ran = cc.run(*arguments)
    assert ran.code in codes, (arguments, ran)
    if ran.code != Exit.OK:
        assert_one_line(ran, arguments)
        assert ran.err.isprintable() or ran.err.rstrip("\n").isprintable(), (arguments, ran)
    return Exit(ran.code)


@pytest.mark.parametrize("name", COMMANDS)
def test_hostile_values_in_every_place(furnished: CommandLine, name: str) -> None:
    path, command = COMMANDS[name]
    for parameter in taking_values(command):
        for value in HOSTILE:
            check(furnished, invocation(path, command, **{parameter: value}))


@pytest.mark.parametrize("name", COMMANDS)
def test_missing_surplus_and_unknown(furnished: CommandLine, name: str) -> None:
    path, command = COMMANDS[name]
    bad = frozenset({Exit.USAGE})
    check(furnished, (*path, "--no-such-option"), bad)
    check(furnished, (*invocation(path, command), "surplus", "more", "still more"), bad)
    for parameter in command.params:
        if parameter.required:
            assert parameter.name is not None
            whole = invocation(path, command)
            without = tuple(
                part for part in whole if part != VALID[parameter.name] and not part.startswith(f"{parameter.opts[0]}=")
            )
            if isinstance(parameter, click.Option):
                check(furnished, without, bad)
            else:
                check(furnished, (*path, *(part for part in without if part.startswith("--"))), bad)


@pytest.mark.parametrize(
    "name", [name for name, (_, command) in COMMANDS.items() if "company" in taking_values(command)]
)
def test_unknown_company_is_refused(furnished: CommandLine, name: str) -> None:
    path, command = COMMANDS[name]
    code = check(furnished, invocation(path, command, company="nobody"))
    assert code == Exit.REFUSED


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith(" add") and name not in ORDERS])
def test_duplicates_are_refused(furnished: CommandLine, name: str) -> None:
    """Orders are the exception: the same one again is the same order."""
    path, command = COMMANDS[name]
    furnished.run(*invocation(path, command))
    assert check(furnished, invocation(path, command)) == Exit.REFUSED


def test_numbers_where_numbers_are_wanted(furnished: CommandLine) -> None:
    for value in ("ten", "1.5", "", "0x10", "１０x"):
        assert check(furnished, ("plan", "set", "acme", "--", value)) == Exit.USAGE
        assert check(furnished, ("addon", "add", "--order=o1", "acme", "--", value)) == Exit.USAGE
        assert check(furnished, ("company", "set", f"--max-call-minutes={value}", "acme")) == Exit.USAGE
        assert check(furnished, ("calls", f"--limit={value}", "acme")) == Exit.USAGE
    for value in ("0", "-1", "x", "nan", "601"):
        assert check(furnished, (f"--timeout={value}", "company", "list")) == Exit.USAGE
