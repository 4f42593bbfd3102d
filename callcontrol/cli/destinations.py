"""`callcontrol destination`."""

from __future__ import annotations

import click

from callcontrol.cli.output import field, local_time, show, show_all
from callcontrol.cli.session import Session, as_json_option, pass_session
from callcontrol.engine.admin import commands as c

_RULES = [
    field("PREFIX", "prefix"),
    ("RULE", lambda row: "allow" if row["allowed"] else "deny"),
    ("SINCE (UTC)", lambda row: local_time(row["changed_at"])),
    field("BY", "changed_by"),
]


@click.group()
def destination() -> None:
    """Destinations a company may call: the longest prefix decides; premium and international are denied by default."""


@destination.command()
@click.argument("company")
@click.argument("prefix")
@as_json_option
@pass_session
def allow(session: Session, company: str, prefix: str, as_json: bool) -> None:
    """Let COMPANY call numbers that begin with PREFIX: +1, 0900, or + for all with a country code (D14)."""
    rule = session.execute(c.AllowDestination(company=company, prefix=prefix))
    show(rule, as_json)


@destination.command()
@click.argument("company")
@click.argument("prefix")
@as_json_option
@pass_session
def deny(session: Session, company: str, prefix: str, as_json: bool) -> None:
    """Refuse calls of COMPANY to numbers that begin with PREFIX (D14)."""
    rule = session.execute(c.DenyDestination(company=company, prefix=prefix))
    show(rule, as_json)


@destination.command()
@click.argument("company")
@click.argument("prefix")
@as_json_option
@pass_session
def remove(session: Session, company: str, prefix: str, as_json: bool) -> None:
    """Remove the rule of COMPANY for PREFIX: a shorter one or the default decides from then on."""
    removed = session.execute(c.RemoveDestination(company=company, prefix=prefix))
    show(removed, as_json)


@destination.command("list")
@click.argument("company")
@as_json_option
@pass_session
def list_(session: Session, company: str, as_json: bool) -> None:
    """List the rules of COMPANY."""
    rows = session.execute(c.ListDestinations(company=company))
    empty = "no rules: premium and international numbers are denied, all others allowed"
    show_all(rows, _RULES, as_json, empty=empty)


@destination.command()
@click.argument("company")
@click.argument("number")
@as_json_option
@pass_session
def test(session: Session, company: str, number: str, as_json: bool) -> None:
    """Say whether COMPANY may call NUMBER, written as its agents dial it, and what decides."""
    verdict = session.execute(c.TestDestination(company=company, number=number))
    show(verdict, as_json)
