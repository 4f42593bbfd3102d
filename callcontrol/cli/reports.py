"""`callcontrol calls` and `report`: in Portuguese, for those who read them are companies (R8-R10)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click
import msgspec

from callcontrol.cli.output import Row, field, local_time, mm_ss, print_json, print_json_rows, print_lines, print_table
from callcontrol.cli.session import Session, as_json_option, given, pass_session
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.export import DIRECTIONS, calls_csv, report_csv
from callcontrol.engine.admin.views import CallView, ReportView
from callcontrol.engine.ports.reports import LONGEST_PAGE

_TABLE_LIMIT = 100
_MOST = 1_000_000_000

_CALLS = [
    ("DATA", lambda row: local_time(row["answered_at"] or row["started_at"])),
    ("SENTIDO", lambda row: DIRECTIONS.get(row["direction"], row["direction"])),
    field("USUÁRIO", "user"),
    field("RAMAL", "extension"),
    ("NÚMERO", lambda row: row["number"] or row["dialled"]),
    field("CONTATO", "contact"),
    field("EMPRESA", "contact_company"),
    field("STATUS", "status"),
    ("OBS", lambda row: _notes(row)),
    ("DURAÇÃO", lambda row: mm_ss(row["billsec"])),
    # R8: net of refunds.
    ("MINUTOS", lambda row: row["billed_minutes"] - row["refunded_minutes"]),
    # What `explain` and `refund` ask for.
    field("CHAMADA", "call_id"),
]
_DAYS = [
    click.option("--from", "first_day", metavar="DAY", help="First day of the company's, such as 2026-11-01."),
    click.option("--to", "last_day", metavar="DAY", help="Last day."),
]
_FIGURES = [
    field("ATENDIDAS", "connected"),
    field("NÃO ATENDIDAS", "not_connected"),
    field("TOTAL", "total"),
    field("MINUTOS", "minutes"),
    field("RECUSADAS", "refused"),
    ("CONVERSAÇÃO", lambda row: mm_ss(row["billsec"])),
]


def _notes(row: Row) -> str:
    """What an instant of the line does not say by itself (D6, D10)."""
    notes = ["estimada"] if row["estimated"] else []
    if row["clock_step_s"]:
        notes.append(f"relógio {row['clock_step_s']:+g} s")
    return ", ".join(notes)


def _days(command: Any) -> Any:
    for option in reversed(_DAYS):
        command = option(command)
    return command


@click.command()
@click.argument("company")
@_days
@click.option("--user", metavar="EMAIL", help="Only calls of this user.")
@click.option("--agent", "extension", metavar="EXTENSION", help="Only calls of this agent.")
@click.option("--status", "statuses", multiple=True, metavar="WORD", help="Only calls with this word of R10.")
@click.option("--direction", metavar="WORD", help="Only `outbound`, `inbound` or `internal` calls.")
@click.option("--search", "text", metavar="TEXT", help="Part of a number, or of a contact's name or company.")
@click.option("--limit", type=click.IntRange(1, _MOST), help=f"Newest calls shown: {_TABLE_LIMIT}; all as CSV or JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a Brazilian spreadsheet.")
@as_json_option
@pass_session
def calls(
    session: Session,
    /,
    company: str,
    statuses: tuple[str, ...],
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    **which: str | None,
) -> None:
    """The call list of COMPANY, newest first (R8-R10)."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    command = c.ListCalls(company=company, statuses=list(statuses), **given(**which))
    if limit is None and not (as_csv or as_json):
        limit = _TABLE_LIMIT
    # One more than is shown tells whether there are more.
    rows = _rows(session, command, LONGEST_PAGE if limit is None else limit + 1)
    shown = islice(rows, limit)
    if as_json:
        print_json_rows(shown)
    elif as_csv:
        print_lines(calls_csv(msgspec.convert(row, CallView) for row in shown))
    else:
        print_table(list(shown), _CALLS, empty="no calls")
    if limit is not None and next(rows, None) is not None:
        click.echo(f"note: these are the newest {limit} calls; see --limit, --from and --to", err=True)


def _rows(session: Session, command: c.ListCalls, at_once: int) -> Iterator[Row]:
    """Page after page, so that a year's calls are never in memory together."""
    command = msgspec.structs.replace(command, limit=min(at_once, LONGEST_PAGE))
    while True:
        page = session.execute(command)
        yield from page["calls"]
        if page["next"] is None:
            return
        command = msgspec.structs.replace(command, after=page["next"])


@click.command()
@click.argument("company")
@_days
@click.option("--by", type=click.Choice(["user"]), help="One line for each user, and for each agent without one.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a Brazilian spreadsheet.")
@as_json_option
@pass_session
def report(
    session: Session,
    company: str,
    first_day: str | None,
    last_day: str | None,
    by: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Calls and minutes of COMPANY in a period, this month by default (R8, R9)."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    days = given(first_day=first_day, last_day=last_day)
    found = session.execute(c.ShowReport(company=company, by_user=by == "user", **days))
    if as_json:
        print_json(found)
    elif as_csv:
        print_lines(report_csv(msgspec.convert(found, ReportView)))
    else:
        _print_report(found)


def _print_report(found: Row) -> None:
    first, last = found["first_day"] or "…", found["last_day"] or "…"
    click.echo(f"{found['company']}, {first} – {last} ({found['time_zone']})")
    totals = found["totals"]
    rows = [{"name": name, **totals[direction]} for direction, name in DIRECTIONS.items()]
    print_table(rows, [field("CHAMADAS", "name"), *_FIGURES], empty="")
    click.echo(f"em andamento: {totals['in_progress']}; minutos reservados: {found['held']}")
    if found["users"] is not None:
        users = [{**user, **user["totals"]["outbound"]} for user in found["users"]]
        columns = [field("USUÁRIO", "name"), field("E-MAIL", "email"), field("RAMAL", "extension"), *_FIGURES]
        click.echo()
        print_table(users, columns, empty="no calls")
