"""`callcontrol plan`, `addon`, `courtesy`, `policy`, `refund`, `usage` and `entries`."""

from __future__ import annotations

from typing import Any

import click

from callcontrol.cli.output import Row, field, local_time, print_json, show, show_all
from callcontrol.cli.session import Session, as_json_option, pass_session
from callcontrol.engine.admin import commands as c

_ENTRIES = [
    field("SEQ", "seq"),
    ("AT", lambda row: local_time(row["at"])),
    field("KIND", "kind"),
    field("MINUTES", "minutes"),
    field("GRANT", "grant_kind"),
    field("PERIOD", "grant_period"),
    field("CALL", "call_id"),
    field("REFERENCE", "reference"),
    field("MIRRORS", "mirrors"),
    field("REASON", "reason"),
]


@click.group()
def plan() -> None:
    """The monthly pool that a company contracts."""


@plan.command("set")
@click.argument("company")
@click.argument("minutes", type=int)
@click.option("--order", "order_id", help="Order id: posted again, it is the same order.")
@as_json_option
@pass_session
def set_plan(session: Session, company: str, minutes: int, order_id: str | None, as_json: bool) -> None:
    """Contract MINUTES a month for COMPANY: up takes effect now, down next month (R12)."""
    show(session.execute(c.SetPlan(company=company, minutes=minutes, order_id=order_id)), as_json)


@plan.command("correct")
@click.argument("company")
@click.argument("minutes", type=int)
@click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same correction.")
@click.option("--reason", required=True, help="Why, for the statement.")
@as_json_option
@pass_session
def correct_plan(session: Session, company: str, minutes: int, order_id: str, reason: str, as_json: bool) -> None:
    """This month's pool was ordered too large by mistake: MINUTES is right. At once, as far as calls need no more."""
    show(session.execute(c.CorrectPlan(company=company, minutes=minutes, order_id=order_id, reason=reason)), as_json)


@click.group()
def addon() -> None:
    """Add-on packs: minutes that never expire (R4)."""


@addon.command("add")
@click.argument("company")
@click.argument("minutes", type=int)
@click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same order.")
@as_json_option
@pass_session
def add_addon(session: Session, company: str, minutes: int, order_id: str, as_json: bool) -> None:
    """Add a pack of MINUTES to COMPANY, at once, even for calls in progress (R12, D3)."""
    show(session.execute(c.AddAddon(company=company, minutes=minutes, order_id=order_id)), as_json)


def _cancelling(kind: str, name: str) -> click.Command:

    @click.command("cancel", help=f"Take {name} of COMPANY back that was ordered by mistake, as far as it is unused.")
    @click.argument("company")
    @click.option("--of-order", required=True, metavar="ID", help="The order that was wrong.")
    @click.option("--minutes", type=int, help="How many; all of it by default.")
    @click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same cancellation.")
    @click.option("--reason", required=True, help="Why, for the statement.")
    @as_json_option
    @pass_session
    def cancel(session: Session, /, company: str, as_json: bool, **given: Any) -> None:
        show(session.execute(c.CancelOrder(company=company, kind=kind, **given)), as_json)

    return cancel


@click.group()
def courtesy() -> None:
    """Courtesy minutes: they never expire and are used before add-ons (D9)."""


@courtesy.command("add")
@click.argument("company")
@click.argument("minutes", type=int)
@click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same gift.")
@click.option("--reason", required=True, help="Why, for the statement.")
@as_json_option
@pass_session
def add_courtesy(session: Session, company: str, minutes: int, order_id: str, reason: str, as_json: bool) -> None:
    """Give COMPANY so many MINUTES, without a call. For those of a call, see `refund`."""
    show(session.execute(c.AddCourtesy(company=company, minutes=minutes, order_id=order_id, reason=reason)), as_json)


addon.add_command(_cancelling("addon", "an add-on"))
courtesy.add_command(_cancelling("courtesy", "a courtesy"))


@click.group()
def policy() -> None:
    """What an exhausted pool does to calls in progress (D4)."""


@policy.command("set")
@click.argument("company")
@click.argument("policy")
@click.option("--limit", "limit_minutes", type=int, metavar="MINUTES", help="What may be overdrawn with finish.")
@click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same order.")
@as_json_option
@pass_session
def set_policy(
    session: Session, company: str, policy: str, limit_minutes: int | None, order_id: str, as_json: bool
) -> None:
    """POLICY is `cut` (calls of COMPANY end with its minutes) or `finish` (they go on, as overdraft up to a limit)."""
    ordered = c.SetPolicy(company=company, policy=policy, limit_minutes=limit_minutes, order_id=order_id)
    show(session.execute(ordered), as_json)


@click.command()
@click.argument("call")
@click.option("--minutes", type=int, help="How many; all that is left by default.")
@click.option("--order", "order_id", required=True, help="Order id: posted again, it is the same refund.")
@click.option("--reason", required=True, help="Why, for the statement.")
@as_json_option
@pass_session
def refund(session: Session, call: str, minutes: int | None, order_id: str, reason: str, as_json: bool) -> None:
    """Give the minutes of CALL back, or courtesy minutes where its month is over (D9)."""
    refunded = session.execute(c.RefundCall(call_id=call, minutes=minutes, order_id=order_id, reason=reason))
    if not as_json:
        given = ", ".join(f"{minutes} {kind}" for kind, minutes in refunded["given_to"].items())
        refunded = {**refunded, "given_to": given}
    show(refunded, as_json)


@click.command()
@click.argument("company")
@as_json_option
@pass_session
def usage(session: Session, company: str, as_json: bool) -> None:
    """Contracted and consumed minutes of COMPANY this month (R1, R5)."""
    figures = session.execute(c.ShowUsage(company=company))
    if as_json:
        print_json(figures)
    else:
        _print_usage(figures)


def _print_usage(figures: Row) -> None:
    share = "—" if figures["percent"] is None else f"{figures['percent']} %"
    click.echo(f"{figures['company']}, {figures['period']}; renews {local_time(figures['renews_at'])}")
    for name, value in [
        (
            "monthly pool",
            f"{figures['monthly_posted']} of {figures['monthly_granted']} min used ({share}), "
            f"next month {figures['next_pool']} min",
        ),
        (
            "add-ons",
            f"{figures['addon_contracted_in_month']} min contracted this month, "
            f"{figures['addon_posted']} min used in all, balance {figures['addon_balance']} min",
        ),
        ("courtesy", f"{figures['courtesy_balance']} min"),
        ("overdraft", f"{figures['overdraft']} min to be paid back by the next add-on; {_policy(figures)}"),
        ("held by calls", f"{figures['held']} min"),
    ]:
        click.echo(f"{name:13}  {value}")


def _policy(figures: Row) -> str:
    limit = f", {figures['overdraft_limit']} min" if figures["overdraft_limit"] else ""
    return f"policy {figures['policy']}{limit}"


@click.command()
@click.argument("company")
@click.option("--call", "call_id", help="Only the entries of this call.")
@as_json_option
@pass_session
def entries(session: Session, company: str, call_id: str | None, as_json: bool) -> None:
    """The ledger of COMPANY: every grant and posting, in order."""
    rows = session.execute(c.ListEntries(company=company, call_id=call_id))
    show_all(rows, _ENTRIES, as_json, empty="no entries")
