"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class VirtualTimer:
    def __init__(self, action: Callable[[], None], wall_at: datetime | None = None) -> None:
        self.action: Callable[[], None] | None = action
        self.wall_at = wall_at
        """Runs when the wall clock shows this, however it came to show it; None: after a time that no step changes."""

    def cancel(self) -> None:
        self.action = None


class VirtualClock:
    """Implements callcontrol.engine.ports.clock.Clock. Timers run in the order of their times, each at its own time."""

    boot_id = "virtual"

    def __init__(self, start: datetime = START) -> None:
        self._started = start
        """What the wall clock shows less what has passed: a step changes it."""
        self._passed = timedelta()
        self._order = itertools.count()
        self._timers: list[tuple[timedelta, int, VirtualTimer]] = []

    def now(self) -> datetime:
        return self._started + self._passed

    def boot_s(self) -> float:
        return self._passed.total_seconds()

    def step(self, seconds: float) -> None:
        """Set the wall clock, forwards or back; no time passes."""
        self._started += timedelta(seconds=seconds)
        self._timers = [
            (due if timer.wall_at is None else self._due(timer.wall_at), order, timer)
            for due, order, timer in self._timers
        ]
        heapq.heapify(self._timers)

    def call_at(self, at: datetime, action: Callable[[], None]) -> VirtualTimer:
        """A time that is past is now; it still runs only in `settle` or `advance`, never inside this call."""
        return self._push(at, VirtualTimer(action))

    def call_when_shown(self, at: datetime, action: Callable[[], None]) -> VirtualTimer:
        """The same by the wall clock: a step moves it nearer or farther."""
        return self._push(at, VirtualTimer(action, at))

    def call_in(self, seconds: float, action: Callable[[], None]) -> VirtualTimer:
        return self.call_at(self.now() + timedelta(seconds=seconds), action)

    async def advance(self, seconds: float) -> None:
        """Let that much time pass: before, after and between timers everything that can run has run."""
        end = self._passed + timedelta(seconds=seconds)
        while True:
            await idle()
            if not self._timers or self._timers[0][0] > end:
                break
            due, _, timer = heapq.heappop(self._timers)
            self._passed = max(self._passed, due)
            if timer.action is not None:
                timer.action()
        self._passed = end

    def _push(self, at: datetime, timer: VirtualTimer) -> VirtualTimer:
        heapq.heappush(self._timers, (self._due(at), next(self._order), timer))
        return timer

    def _due(self, at: datetime) -> timedelta:
        return max(at - self._started, self._passed)

    @property
    def next_at(self) -> datetime | None:
        """When the next timer is due; None: nothing waits for time."""
        while self._timers and self._timers[0][2].action is None:
            heapq.heappop(self._timers)
        return self._started + self._timers[0][0] if self._timers else None

    async def settle(self) -> None:
        """Run what is due now and all that follows from it, without letting time pass."""
        await self.advance(0)

    async def sleep(self, seconds: float) -> None:
        """Until a test has advanced that far."""
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_in(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()


async def idle() -> None:
    """Return when nothing in this event loop is ready to run (what waits for threads, sockets or timers is not)."""
    loop = asyncio.get_running_loop()
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(0)
        # asyncio has no public word for "nothing else is ready"; its own loops keep this queue.
        quiet = 0 if loop._ready else quiet + 1  # type: ignore[attr-defined]
