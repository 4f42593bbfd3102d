"""The demo company, made as the command line makes it while no daemon runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callcontrol.cli import direct
from callcontrol.config import load_config
from callcontrol.engine.admin import commands as c
from lab.phone import PhoneAccount

COMPANY = "demo"
ORIGIN_NUMBER = "+551130003000"
POOL_MINUTES = 100
ADDON_MINUTES = 50

_ACTOR = "scripts/run"
"""Who made it, in the audit."""
_TONES = {"1001": 440, "1002": 550}
"""The voice of each softphone of the laboratory."""
_NAMES = {"1001": "Ana Souza", "1002": "Bruno Lima", "1003": "Carla Dias"}


@dataclass(frozen=True, slots=True)
class DemoCompany:
    phones: tuple[PhoneAccount, ...]
    """The laboratory's own softphones."""
    free: PhoneAccount
    """An account left for a softphone of whoever looks at the demo."""


async def make_company(config_file: Path) -> DemoCompany:
    """Database, company, trunk, plan, add-on, origin number and agents. Raises AdminError."""
    # Migrations block; Asterisk is being started meanwhile.
    return await asyncio.to_thread(asyncio.run, _make(config_file))


async def _make(config_file: Path) -> DemoCompany:
    config = load_config(config_file)
    await direct.migrate(config)
    async with direct.administration(config) as service:
        for command in (
            c.AddCompany(name="Empresa Demo", slug=COMPANY, area_code="11"),
            c.AddTrunk(name="carrier", endpoint="carrier", is_default=True),
            c.AddOriginNumber(company=COMPANY, number=ORIGIN_NUMBER),
            c.SetPlan(company=COMPANY, minutes=POOL_MINUTES, order_id="demo-plan"),
            c.AddAddon(company=COMPANY, minutes=ADDON_MINUTES, order_id="demo-addon"),
            *(c.AddAgent(company=COMPANY, extension=extension, name=name) for extension, name in _NAMES.items()),
        ):
            await service.execute(command, actor=_ACTOR)
        accounts = []
        for extension in _NAMES:
            shown: Any = await service.execute(c.ShowToken(company=COMPANY, extension=extension), actor=_ACTOR)
            accounts.append(PhoneAccount(shown["sip_username"], shown["token"], _TONES.get(extension, 660)))
    *phones, free = accounts
    return DemoCompany(tuple(phones), free)
