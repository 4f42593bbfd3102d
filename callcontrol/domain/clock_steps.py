"""D10: what tells that the wall clock was set, and which instants were read before that.

Wall clock minus boot clock never changes but by a step: whatever disciplines the clock gently moves both. What was
read of the two is evidence; when we read it, early or late, is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SMALLEST_STEP_S = 2.0
"""A step has to be larger than this to be taken out of a call."""
_UNEVEN = timedelta(seconds=1)
"""Asterisk's clock may be another machine's, and ours read a little before or after it."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Both clocks at one moment."""

    wall: datetime
    boot_s: float
    """Seconds since the machine began, its sleep included."""

    @property
    def offset_s(self) -> float:
        return self.wall.timestamp() - self.boot_s


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was set at some moment between two readings."""

    before: ClockReading
    after: ClockReading

    @property
    def size_s(self) -> float:
        """Forwards is positive. Whole milliseconds."""
        return round(self.after.offset_s - self.before.offset_s, 3)

    @property
    def old_clock_at_the_end(self) -> datetime:
        """What the clock would show at the second reading, had it not been set."""
        return self.after.wall - timedelta(seconds=self.size_s)

    def came_after(self, at: datetime, now: datetime) -> bool:
        """Whether the clock still was to be set when it showed `at`. `now`: how far it has come since.

        After a step forwards the two clocks show different times, and nothing in between. After one backwards a time
        may be shown twice: then it is the later one, as events come at once; but where nobody watched (from the
        first reading to the second), in doubt for whoever pays.
        """
        size = timedelta(seconds=self.size_s)
        watched_s = self.after.boot_s - self.before.boot_s
        if self.size_s > 0:
            gap_s = max(0.0, self.size_s - watched_s)
            return at < self.before.wall + size - timedelta(seconds=gap_s / 2)
        never_shown_after = at < self.before.wall + size - _UNEVEN or at > now + _UNEVEN
        return never_shown_after or self.before.wall <= at <= self.after.wall


def step_between(before: ClockReading, after: ClockReading) -> ClockStep | None:
    """None where the clocks went together, or nearly so."""
    step = ClockStep(before, after)
    return step if abs(step.size_s) > SMALLEST_STEP_S else None
