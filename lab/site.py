"""A whole installation on one machine: PBX, carrier, softphones, daemon, and a company with agents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from callcontrol.engine.admin import commands as c
from lab.carrier import CarrierInstance
from lab.daemon import DaemonProcess
from lab.pbx import PbxInstance
from lab.phone import Phone, PhoneAccount
from lab.prefix import AsteriskPrefix

COMPANY = "padaria"
ORIGIN = "+551130003000"


@dataclass(frozen=True, slots=True)
class Site:
    """Everything runs; agents are known to Asterisk, their phones registered."""

    pbx: PbxInstance
    carrier: CarrierInstance
    daemon: DaemonProcess

    def phone(self, extension: str) -> Phone:
        return self.carrier.phone(extension)

    async def add_company(self, minutes: int, slug: str = COMPANY, origin: str = ORIGIN) -> None:
        """A company with a plan and an origin number; `minutes` 0: no plan."""
        ask = self.daemon.ask
        await ask(c.AddCompany(name=slug.capitalize(), slug=slug, area_code="11"))
        await ask(c.AddOriginNumber(company=slug, number=origin))
        if minutes:
            await ask(c.SetPlan(company=slug, minutes=minutes, order_id=f"{slug}-plan"))

    async def add_agent(self, extension: str, company: str = COMPANY, tone_hz: int = 440) -> Phone:
        """An agent, and a softphone that is registered with the token the directory gave."""
        [phone] = await self.enrol(
            c.AddAgent(company=company, extension=extension, name=f"Agente {extension}"), tone_hz=tone_hz
        )
        return phone

    async def enrol(self, *agents: c.AddAgent, tone_hz: int = 440) -> list[Phone]:
        """Several at once: the phones register side by side."""
        accounts = []
        for agent in agents:
            added = await self.daemon.ask(agent)
            accounts.append(PhoneAccount(added["sip_username"], added["token"], tone_hz))
        await self.carrier.add_phones(accounts)
        await asyncio.gather(*(self.carrier.registered(account.username) for account in accounts))
        return [self.carrier.phone(account.username) for account in accounts]

    async def calls(self, company: str = COMPANY) -> list[dict[str, Any]]:
        """The call list, newest first."""
        page = await self.daemon.ask(c.ListCalls(company=company, limit=1000))
        listed: list[dict[str, Any]] = page["calls"]
        return listed

    async def usage(self, company: str = COMPANY) -> dict[str, Any]:
        usage: dict[str, Any] = await self.daemon.ask(c.ShowUsage(company=company))
        return usage


class SiteBuilder:
    """Starts a Site in `directory` and ends it again."""

    def __init__(
        self,
        prefix: AsteriskPrefix,
        directory: Path,
        *,
        minutes: int = 100,
        agents: Sequence[str] = ("1001",),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._minutes = minutes
        self._agents = agents
        carrier = CarrierInstance(prefix, directory / "carrier")
        pbx = PbxInstance(prefix, directory / "pbx", trunks={"carrier": carrier.sip_address})
        carrier.pbx_address = pbx.sip_address
        daemon = DaemonProcess(directory / "daemon", pbx, settings=settings, environment=environment)
        self.site = Site(pbx, carrier, daemon)

    async def __aenter__(self) -> Site:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self.site

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        site = self.site
        # In one piece: whatever fails, all of it has to be stopped.
        starting = site.pbx.start(), site.carrier.start(), site.daemon.prepare()
        results = await asyncio.gather(*starting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await site.daemon.start()
        await site.daemon.ask(c.AddTrunk(name="carrier", endpoint="carrier"))
        await site.add_company(self._minutes)
        await site.enrol(
            *(c.AddAgent(company=COMPANY, extension=agent, name=f"Agente {agent}") for agent in self._agents)
        )

    async def _stop(self) -> None:
        await self.site.daemon.stop()
        await self.site.carrier.stop()
        await self.site.pbx.stop()
