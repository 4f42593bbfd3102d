"""`callcontrol doctor`: is everything around the daemon as it must be? It looks at the real thing where it can.

It may run beside a running daemon. In Asterisk it makes, and removes again, one channel that leads nowhere (to see it
in the CEL) and one set of PJSIP objects (to see that softphones can be pushed).
"""

from __future__ import annotations

import asyncio

from callcontrol.config import Config
from callcontrol.doctor import asterisk, local
from callcontrol.doctor.check import Check

__all__ = ["Check", "run_checks"]


async def run_checks(config: Config) -> list[Check]:
    """Every check, in the order in which things are best mended. Never raises for what it finds."""
    return [*await asyncio.to_thread(local.check_all, config), *await asterisk.check_all(config)]
