"""Commands about trunks, DIDs, origin numbers and contacts."""

from __future__ import annotations

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers, changes_of
from callcontrol.engine.admin.views import ContactView, DidView, OriginNumberView, Removed, TrunkView


class NumberCommands:
    def __init__(self, context: Context) -> None:
        self._store = context.store

    def handlers(self) -> Handlers:
        return {
            c.AddTrunk: self._add_trunk,
            c.ListTrunks: self._list_trunks,
            c.SetTrunk: self._set_trunk,
            c.RemoveTrunk: self._remove_trunk,
            c.AddDid: self._add_did,
            c.ListDids: self._list_dids,
            c.SetDid: self._set_did,
            c.RemoveDid: self._remove_did,
            c.AddOriginNumber: self._add_origin_number,
            c.ListOriginNumbers: self._list_origin_numbers,
            c.SetOriginNumber: self._set_origin_number,
            c.RemoveOriginNumber: self._remove_origin_number,
            c.AddContact: self._add_contact,
            c.ListContacts: self._list_contacts,
            c.SetContact: self._set_contact,
            c.RemoveContact: self._remove_contact,
        }

    async def _number(self, company: str, number: str, *, owned: bool) -> str:
        """As that company would dial it."""
        area_code = (await self._store.company(company)).area_code
        return valid.number(number, area_code, owned=owned)

    # trunks

    async def _add_trunk(self, command: c.AddTrunk, actor: str) -> TrunkView:
        return await self._store.add_trunk(
            TrunkView(
                name=valid.endpoint(command.name, "a trunk's name"),
                endpoint=valid.endpoint(command.endpoint, "a trunk's PJSIP endpoint"),
                number_format=valid.number_format(command.number_format),
                is_default=command.is_default,
            )
        )

    async def _list_trunks(self, command: c.ListTrunks, actor: str) -> list[TrunkView]:
        return await self._store.trunks()

    async def _set_trunk(self, command: c.SetTrunk, actor: str) -> TrunkView:
        changes = changes_of(
            command,
            endpoint=lambda value: valid.endpoint(value, "a trunk's PJSIP endpoint"),
            number_format=valid.number_format,
            is_default=valid.only_true,
        )
        return await self._store.change_trunk(command.name, changes)

    async def _remove_trunk(self, command: c.RemoveTrunk, actor: str) -> Removed:
        await self._store.remove_trunk(command.name)
        return Removed(removed=command.name)

    # DIDs

    async def _add_did(self, command: c.AddDid, actor: str) -> DidView:
        number = await self._number(command.company, command.number, owned=True)
        did = DidView(number=number, company=command.company, extension=command.extension)
        return await self._store.add_did(did)

    async def _list_dids(self, command: c.ListDids, actor: str) -> list[DidView]:
        return await self._store.dids(command.company)

    async def _set_did(self, command: c.SetDid, actor: str) -> DidView:
        number = valid.number(command.number, None, owned=True)
        return await self._store.change_did(number, command.extension)

    async def _remove_did(self, command: c.RemoveDid, actor: str) -> Removed:
        number = valid.number(command.number, None, owned=True)
        await self._store.remove_did(number)
        return Removed(removed=number)

    # origin numbers

    async def _add_origin_number(self, command: c.AddOriginNumber, actor: str) -> OriginNumberView:
        number = await self._number(command.company, command.number, owned=True)
        return await self._store.add_origin_number(
            OriginNumberView(company=command.company, number=number, is_current=command.make_current)
        )

    async def _list_origin_numbers(self, command: c.ListOriginNumbers, actor: str) -> list[OriginNumberView]:
        return await self._store.origin_numbers(command.company)

    async def _set_origin_number(self, command: c.SetOriginNumber, actor: str) -> OriginNumberView:
        number = await self._number(command.company, command.number, owned=True)
        return await self._store.choose_origin_number(command.company, number)

    async def _remove_origin_number(self, command: c.RemoveOriginNumber, actor: str) -> Removed:
        number = await self._number(command.company, command.number, owned=True)
        await self._store.remove_origin_number(command.company, number)
        return Removed(removed=number)

    # contacts

    async def _add_contact(self, command: c.AddContact, actor: str) -> ContactView:
        return await self._store.add_contact(
            ContactView(
                company=command.company,
                number=await self._number(command.company, command.number, owned=False),
                name=valid.text(command.name, "the contact's name"),
                contact_company=valid.text(command.contact_company, "the contact's company", empty=True),
            )
        )

    async def _list_contacts(self, command: c.ListContacts, actor: str) -> list[ContactView]:
        return await self._store.contacts(command.company)

    async def _set_contact(self, command: c.SetContact, actor: str) -> ContactView:
        number = await self._number(command.company, command.number, owned=False)
        changes = changes_of(
            command,
            name=lambda value: valid.text(value, "the contact's name"),
            contact_company=lambda value: valid.text(value, "the contact's company", empty=True),
        )
        return await self._store.change_contact(command.company, number, changes)

    async def _remove_contact(self, command: c.RemoveContact, actor: str) -> Removed:
        number = await self._number(command.company, command.number, owned=False)
        await self._store.remove_contact(command.company, number)
        return Removed(removed=number)
