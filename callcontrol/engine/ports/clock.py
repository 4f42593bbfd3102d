"""The clock port, so that tests own time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall clock, UTC, aware."""

    def boot_s(self) -> float:
        """Seconds since the machine began, its sleep included; nobody can set this clock."""

    @property
    def boot_id(self) -> str:
        """Another one after every start of the machine."""

    def call_at(self, at: datetime, action: Callable[[], None]) -> Timer:
        """Run `action` in the loop at wall time `at` (converted once to monotonic time), at once if it is past."""
