"""The command line's entry: global options, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

import click

from callcontrol import __version__
from callcontrol.cli.companies import company
from callcontrol.cli.daemon import check_config, doctor, migrate, run
from callcontrol.cli.destinations import destination
from callcontrol.cli.exits import Exit, complain, exit_of
from callcontrol.cli.minutes import addon, courtesy, entries, plan, policy, refund, usage
from callcontrol.cli.numbers import contact, did, number, trunk
from callcontrol.cli.people import agent, user
from callcontrol.cli.proof import audit, explain, replay
from callcontrol.cli.reports import calls, report
from callcontrol.cli.session import Session
from callcontrol.config import DEFAULT_PATH, ConfigError
from callcontrol.engine.admin.errors import AdminError

_MIN_TIMEOUT_S, _MAX_TIMEOUT_S = 0.1, 600


def _seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    # Written so that NaN, which compares with nothing, is refused too.
    if not _MIN_TIMEOUT_S <= value <= _MAX_TIMEOUT_S:
        raise click.BadParameter(f"must be between {_MIN_TIMEOUT_S} and {_MAX_TIMEOUT_S}")
    return value


@click.group(no_args_is_help=False)
@click.version_option(__version__, prog_name="callcontrol")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help=f"Configuration file; {DEFAULT_PATH} by default.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    callback=_seconds,
    default=10.0,
    metavar="SECONDS",
    help="How long to wait for the daemon; 10 by default.",
)
@click.option("--debug", is_flag=True, help="Print the traceback of an unexpected error.")
@click.pass_context
def cli(context: click.Context, config_path: Path | None, timeout_s: float, debug: bool) -> None:
    """Call control beside Asterisk: every call billed in whole minutes exactly once."""
    context.obj = Session(config_path, timeout_s)


for _command in (
    run,
    doctor,
    check_config,
    migrate,
    company,
    user,
    agent,
    trunk,
    did,
    number,
    contact,
    destination,
    plan,
    addon,
    courtesy,
    policy,
    refund,
    usage,
    calls,
    report,
    entries,
    audit,
    replay,
    explain,
):
    cli.add_command(_command)


def run_and_exit(arguments: Sequence[str] | None = None) -> NoReturn:
    """See callcontrol.cli.main."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown with a `?`, not as an error.
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    try:
        code = cli.main(arguments, prog_name="callcontrol", standalone_mode=False)
        sys.stdout.flush()
        return int(code or Exit.OK)
    except click.UsageError as error:
        complain(_usage(error))
        return Exit.USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return Exit.USAGE
    except ConfigError as error:
        for problem in error.problems:
            complain(problem)
        return Exit.CONFIG
    except AdminError as error:
        complain(error.message)
        return exit_of(error)
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _abandon(sys.stdout)
        return Exit.BROKEN_PIPE
    except Exception as error:
        return _defect(error, debug="--debug" in arguments)


def _usage(error: click.UsageError) -> str:
    """click's own words in one line; where it would print a whole help page, where to find that."""
    where = error.ctx.command_path if error.ctx else "callcontrol"
    words = error.format_message().rstrip(".")
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        words = "missing command"
    return f"{words[:1].lower()}{words[1:]} (see `{where} --help`)"


def _defect(error: Exception, *, debug: bool) -> int:
    """Nothing should come here. One line, and the traceback where somebody can send it from."""
    trace = "".join(traceback.format_exception(error))
    summary = f"a defect of callcontrol's: {type(error).__name__}: {error}"
    if debug:
        click.echo(trace, err=True, nl=False)
        complain(summary)
        return Exit.DEFECT
    try:
        descriptor, name = tempfile.mkstemp(prefix="callcontrol-", suffix=".log")
        with os.fdopen(descriptor, "w", errors="replace") as file:
            file.write(trace)
        complain(f"{summary}; {name} has the details")
    except OSError:
        complain(f"{summary}; --debug shows the details")
    return Exit.DEFECT


def _abandon(stream: TextIO) -> None:
    """The reader went away (`| head`): Python would complain when it flushes at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
