"""Watches the wall clock for steps (D10)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from callcontrol.domain.clock_steps import ClockReading, ClockStep, step_between
from callcontrol.engine.ports.clock import Clock
from callcontrol.engine.ports.ledger import NodeMark

SAMPLE_INTERVAL_S = 1.0
_SLOW_READ_S = 0.05
_TRIES = 3
_MOST_STEPS = 256
"""Of a clock that is set all the time, the oldest are forgotten; each was told to the calls when it came."""


class ClockWatch:
    """Compares wall clock and boot clock, every second and before every fact that reaches a call: so a call knows of a
    step before it judges an instant of the new clock."""

    def __init__(self, clock: Clock, on_step: Callable[[ClockStep], None]) -> None:
        self._clock = clock
        self._on_step = on_step
        self._steps: deque[ClockStep] = deque(maxlen=_MOST_STEPS)
        self._resumed = False
        self._last = self._read() or ClockReading(clock.now(), clock.boot_s())

    @property
    def boot_id(self) -> str:
        return self._clock.boot_id

    @property
    def offset_s(self) -> float:
        """Wall minus boot clock, as it was when last looked at: every step up to here has been told."""
        return self._last.offset_s

    @property
    def total_s(self) -> float:
        """All steps since this node's last mark before this process; what its stored calls do not know yet."""
        return sum(step.size_s for step in self._steps)

    def look(self) -> None:
        """Tell a step if there was one."""
        reading = self._read()
        if reading is None:
            return
        step = step_between(self._last, reading)
        self._last = reading
        if step is not None:
            self._steps.append(step)
            self._on_step(step)

    def resume(self, mark: NodeMark | None) -> None:
        """At the first reconciliation: compare with what the process before us saw last. Another boot's clock tells
        nothing. What came since our own start is part of it."""
        if self._resumed:
            return
        self._resumed = True
        if mark is None or mark.clock_offset_s is None or mark.boot_id != self.boot_id:
            return
        before = ClockReading(mark.alive_at, mark.alive_at.timestamp() - mark.clock_offset_s)
        step = step_between(before, self._last)
        self._steps.clear()
        if step is not None:
            self._steps.append(step)

    def since(self, at: datetime) -> float:
        """Seconds of all steps that came after this instant and before now, when we are told of it; nearly always 0."""
        total_s, now = 0.0, self._last.wall
        for step in reversed(self._steps):
            if not step.came_after(at, now):
                break
            total_s += step.size_s
            now = step.old_clock_at_the_end
        return total_s

    def earliest(self, at: datetime) -> datetime:
        """The earliest time that the wall clock may have shown for anything that came after `at`."""
        return at + timedelta(seconds=sum(min(0.0, step.size_s) for step in self._steps))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def _read(self) -> ClockReading | None:
        """Both clocks back to back. None if we were held up in between again and again: our lag is no evidence."""
        for _ in range(_TRIES):
            before_s = self._clock.boot_s()
            wall = self._clock.now()
            after_s = self._clock.boot_s()
            if after_s - before_s <= _SLOW_READ_S:
                return ClockReading(wall, (before_s + after_s) / 2)
        return None
