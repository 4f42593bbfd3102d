"""Commands about companies."""

from __future__ import annotations

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers, changes_of
from callcontrol.engine.admin.store import NewCompany
from callcontrol.engine.admin.views import CompanyView, Removed


class CompanyCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def handlers(self) -> Handlers:
        return {
            c.AddCompany: self._add,
            c.ListCompanies: self._list,
            c.SetCompany: self._set,
            c.RemoveCompany: self._remove,
        }

    async def _add(self, command: c.AddCompany, actor: str) -> CompanyView:
        name = valid.text(command.name, "the company's name")
        new = NewCompany(
            slug=valid.slug_of(name) if command.slug is None else valid.slug(command.slug),
            name=name,
            time_zone=valid.time_zone(command.time_zone),
            area_code=valid.area_code(command.area_code),
            blocked=command.blocked,
            max_call_minutes=valid.max_call_minutes(command.max_call_minutes),
            bill_inbound=command.bill_inbound,
            auto_answer=command.auto_answer,
            recording=command.recording,
        )
        return await self._store.add_company(new, self._context.now())

    async def _list(self, command: c.ListCompanies, actor: str) -> list[CompanyView]:
        return await self._store.companies()

    async def _set(self, command: c.SetCompany, actor: str) -> CompanyView:
        changes = changes_of(
            command,
            name=lambda value: valid.text(value, "the company's name"),
            time_zone=valid.time_zone,
            area_code=valid.area_code,
            blocked=bool,
            max_call_minutes=valid.max_call_minutes,
            bill_inbound=bool,
            auto_answer=bool,
            recording=bool,
        )
        return await self._store.change_company(command.company, changes)

    async def _remove(self, command: c.RemoveCompany, actor: str) -> Removed:
        await self._store.remove_company(command.company)
        self._context.on_softphones_changed()
        return Removed(removed=command.company)
