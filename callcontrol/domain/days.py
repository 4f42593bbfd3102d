"""Days of a company: which instants are in which, in every time zone (R8, R9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_A_SECOND = timedelta(seconds=1)
ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def day_starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, whose local date is `day`.

    Of two midnights (clocks go back over it) the earlier one. Where clocks skip midnight, the instant after the gap.
    A date that the zone skips altogether (Samoa, 30 December 2011) starts when the next one does: no instant is in it.
    """
    midnight = datetime.combine(day, time(), tzinfo=zone)
    start = midnight.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return start
    # In a gap: `start` is midnight by the offset before it, and so as late as the gap's end or later; by the offset
    # after it, midnight is before the gap. Between the two is the first instant of the date.
    before = midnight.replace(fold=1).astimezone(UTC)
    while start - before > _A_SECOND:
        middle = before + (start - before) // _A_SECOND // 2 * _A_SECOND
        if middle.astimezone(zone).date() < day:
            before = middle
        else:
            start = middle
    return start


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The day an instant is in: the one that has begun last.

    Where clocks go back over midnight, the local date is once more the old one while the new day has begun: a day
    never begins twice. Like months (`minutes.period_of`).
    """
    day = instant.astimezone(zone).date()
    following = day + ONE_DAY
    return following if instant >= day_starts_at(following, zone) else day
