"""The demo company, made with the command line an operator has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lab.daemon import DaemonProcess
from lab.phone import PhoneAccount

COMPANY = "demo"
ORIGIN_NUMBER = "1130003000"
POOL_MINUTES = 100
ADDON_MINUTES = 50

_TONES = {"1001": 440, "1002": 550}
"""The voice of each softphone of the laboratory."""
_NAMES = {"1001": "Ana Souza", "1002": "Bruno Lima", "1003": "Carla Dias"}


@dataclass(frozen=True, slots=True)
class DemoCompany:
    phones: tuple[PhoneAccount, ...]
    """The laboratory's own softphones."""
    free: PhoneAccount
    """An account left for a softphone of whoever looks at the demo."""


async def make_company(daemon: DaemonProcess) -> DemoCompany:
    """Company, trunk, plan, add-on, origin number and agents."""
    await asyncio.gather(
        daemon.command("company", "add", "Empresa Demo", "--slug", COMPANY, "--area-code", "11"),
        daemon.command("trunk", "add", "carrier", "--endpoint", "carrier", "--default"),
    )
    agents, *_ = await asyncio.gather(
        asyncio.gather(*(_agent(daemon, extension) for extension in _NAMES)),
        daemon.command("number", "add", COMPANY, ORIGIN_NUMBER),
        daemon.command("plan", "set", COMPANY, str(POOL_MINUTES), "--order", "demo-plan"),
        daemon.command("addon", "add", COMPANY, str(ADDON_MINUTES), "--order", "demo-addon"),
    )
    *phones, free = agents
    return DemoCompany(tuple(phones), free)


async def _agent(daemon: DaemonProcess, extension: str) -> PhoneAccount:
    added = await daemon.json("agent", "add", COMPANY, extension, "--name", _NAMES[extension])
    return PhoneAccount(added["sip_username"], added["token"], _TONES.get(extension, 660))
