"""`callcontrol user` and `callcontrol agent`."""

from __future__ import annotations

import click

from callcontrol.cli.output import field, show, show_all
from callcontrol.cli.session import Session, as_json_option, given, pass_session
from callcontrol.engine.admin import commands as c

_USERS = [
    field("E-MAIL", "email"),
    field("NAME", "name"),
    field("COMPANY", "company"),
    field("ROLE", "role"),
    field("RIGHTS", "rights"),
]
_AGENTS = [
    field("COMPANY", "company"),
    field("EXTENSION", "extension"),
    field("SIP USER NAME", "sip_username"),
    field("NAME", "name"),
    field("E-MAIL", "email"),
]
_ROLES = "operator, administrator, restricted, agent or follow_up_manager."
_RIGHTS = "finance, reports, dashboard, listen, whisper, barge, take_over or origin_number; may be repeated."


@click.group()
def user() -> None:
    """Users: who logs in, with which role and rights."""


@user.command("add")
@click.argument("email")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", required=True, help=_ROLES)
@click.option("--company", help="Slug of the company; an operator has none.")
@click.option("--right", "rights", multiple=True, help=_RIGHTS)
@as_json_option
@pass_session
def add_user(
    session: Session, email: str, name: str, role: str, company: str | None, rights: tuple[str, ...], as_json: bool
) -> None:
    """Add the user with the e-mail address EMAIL."""
    added = session.execute(c.AddUser(company=company, email=email, name=name, role=role, rights=list(rights)))
    show(added, as_json)


@user.command("list")
@click.argument("company", required=False)
@as_json_option
@pass_session
def list_users(session: Session, company: str | None, as_json: bool) -> None:
    """List the users of COMPANY, or all."""
    rows = session.execute(c.ListUsers(company=company))
    show_all(rows, _USERS, as_json, empty="no users yet")


@user.command("set")
@click.argument("email")
@click.option("--email", "new_email", help="New e-mail address.")
@click.option("--name", help="The person's name.")
@click.option("--role", help=_ROLES)
@click.option("--right", "rights", multiple=True, help=f"Replaces all rights: {_RIGHTS}")
@click.option("--no-rights", is_flag=True, help="Take all rights away.")
@as_json_option
@pass_session
def set_user(
    session: Session,
    email: str,
    new_email: str | None,
    name: str | None,
    role: str | None,
    rights: tuple[str, ...],
    no_rights: bool,
    as_json: bool,
) -> None:
    """Change the user with the e-mail address EMAIL."""
    if rights and no_rights:
        raise click.UsageError("--right and --no-rights exclude each other")
    replaced = list(rights) if rights or no_rights else None
    fields = given(new_email=new_email, name=name, role=role, rights=replaced)
    changed = session.execute(c.SetUser(email=email, **fields))
    show(changed, as_json)


@user.command("remove")
@click.argument("email")
@as_json_option
@pass_session
def remove_user(session: Session, email: str, as_json: bool) -> None:
    """Remove the user with the e-mail address EMAIL."""
    removed = session.execute(c.RemoveUser(email=email))
    show(removed, as_json)


@click.group()
def agent() -> None:
    """Agents: who calls, from a softphone with an extension and a token."""


@agent.command("add")
@click.argument("company")
@click.argument("extension")
@click.option("--name", required=True, help="Shown on internal calls and in the call list.")
@click.option("--email", help="Links the agent to the user with the same e-mail.")
@as_json_option
@pass_session
def add_agent(session: Session, company: str, extension: str, name: str, email: str | None, as_json: bool) -> None:
    """Add the agent EXTENSION to COMPANY and show its SIP user name and token."""
    added = session.execute(c.AddAgent(company=company, extension=extension, name=name, email=email))
    show(added, as_json)


@agent.command("list")
@click.argument("company", required=False)
@as_json_option
@pass_session
def list_agents(session: Session, company: str | None, as_json: bool) -> None:
    """List the agents of COMPANY, or all."""
    rows = session.execute(c.ListAgents(company=company))
    show_all(rows, _AGENTS, as_json, empty="no agents yet")


@agent.command("set")
@click.argument("company")
@click.argument("extension")
@click.option("--name", help="Shown on internal calls and in the call list.")
@click.option("--email", help="Links the agent to the user with the same e-mail; empty for none.")
@as_json_option
@pass_session
def set_agent(
    session: Session, company: str, extension: str, name: str | None, email: str | None, as_json: bool
) -> None:
    """Change the agent EXTENSION of COMPANY."""
    changed = session.execute(c.SetAgent(company=company, extension=extension, **given(name=name, email=email)))
    show(changed, as_json)


@agent.command("remove")
@click.argument("company")
@click.argument("extension")
@as_json_option
@pass_session
def remove_agent(session: Session, company: str, extension: str, as_json: bool) -> None:
    """Remove the agent EXTENSION of COMPANY; its calls stay listed under its name."""
    removed = session.execute(c.RemoveAgent(company=company, extension=extension))
    show(removed, as_json)


@agent.group()
def token() -> None:
    """An agent's SIP token. Each showing is audited."""


@token.command("show")
@click.argument("company")
@click.argument("extension")
@as_json_option
@pass_session
def show_token(session: Session, company: str, extension: str, as_json: bool) -> None:
    """Show the token of the agent EXTENSION of COMPANY."""
    shown = session.execute(c.ShowToken(company=company, extension=extension))
    show(shown, as_json)


@token.command("rotate")
@click.argument("company")
@click.argument("extension")
@as_json_option
@pass_session
def rotate_token(session: Session, company: str, extension: str, as_json: bool) -> None:
    """Give the agent EXTENSION of COMPANY a new token; the old one is worth nothing from then on."""
    rotated = session.execute(c.RotateToken(company=company, extension=extension))
    show(rotated, as_json)
