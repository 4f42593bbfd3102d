"""The real clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from callcontrol.engine.ports.clock import Timer

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """Wall time from the system, timers from the running event loop."""

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text().strip()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def call_at(self, at: datetime, action: Callable[[], None]) -> Timer:
        delay_s = (at - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), action)
