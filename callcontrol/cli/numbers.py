"""`callcontrol trunk`, `did`, `number` and `contact`."""

from __future__ import annotations

import click

from callcontrol.cli.output import field, show, show_all
from callcontrol.cli.session import Session, as_json_option, given, pass_session
from callcontrol.engine.admin import commands as c

_TRUNKS = [
    field("NAME", "name"),
    field("ENDPOINT", "endpoint"),
    field("FORMAT", "number_format"),
    field("DEFAULT", "is_default"),
]
_DIDS = [field("NUMBER", "number"), field("COMPANY", "company"), field("EXTENSION", "extension")]
_ORIGINS = [field("COMPANY", "company"), field("NUMBER", "number"), field("CURRENT", "is_current")]
_CONTACTS = [field("NUMBER", "number"), field("NAME", "name"), field("CONTACT'S COMPANY", "contact_company")]
_FORMAT = "How the carrier wants numbers: e164 (+5511...), digits (5511...) or national (011...)."


@click.group()
def trunk() -> None:
    """Trunks: carriers' PJSIP endpoints in Asterisk."""


@trunk.command("add")
@click.argument("name")
@click.option("--endpoint", required=True, help="The PJSIP endpoint in Asterisk's configuration.")
@click.option("--format", "number_format", help=_FORMAT)
@click.option("--default", "is_default", is_flag=True, help="Calls go through it; the first trunk is the default.")
@as_json_option
@pass_session
def add_trunk(
    session: Session, name: str, endpoint: str, number_format: str | None, is_default: bool, as_json: bool
) -> None:
    """Add the trunk NAME."""
    fields = given(number_format=number_format)
    added = session.execute(c.AddTrunk(name=name, endpoint=endpoint, is_default=is_default, **fields))
    show(added, as_json)


@trunk.command("list")
@as_json_option
@pass_session
def list_trunks(session: Session, as_json: bool) -> None:
    """List all trunks."""
    rows = session.execute(c.ListTrunks())
    show_all(rows, _TRUNKS, as_json, empty="no trunks yet")


@trunk.command("set")
@click.argument("name")
@click.option("--endpoint", help="The PJSIP endpoint in Asterisk's configuration.")
@click.option("--format", "number_format", help=_FORMAT)
@click.option("--default", "is_default", is_flag=True, default=None, help="Make it the one calls go through.")
@as_json_option
@pass_session
def set_trunk(
    session: Session,
    name: str,
    endpoint: str | None,
    number_format: str | None,
    is_default: bool | None,
    as_json: bool,
) -> None:
    """Change the trunk NAME."""
    fields = given(endpoint=endpoint, number_format=number_format, is_default=is_default)
    changed = session.execute(c.SetTrunk(name=name, **fields))
    show(changed, as_json)


@trunk.command("remove")
@click.argument("name")
@as_json_option
@pass_session
def remove_trunk(session: Session, name: str, as_json: bool) -> None:
    """Remove the trunk NAME."""
    removed = session.execute(c.RemoveTrunk(name=name))
    show(removed, as_json)


@click.group()
def did() -> None:
    """DIDs: numbers on which calls come in, and the agents they ring."""


@did.command("add")
@click.argument("company")
@click.argument("number")
@click.option("--extension", help="The agent it rings.")
@as_json_option
@pass_session
def add_did(session: Session, company: str, number: str, extension: str | None, as_json: bool) -> None:
    """Give COMPANY the DID NUMBER."""
    added = session.execute(c.AddDid(company=company, number=number, extension=extension))
    show(added, as_json)


@did.command("list")
@click.argument("company", required=False)
@as_json_option
@pass_session
def list_dids(session: Session, company: str | None, as_json: bool) -> None:
    """List the DIDs of COMPANY, or all."""
    rows = session.execute(c.ListDids(company=company))
    show_all(rows, _DIDS, as_json, empty="no DIDs yet")


@did.command("set")
@click.argument("number")
@click.option("--extension", help="The agent it rings.")
@click.option("--no-extension", is_flag=True, help="It rings nobody.")
@as_json_option
@pass_session
def set_did(session: Session, number: str, extension: str | None, no_extension: bool, as_json: bool) -> None:
    """Say whom the DID NUMBER rings. Give the number with its DDD."""
    if (extension is None) != no_extension:
        raise click.UsageError("give either --extension or --no-extension")
    changed = session.execute(c.SetDid(number=number, extension=extension))
    show(changed, as_json)


@did.command("remove")
@click.argument("number")
@as_json_option
@pass_session
def remove_did(session: Session, number: str, as_json: bool) -> None:
    """Remove the DID NUMBER. Give the number with its DDD."""
    removed = session.execute(c.RemoveDid(number=number))
    show(removed, as_json)


@click.group()
def number() -> None:
    """Origin numbers: what a company owns, and which one its calls show (R11)."""


@number.command("add")
@click.argument("company")
@click.argument("number")
@click.option("--current", is_flag=True, help="Calls show it; a company's first number is shown anyway.")
@as_json_option
@pass_session
def add_number(session: Session, company: str, number: str, current: bool, as_json: bool) -> None:
    """Give COMPANY the origin number NUMBER."""
    added = session.execute(c.AddOriginNumber(company=company, number=number, make_current=current))
    show(added, as_json)


@number.command("list")
@click.argument("company", required=False)
@as_json_option
@pass_session
def list_numbers(session: Session, company: str | None, as_json: bool) -> None:
    """List the origin numbers of COMPANY, or all."""
    rows = session.execute(c.ListOriginNumbers(company=company))
    show_all(rows, _ORIGINS, as_json, empty="no origin numbers yet")


@number.command("set")
@click.argument("company")
@click.argument("number")
@as_json_option
@pass_session
def set_number(session: Session, company: str, number: str, as_json: bool) -> None:
    """Make NUMBER the one that COMPANY's calls show."""
    chosen = session.execute(c.SetOriginNumber(company=company, number=number))
    show(chosen, as_json)


@number.command("remove")
@click.argument("company")
@click.argument("number")
@as_json_option
@pass_session
def remove_number(session: Session, company: str, number: str, as_json: bool) -> None:
    """Take the origin number NUMBER away from COMPANY."""
    removed = session.execute(c.RemoveOriginNumber(company=company, number=number))
    show(removed, as_json)


@click.group()
def contact() -> None:
    """Contacts: the names of those whom a company calls."""


@contact.command("add")
@click.argument("company")
@click.argument("number")
@click.option("--name", required=True, help="The contact's name.")
@click.option("--contact-company", help="The company the contact works for.")
@as_json_option
@pass_session
def add_contact(
    session: Session, company: str, number: str, name: str, contact_company: str | None, as_json: bool
) -> None:
    """Add NUMBER to the contacts of COMPANY."""
    fields = given(contact_company=contact_company)
    added = session.execute(c.AddContact(company=company, number=number, name=name, **fields))
    show(added, as_json)


@contact.command("list")
@click.argument("company")
@as_json_option
@pass_session
def list_contacts(session: Session, company: str, as_json: bool) -> None:
    """List the contacts of COMPANY."""
    rows = session.execute(c.ListContacts(company=company))
    show_all(rows, _CONTACTS, as_json, empty="no contacts yet")


@contact.command("set")
@click.argument("company")
@click.argument("number")
@click.option("--name", help="The contact's name.")
@click.option("--contact-company", help="The company the contact works for.")
@as_json_option
@pass_session
def set_contact(
    session: Session, company: str, number: str, name: str | None, contact_company: str | None, as_json: bool
) -> None:
    """Change the contact NUMBER of COMPANY."""
    fields = given(name=name, contact_company=contact_company)
    changed = session.execute(c.SetContact(company=company, number=number, **fields))
    show(changed, as_json)


@contact.command("remove")
@click.argument("company")
@click.argument("number")
@as_json_option
@pass_session
def remove_contact(session: Session, company: str, number: str, as_json: bool) -> None:
    """Remove NUMBER from the contacts of COMPANY."""
    removed = session.execute(c.RemoveContact(company=company, number=number))
    show(removed, as_json)
