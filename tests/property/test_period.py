"""Months in every time zone (R3): they follow each other without gap or overlap, and day 1 is where they begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.minutes import Period, period_of

ZONES = sorted(available_timezones())
MICROSECOND = timedelta(microseconds=1)
zones = st.sampled_from(ZONES).map(ZoneInfo)
periods = st.builds(Period, st.integers(1975, 2099), st.integers(1, 12))
instants = st.integers(
    int(datetime(1975, 1, 2, tzinfo=UTC).timestamp()), int(datetime(2099, 12, 30, tzinfo=UTC).timestamp())
).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(zones, periods)
def test_months_follow_each_other_without_gap_or_overlap(zone: ZoneInfo, period: Period) -> None:
    assert period.starts_at(zone) < period.ends_at(zone) == period.next().starts_at(zone)
    assert period_of(period.starts_at(zone), zone) == period
    assert period_of(period.ends_at(zone) - MICROSECOND, zone) == period


@given(zones, instants)
def test_every_instant_is_in_exactly_one_month(zone: ZoneInfo, instant: datetime) -> None:
    period = period_of(instant, zone)
    assert period.starts_at(zone) <= instant < period.ends_at(zone)


@pytest.mark.parametrize("first_year", [2009, 2020, 2024, 2028, 2032, 2036])
def test_every_month_of_every_zone(first_year: int) -> None:
    """2009 (clocks went back over a midnight of day 1) and 2020-2036: the first instant whose local date is day 1
    begins the month, the one before it is of the month before, and no instant is in two months or in none (R3)."""
    years = range(first_year, first_year + (1 if first_year in (2009, 2036) else 4))
    for name in ZONES:
        zone = ZoneInfo(name)
        start = Period(years[0], 1).starts_at(zone)
        for month in (Period(year, number) for year in years for number in range(1, 13)):
            local, before = start.astimezone(zone), (start - MICROSECOND).astimezone(zone)
            assert (local.year, local.month, local.day) == (month.year, month.month, 1), (name, month)
            assert before.month != month.month, (name, month)
            assert period_of(start, zone) == month == period_of(start + timedelta(days=27), zone), (name, month)
            end = month.ends_at(zone)
            assert period_of(end - MICROSECOND, zone) == month, (name, month)
            assert timedelta(days=27) < end - start < timedelta(days=32), (name, month)
            start = end


@given(periods)
def test_text_and_back(period: Period) -> None:
    assert Period.parse(str(period)) == period


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "26-01", "2026", "", "2026-11-01"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Period.parse(text)


def test_a_gap_at_midnight_of_day_one() -> None:
    """Paraguay, 1 October 2000: clocks went from 0:00 to 1:00."""
    zone = ZoneInfo("America/Asuncion")
    start = Period(2000, 10).starts_at(zone)
    assert start == datetime(2000, 10, 1, 4, 0, tzinfo=UTC)
    assert start.astimezone(zone).hour == 1
    assert period_of(start - MICROSECOND, zone) == Period(2000, 9)


def test_an_overlap_at_midnight_of_day_one() -> None:
    """Where midnight of day 1 happens twice, the month begins at the first."""
    zone = ZoneInfo("America/Havana")
    start = Period(2026, 11).starts_at(zone)
    assert start.astimezone(zone).fold == 0
    assert period_of(start, zone) == Period(2026, 11)


def test_clocks_that_go_back_over_midnight_of_day_one() -> None:
    """Newfoundland, 1 November 2009: at 0:01 it was 23:01 of 31 October again; November had begun."""
    zone = ZoneInfo("America/St_Johns")
    start = Period(2009, 11).starts_at(zone)
    again_october = start + timedelta(minutes=30)
    assert again_october.astimezone(zone).month == 10
    assert period_of(again_october, zone) == Period(2009, 11)
    assert period_of(start - MICROSECOND, zone) == Period(2009, 10)
