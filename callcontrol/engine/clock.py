"""The real clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from callcontrol.engine.ports.clock import Timer


class SystemClock:
    """Wall time from the system, timers from the running event loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, at: datetime, action: Callable[[], None]) -> Timer:
        delay_s = (at - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), action)
