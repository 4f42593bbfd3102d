"""`callcontrol audit`, `replay`: whether the books are right, and the exit code tells. `explain`: one call's bill."""

from __future__ import annotations

import click

from callcontrol.cli.exits import Exit
from callcontrol.cli.output import cell, field, print_json, print_table
from callcontrol.cli.session import Session, as_json_option, pass_session
from callcontrol.engine.admin import commands as c

_BALANCES = [field("GRANT", "grant"), field("REBUILT", "rebuilt"), field("STORED", "stored")]


@click.command()
@click.argument("company", required=False)
@as_json_option
@pass_session
def audit(session: Session, company: str | None, as_json: bool) -> int:
    """Check the ledger's invariants I1-I12, of COMPANY or of all."""
    audited = session.execute(c.AuditLedger(company=company))
    findings = audited["findings"]
    if as_json:
        print_json(audited)
    else:
        for finding in findings:
            click.echo(cell(finding))
        click.echo(f"{len(findings)} findings" if findings else "the books are right")
    return Exit.BOOKS_WRONG if findings else Exit.OK


@click.command()
@click.argument("company")
@as_json_option
@pass_session
def replay(session: Session, company: str, as_json: bool) -> int:
    """Rebuild the balances of COMPANY from its entries on the reference model, and compare."""
    replayed = session.execute(c.ReplayLedger(company=company))
    differences = replayed["differences"]
    if as_json:
        print_json(replayed)
    else:
        click.echo(f"{replayed['entries']} entries, {replayed['calls']} billed calls")
        print_table(replayed["balances"], _BALANCES, empty="no grants")
        for difference in differences:
            click.echo(cell(difference))
        click.echo(f"{len(differences)} differences" if differences else "rebuilt and stored are the same")
    return Exit.BOOKS_WRONG if differences else Exit.OK


@click.command()
@click.argument("call")
@as_json_option
@pass_session
def explain(session: Session, call: str, as_json: bool) -> None:
    """Say why CALL cost what it cost, in Portuguese and then in English."""
    explained = session.execute(c.ExplainCall(call_id=call))
    if as_json:
        print_json(explained)
        return
    for language in ("pt", "en"):
        for sentence in explained[language]:
            click.echo(cell(sentence))
        if language == "pt":
            click.echo()
