"""I12 of the totals by day: they count what the calls say, each call in its company's day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Text, and_, bindparam, column, func, select, text, values

from callcontrol.database import UtcDateTime
from callcontrol.domain.days import ONE_DAY, day_of, day_starts_at
from callcontrol.ledger.tables import accounts, calls, user_day_totals
from callcontrol.ledger.totals import COUNTED, COUNTS, WHO

_AT_ONCE = 366
"""Days in one query: SQLite allows 32,766 parameters, three for each."""

_COUNTING = (
    select(accounts.c.company_id, accounts.c.totals_zone, accounts.c.totals_from)
    .where(accounts.c.totals_zone.is_not(None))
    .order_by(accounts.c.company_id)
)
_CLOSED = and_(calls.c.company_id == bindparam("company"), calls.c.disposition.is_not(None))
_SPAN = select(func.min(calls.c.listed_at).label("first"), func.max(calls.c.listed_at).label("last")).where(
    _CLOSED, calls.c.listed_at >= bindparam("since", type_=UtcDateTime)
)
_COUNTED_DAYS = select(
    user_day_totals.c.day,
    user_day_totals.c.user_id,
    user_day_totals.c.agent_id,
    user_day_totals.c.direction,
    *(user_day_totals.c[name] for name in COUNTS),
).where(user_day_totals.c.company_id == bindparam("company"))
_BY_DIRECTION = ", ".join(f"sum({name}) AS {name}" for name in COUNTS)
_DIFFERENT = " OR ".join(f"d.{name} <> u.{name}" for name in COUNTS)
_SUMS = text(
    f"SELECT d.company_id, d.day, d.direction FROM day_totals d LEFT JOIN"
    f" (SELECT company_id, day, direction, {_BY_DIRECTION} FROM user_day_totals GROUP BY company_id, day, direction) u"
    f" ON u.company_id = d.company_id AND u.day = d.day AND u.direction = d.direction"
    f" WHERE (u.day IS NULL OR {_DIFFERENT}) AND (CAST(:company AS INTEGER) IS NULL OR d.company_id = :company)"
    f" UNION SELECT u.company_id, u.day, u.direction FROM user_day_totals u"
    f" WHERE (CAST(:company AS INTEGER) IS NULL OR u.company_id = :company) AND NOT EXISTS (SELECT 1 FROM day_totals d"
    f"  WHERE d.company_id = u.company_id AND d.day = u.day AND d.direction = u.direction)"
    f" ORDER BY 1, 2, 3"
)


def audit_totals(connection: Connection, scope: dict[str, int | None]) -> Iterator[str]:
    """What is wrong with the totals of a company, or of all: one line each."""
    for row in connection.execute(_SUMS, scope):
        yield f"I12: company {row.company_id}: the {row.direction} calls of {row.day} are not the sum of its users'"
    for account in connection.execute(_COUNTING).all():
        if scope["company"] in (None, account.company_id):
            yield from _audit_company(connection, account)


def _audit_company(connection: Connection, account: Any) -> Iterator[str]:
    counted = {row[:4]: tuple(row[4:]) for row in connection.execute(_COUNTED_DAYS, {"company": account.company_id})}
    there = _there(connection, account)
    for key in sorted(counted.keys() | there.keys()):
        if counted.get(key) != there.get(key):
            day, user_id, agent_id, direction = key
            yield (
                f"I12: company {account.company_id}: {direction} calls of {day} by user {user_id}, agent {agent_id}:"
                f" counted {_words(counted.get(key))}, by its calls {_words(there.get(key))}"
            )


def _there(connection: Connection, account: Any) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """What the calls say: day, user, agent and direction -> counts."""
    zone, since = ZoneInfo(account.totals_zone), date.fromisoformat(account.totals_from)
    of = {"company": account.company_id}
    span = connection.execute(_SPAN, {**of, "since": day_starts_at(since, zone)}).one()
    found: dict[tuple[Any, ...], tuple[int, ...]] = {}
    if span.first is None:
        return found
    day, last = day_of(span.first, zone), day_of(span.last, zone)
    while day <= last:
        end = min(day + ONE_DAY * _AT_ONCE, last + ONE_DAY)
        days = (
            values(column("day", Text), column("starts_at", UtcDateTime), column("ends_at", UtcDateTime), name="days")
            .data(_bounds(day, end, zone))
            .cte("days")
        )
        within = and_(_CLOSED, calls.c.listed_at >= days.c.starts_at, calls.c.listed_at < days.c.ends_at)
        query = (
            select(days.c.day, *WHO, calls.c.direction, *COUNTED)
            .select_from(days.join(calls, within))
            .group_by(days.c.day, *WHO, calls.c.direction)
        )
        found |= {row[:4]: tuple(map(int, row[4:])) for row in connection.execute(query, of)}
        day = end
    return found


def _bounds(first: date, end: date, zone: ZoneInfo) -> list[tuple[Any, ...]]:
    days = (first + ONE_DAY * number for number in range((end - first).days))
    return [(day.isoformat(), day_starts_at(day, zone), day_starts_at(day + ONE_DAY, zone)) for day in days]


def _words(counts: tuple[int, ...] | None) -> str:
    if counts is None:
        return "none"
    return ", ".join(f"{value} {name}" for name, value in zip(COUNTS, counts, strict=True) if value) or "nothing"
