"""Commands about the destinations that a company may call (D14)."""

from __future__ import annotations

from callcontrol.domain.destinations import DestinationRule, judge
from callcontrol.domain.numbers import Destination, DestinationKind, UndiallableNumber, normalise, without_separators
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers
from callcontrol.engine.admin.errors import invalid
from callcontrol.engine.admin.views import DestinationTestView, DestinationView, Removed


class DestinationCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def handlers(self) -> Handlers:
        return {
            c.AllowDestination: self._allow,
            c.DenyDestination: self._deny,
            c.RemoveDestination: self._remove,
            c.ListDestinations: self._list,
            c.TestDestination: self._test,
        }

    async def _allow(self, command: c.AllowDestination, actor: str) -> DestinationView:
        return await self._set(command.company, command.prefix, True, actor)

    async def _deny(self, command: c.DenyDestination, actor: str) -> DestinationView:
        return await self._set(command.company, command.prefix, False, actor)

    async def _remove(self, command: c.RemoveDestination, actor: str) -> Removed:
        # Not `valid.prefix`: a rule must go even where a new release or setting would not take it any more.
        prefix = without_separators(command.prefix)
        await self._store.remove_destination(command.company, prefix)
        return Removed(removed=prefix)

    async def _list(self, command: c.ListDestinations, actor: str) -> list[DestinationView]:
        return await self._store.destinations(command.company)

    async def _test(self, command: c.TestDestination, actor: str) -> DestinationTestView:
        company = await self._store.company(command.company)
        extensions = {agent.extension for agent in await self._store.agents(command.company)}
        try:
            destination = normalise(
                command.number,
                area_code=company.area_code,
                emergency_codes=self._context.emergency_codes,
                extensions=extensions,
            )
        except UndiallableNumber:
            raise invalid(f"{command.number!r} is no telephone number") from None
        stored = await self._store.destinations(command.company)
        verdict = judge(destination, [DestinationRule(rule.prefix, rule.allowed) for rule in stored])
        return DestinationTestView(
            number=destination.number,
            kind=destination.kind,
            allowed=verdict.allowed,
            prefix=verdict.rule.prefix if verdict.rule else None,
            why=_why(destination, verdict.rule),
        )

    async def _set(self, company: str, written: str, allowed: bool, actor: str) -> DestinationView:
        prefix = valid.prefix(written, self._context.emergency_codes)
        rule = DestinationRule(prefix, allowed)
        return await self._store.set_destination(company, rule, self._context.now(), actor)


def _why(destination: Destination, rule: DestinationRule | None) -> str:
    if destination.kind is DestinationKind.EMERGENCY:
        return "an emergency or public-service code always passes (D16)"
    if destination.kind is DestinationKind.EXTENSION:
        return "an internal call always passes"
    if rule is None:
        return f"no rule of the company's: the default for {destination.kind.replace('_', '-')} numbers"
    return f"the rule: {'allow' if rule.allowed else 'deny'} {rule.prefix}"
