"""Whole minutes (R7) and the months they belong to (R3)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, NewType
from zoneinfo import ZoneInfo

from callcontrol.domain.days import day_starts_at

Seconds = NewType("Seconds", int)
"""Whole seconds of talk (billsec): never fractions, never minutes."""

Minutes = NewType("Minutes", int)
"""Whole billed minutes, the ledger's only unit."""


def billsec(answered_at: datetime, ended_at: datetime, clock_step_s: float = 0.0) -> Seconds:
    """Seconds from answer to end, truncated, never negative. `clock_step_s`: by how much the wall clock was set in
    between (D10)."""
    talked = ended_at - answered_at - timedelta(seconds=clock_step_s)
    return Seconds(max(0, talked // timedelta(seconds=1)))


def billed_minutes(seconds: Seconds) -> Minutes:
    """R7 for an answered leg: rounded up to whole minutes, at least one."""
    return Minutes(max(1, -(-seconds // 60)))


_FEWEST_DAYS = 28
"""Of a month."""


class Period(NamedTuple):
    """A calendar month in the company's time zone."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Period:
        """`2026-11` -> Period; ValueError on anything else."""
        year, _, month = text.partition("-")
        period = Period(int(year), int(month))
        if not 1 <= period.month <= 12 or str(period) != text:
            raise ValueError(f"not a month: {text!r} (YYYY-MM)")
        return period

    def next(self) -> Period:
        return Period(self.year + self.month // 12, self.month % 12 + 1)

    def starts_at(self, zone: ZoneInfo) -> datetime:
        """The first instant, in UTC, whose local date is day 1: of two midnights the earlier, after a gap its end."""
        return day_starts_at(date(self.year, self.month, 1), zone)

    def ends_at(self, zone: ZoneInfo) -> datetime:
        """The first instant, in UTC, of the next period; also the renewal instant shown by R5."""
        return self.next().starts_at(zone)


def period_of(instant: datetime, zone: ZoneInfo) -> Period:
    """The period an instant belongs to (R3, R8): the one that has begun last.

    Where clocks go back over midnight of day 1, the local date is once more the last of the old month while the new
    one has begun: a month never begins twice.
    """
    local = instant.astimezone(zone)
    period = Period(local.year, local.month)
    if local.day < _FEWEST_DAYS:
        return period  # not a last day, so not one that is there once more
    return period.next() if instant >= period.ends_at(zone) else period
