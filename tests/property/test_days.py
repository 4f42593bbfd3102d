"""Days in every time zone (R8, R9): they follow each other without gap or overlap, and begin where their date does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.days import ONE_DAY, day_of, day_starts_at
from callcontrol.domain.minutes import Period

ZONES = sorted(available_timezones())
MICROSECOND = timedelta(microseconds=1)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(1975, 1, 2), date(2099, 12, 30))
instants = st.integers(
    int(datetime(1975, 1, 3, tzinfo=UTC).timestamp()), int(datetime(2099, 12, 29, tzinfo=UTC).timestamp())
).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(zones, instants)
def test_every_instant_is_in_exactly_one_day(zone: ZoneInfo, instant: datetime) -> None:
    day = day_of(instant, zone)
    assert day_starts_at(day, zone) <= instant < day_starts_at(day + ONE_DAY, zone)


@given(zones, days)
def test_days_follow_each_other_and_begin_months(zone: ZoneInfo, day: date) -> None:
    start, end = day_starts_at(day, zone), day_starts_at(day + ONE_DAY, zone)
    assert start <= end
    if start < end:
        assert start.astimezone(zone).date() == day
        assert (start - MICROSECOND).astimezone(zone).date() < day
        assert day_of(start, zone) == day == day_of(end - MICROSECOND, zone)
    first = day.replace(day=1)
    assert day_starts_at(first, zone) == Period(day.year, day.month).starts_at(zone)


def _changes(zone: ZoneInfo, first: date, last: date) -> list[date]:
    """The days of this zone that are not 24 hours long, and those beside them."""
    found = []
    day = first
    while day <= last:
        if day_starts_at(day + ONE_DAY, zone) - day_starts_at(day, zone) != ONE_DAY:
            found += [day - ONE_DAY, day, day + ONE_DAY]
        day += ONE_DAY
    return found


@pytest.mark.parametrize("year", [2007, 2011, 2026])
def test_every_day_that_is_not_24_hours_long(year: int) -> None:
    """In every zone, minute by minute around each change of the clocks, what `day_of` says is what the date says, but
    for the second pass of an hour before midnight."""
    for name in ZONES:
        zone = ZoneInfo(name)
        for day in _changes(zone, date(year, 1, 2), date(year, 12, 30)):
            start, end = day_starts_at(day, zone), day_starts_at(day + ONE_DAY, zone)
            minute = start
            while minute < end:
                local = minute.astimezone(zone)
                assert day_of(minute, zone) == day, (name, minute)
                assert local.date() == day or (local.date() == day - ONE_DAY and minute - start < timedelta(hours=2))
                minute += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/Sao_Paulo", date(2026, 11, 22), "2026-11-22T03:00", 24),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),  # no midnight: the clock went 0:00 -> 1:00
        ("America/Sao_Paulo", date(2018, 2, 17), "2018-02-17T02:00", 24 + 1),  # 23:00-24:00 twice, before midnight
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00", 24),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30", 25),  # 0:01 -> 23:01 the day before
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30", 23.5),  # 23:30 -> 0:30: begins within the gap
        ("Asia/Kathmandu", date(2026, 11, 22), "2026-11-21T18:15", 24),
        ("Asia/Kolkata", date(2026, 11, 22), "2026-11-21T18:30", 24),
        ("Pacific/Chatham", date(2026, 11, 22), "2026-11-21T10:15", 24),
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", 24),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),  # skipped
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00", 24),
        ("Pacific/Kwajalein", date(1993, 8, 21), "1993-08-21T12:00", 0),  # skipped
    ],
)
def test_known_days(zone: str, day: date, start: str, hours: float) -> None:
    where = ZoneInfo(zone)
    starts_at = day_starts_at(day, where)
    assert starts_at == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert day_starts_at(day + ONE_DAY, where) - starts_at == timedelta(hours=hours)
