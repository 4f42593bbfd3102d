"""`callcontrol run`, `doctor`, `check-config` and `migrate`."""

from __future__ import annotations

import asyncio

import click

from callcontrol.cli.exits import Exit, unavailable
from callcontrol.cli.output import cell, print_json
from callcontrol.cli.session import Session, as_json_option, pass_session


@click.command()
@pass_session
def run(session: Session) -> int:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C."""
    # Imported in the commands: a daemon and its database take a second to load, which `--help` need not.
    from callcontrol.bootstrap import run_daemon
    from callcontrol.database import DatabaseInUse
    from callcontrol.loop import run_on_fast_loop

    config = session.config
    try:
        return run_on_fast_loop(run_daemon(config))
    except DatabaseInUse as error:
        raise unavailable(f"{error}: stop it first") from error


@click.command()
@as_json_option
@pass_session
def doctor(session: Session, as_json: bool) -> int:
    """Check Asterisk, the database and the settings; say what to mend."""
    from callcontrol.doctor import run_checks

    checks = asyncio.run(run_checks(session.config))
    if as_json:
        print_json(
            [{"name": check.name, "ok": check.ok, "message": check.message, "advice": check.advice} for check in checks]
        )
    else:
        marks = {True: "ok", False: "FAILED", None: "warning"}
        width = max((len(check.name) for check in checks), default=0)
        for check in checks:
            click.echo(f"{marks[check.ok]:7}  {check.name:{width}}  {cell(check.message)}")
            if not check.ok and check.advice:
                click.echo(f"{'':7}  {'':{width}}  -> {cell(check.advice)}")
    return Exit.UNHEALTHY if any(check.ok is False for check in checks) else Exit.OK


@click.command("check-config")
@pass_session
def check_config(session: Session) -> None:
    """Check the configuration without using it."""
    config = session.config
    click.echo(f"the configuration of node {config.node.name} is valid")


@click.command()
@pass_session
def migrate(session: Session) -> None:
    """Bring the database's schema up to date, and make the token key where there is none."""
    from callcontrol.cli import direct
    from callcontrol.database import DatabaseInUse

    try:
        asyncio.run(direct.migrate(session.config))
    except DatabaseInUse as error:
        raise unavailable(f"{error}: stop it first, then migrate") from error
    click.echo("the database is up to date")
