"""Commands about users, agents and tokens."""

from __future__ import annotations

from msgspec import UNSET

from callcontrol.domain.rights import GRANTABLE, Right, Role
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers, changes_of
from callcontrol.engine.admin.errors import invalid
from callcontrol.engine.admin.store import NewAgent, NewUser, TokenAct
from callcontrol.engine.admin.views import AgentTokenView, AgentView, Removed, UserView


class PeopleCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def handlers(self) -> Handlers:
        return {
            c.AddUser: self._add_user,
            c.ListUsers: self._list_users,
            c.SetUser: self._set_user,
            c.RemoveUser: self._remove_user,
            c.AddAgent: self._add_agent,
            c.ListAgents: self._list_agents,
            c.SetAgent: self._set_agent,
            c.RemoveAgent: self._remove_agent,
            c.ShowToken: self._show_token,
            c.RotateToken: self._rotate_token,
        }

    # users

    async def _add_user(self, command: c.AddUser, actor: str) -> UserView:
        role = valid.role(command.role)
        if (role is Role.OPERATOR) != (command.company is None):
            raise invalid(
                "an operator belongs to the installation: give no company"
                if role is Role.OPERATOR
                else f"a user with the role {role.value} needs a company"
            )
        new = NewUser(
            company=command.company,
            email=valid.email(command.email),
            name=valid.text(command.name, "the user's name"),
            role=role,
            rights=valid.rights(command.rights, role),
        )
        return await self._store.add_user(new, self._context.now())

    async def _list_users(self, command: c.ListUsers, actor: str) -> list[UserView]:
        return await self._store.users(command.company)

    async def _set_user(self, command: c.SetUser, actor: str) -> UserView:
        email = valid.email(command.email)
        changes = changes_of(
            command,
            new_email=valid.email,
            name=lambda value: valid.text(value, "the user's name"),
            role=valid.role,
            rights=list,
        )
        if "new_email" in changes:
            changes["email"] = changes.pop("new_email")
        if "role" in changes or "rights" in changes:
            changes |= await self._role_and_rights(email, command)
        return await self._store.change_user(email, changes)

    async def _role_and_rights(self, email: str, command: c.SetUser) -> dict[str, object]:
        """Both together, because what can be granted depends on the role."""
        before = await self._store.user(email)
        role = Role(before.role) if command.role is UNSET else valid.role(command.role)
        if (role is Role.OPERATOR) != (before.role == Role.OPERATOR):
            raise invalid("an operator and a user of a company do not turn into each other: add another user")
        if command.rights is not UNSET:
            rights = valid.rights(command.rights, role)
        else:
            rights = frozenset(Right(right) for right in before.rights)
            if surplus := rights - GRANTABLE[role]:
                raise invalid(f"the role {role.value} cannot keep: {', '.join(sorted(surplus))}; give the rights too")
        return {"role": role.value, "rights": sorted(right.value for right in rights)}

    async def _remove_user(self, command: c.RemoveUser, actor: str) -> Removed:
        email = valid.email(command.email)
        await self._store.remove_user(email, self._context.now())
        return Removed(removed=email)

    # agents

    async def _add_agent(self, command: c.AddAgent, actor: str) -> AgentTokenView:
        new = NewAgent(
            company=command.company,
            extension=valid.extension(command.extension, self._context.emergency_codes),
            name=valid.text(command.name, "the agent's name"),
            email=_optional_email(command.email),
        )
        added = await self._store.add_agent(new, self._act(actor))
        self._context.on_softphones_changed()
        return added

    async def _list_agents(self, command: c.ListAgents, actor: str) -> list[AgentView]:
        return await self._store.agents(command.company)

    async def _set_agent(self, command: c.SetAgent, actor: str) -> AgentView:
        changes = changes_of(
            command,
            name=lambda value: valid.text(value, "the agent's name"),
            email=_optional_email,
        )
        changed = await self._store.change_agent(command.company, command.extension, changes)
        self._context.on_softphones_changed()
        return changed

    async def _remove_agent(self, command: c.RemoveAgent, actor: str) -> Removed:
        await self._store.remove_agent(command.company, command.extension, self._context.now())
        self._context.on_softphones_changed()
        return Removed(removed=f"{command.company}/{command.extension}")

    async def _show_token(self, command: c.ShowToken, actor: str) -> AgentTokenView:
        return await self._store.show_token(command.company, command.extension, self._act(actor))

    async def _rotate_token(self, command: c.RotateToken, actor: str) -> AgentTokenView:
        rotated = await self._store.rotate_token(command.company, command.extension, self._act(actor))
        self._context.on_softphones_changed()
        return rotated

    def _act(self, actor: str) -> TokenAct:
        return TokenAct(actor=actor, at=self._context.now())


def _optional_email(value: str | None) -> str | None:
    """Empty means none: an agent need not have a user."""
    return valid.email(value) if value else None
