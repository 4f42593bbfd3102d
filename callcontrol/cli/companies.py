"""`callcontrol company`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from callcontrol.cli.output import field, show, show_all
from callcontrol.cli.session import Session, as_json_option, given, pass_session
from callcontrol.engine.admin import commands as c

_COLUMNS = [
    field("SLUG", "slug"),
    field("NAME", "name"),
    field("DDD", "area_code"),
    field("TIME ZONE", "time_zone"),
    field("BLOCKED", "blocked"),
    field("LONGEST CALL (MIN)", "max_call_minutes"),
]

_SETTINGS = [
    click.option("--time-zone", metavar="ZONE", help="IANA name; America/Sao_Paulo by default."),
    click.option("--blocked/--unblocked", default=None, help="A blocked company's calls are refused."),
    click.option("--max-call-minutes", type=int, metavar="MINUTES", help="Longest call (D13); 180 by default."),
    click.option("--bill-inbound/--no-bill-inbound", default=None, help="Bill inbound calls too (R13)."),
    click.option("--auto-answer/--no-auto-answer", default=None, help="Softphones answer by themselves."),
    click.option("--recording/--no-recording", default=None, help="Record calls (D17)."),
]


def _settings(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


@click.group()
def company() -> None:
    """Companies: who buys minutes."""


@company.command()
@click.argument("name")
@click.option("--area-code", required=True, metavar="DDD", help="Area code of numbers dialled without one.")
@click.option("--slug", help="Short name for commands and MQTT topics; made from the name when not given.")
@_settings
@as_json_option
@pass_session
def add(session: Session, /, name: str, area_code: str, as_json: bool, **settings: Any) -> None:
    """Add the company NAME."""
    added = session.execute(c.AddCompany(name=name, area_code=area_code, **given(**settings)))
    show(added, as_json)


@company.command("list")
@as_json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List all companies."""
    rows = session.execute(c.ListCompanies())
    show_all(rows, _COLUMNS, as_json, empty="no companies yet")


@company.command("set")
@click.argument("company")
@click.option("--name", help="New name; the slug stays.")
@click.option("--area-code", metavar="DDD", help="Area code of numbers dialled without one.")
@_settings
@as_json_option
@pass_session
def set_(session: Session, /, company: str, as_json: bool, **settings: Any) -> None:
    """Change the company with the slug COMPANY."""
    changed = session.execute(c.SetCompany(company=company, **given(**settings)))
    show(changed, as_json)


@company.command()
@click.argument("company")
@as_json_option
@pass_session
def remove(session: Session, company: str, as_json: bool) -> None:
    """Remove COMPANY and all that belongs to it. Refused where it has calls or minutes: block it instead."""
    removed = session.execute(c.RemoveCompany(company=company))
    show(removed, as_json)
