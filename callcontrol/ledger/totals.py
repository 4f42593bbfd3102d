"""Calls counted by the company's day (R8), so that reports need not read them.

What is always true of a company's totals: they are of the days of one time zone (`accounts.totals_zone`); every closed
call of `accounts.totals_from` or a later day is counted, none of an earlier day. So a company that moves to another
zone begins anew after its last call, and `count_one_day` goes back through its calls day by day, beside the work.
Reports read the days that are not counted from the calls themselves, and are right at every moment of it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from callcontrol.database import UtcDateTime
from callcontrol.domain.causes import Disposition
from callcontrol.domain.days import ONE_DAY, day_of, day_starts_at
from callcontrol.domain.minutes import Minutes
from callcontrol.engine.ports.ledger import Cdr
from callcontrol.ledger.accounts import Account, companies, lock
from callcontrol.ledger.tables import accounts, calls, day_totals, user_day_totals

COUNTS = ("connected", "not_connected", "refused", "billsec", "billed_minutes", "refunded_minutes")
"""What is counted: calls by how they ended, whole seconds, minutes."""

_SINCE_EVER = date(2000, 1, 1)
"""Where the totals of a company without calls begin. Calls of an earlier clock are right all the same: not counted."""

_KEYS = ("company_id", "day", "direction")
_USER_KEYS = ("company_id", "day", "user_id", "agent_id", "direction")


def _add(table: str, keys: tuple[str, ...]) -> Any:
    columns = [*keys, *COUNTS]
    return text(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET"
        f" {', '.join(f'{name} = {table}.{name} + excluded.{name}' for name in COUNTS)}"
    )


_ADD = _add("day_totals", _KEYS)
_ADD_TO_USER = _add("user_day_totals", _USER_KEYS)
_REFUND = (
    update(day_totals)
    .where(
        day_totals.c.company_id == bindparam("company"),
        day_totals.c.day == bindparam("of_day"),
        day_totals.c.direction == bindparam("way"),
    )
    .values(refunded_minutes=day_totals.c.refunded_minutes + bindparam("back"))
)
_REFUND_OF_USER = (
    update(user_day_totals)
    .where(
        user_day_totals.c.company_id == bindparam("company"),
        user_day_totals.c.day == bindparam("of_day"),
        user_day_totals.c.user_id == bindparam("who"),
        user_day_totals.c.agent_id == bindparam("which"),
        user_day_totals.c.direction == bindparam("way"),
    )
    .values(refunded_minutes=user_day_totals.c.refunded_minutes + bindparam("back"))
)

_CLOSED = and_(calls.c.company_id == bindparam("company"), calls.c.disposition.is_not(None))
_LATEST = select(calls.c.listed_at).where(_CLOSED).order_by(calls.c.listed_at.desc(), calls.c.call_id.desc()).limit(1)
_LATEST_BEFORE = _LATEST.where(calls.c.listed_at < bindparam("before", type_=UtcDateTime))
_FORGET = tuple(
    delete(table).where(table.c.company_id == bindparam("company")) for table in (day_totals, user_day_totals)
)
_COUNTING = (
    select(companies.c.id, companies.c.time_zone, accounts.c.totals_zone, accounts.c.totals_from)
    .outerjoin_from(companies, accounts, accounts.c.company_id == companies.c.id)
    .order_by(companies.c.id)
)
_BEGIN_AT = (
    update(accounts)
    .where(accounts.c.company_id == bindparam("account"))
    .values(totals_zone=bindparam("zone"), totals_from=bindparam("since"))
)


def _sum_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


_ANSWERED = calls.c.disposition == Disposition.ANSWERED.value
_REFUSED = calls.c.disposition == Disposition.REFUSED.value
COUNTED = (
    _sum_if(_ANSWERED).label("connected"),
    _sum_if(~_ANSWERED & ~_REFUSED).label("not_connected"),
    _sum_if(_REFUSED).label("refused"),
    func.sum(calls.c.billsec).label("billsec"),
    func.sum(calls.c.billed_minutes).label("billed_minutes"),
    func.sum(calls.c.refunded_minutes).label("refunded_minutes"),
)
"""COUNTS, of calls: what `count` does one by one, for many at once."""
WHO = (func.coalesce(calls.c.user_id, 0).label("user_id"), func.coalesce(calls.c.agent_id, 0).label("agent_id"))
_DAY = cast(bindparam("of_day"), Text).label("day")
_COMPANY = cast(bindparam("company"), Integer).label("company_id")
CALLS_OF_DAY: Select[Any] = (
    select(_COMPANY, _DAY, *WHO, calls.c.direction, *COUNTED)
    .where(
        _CLOSED,
        calls.c.listed_at >= bindparam("starts", type_=UtcDateTime),
        calls.c.listed_at < bindparam("ends", type_=UtcDateTime),
    )
    .group_by(*WHO, calls.c.direction)
)
"""The totals of a day as its calls say."""
_COUNT_DAY = insert(user_day_totals).from_select([*_USER_KEYS, *COUNTS], CALLS_OF_DAY)
_ADD_UP_DAY = insert(day_totals).from_select(
    [*_KEYS, *COUNTS],
    select(
        user_day_totals.c.company_id,
        user_day_totals.c.day,
        user_day_totals.c.direction,
        *(func.sum(user_day_totals.c[name]) for name in COUNTS),
    )
    .where(user_day_totals.c.company_id == bindparam("company"), user_day_totals.c.day == bindparam("of_day"))
    .group_by(user_day_totals.c.company_id, user_day_totals.c.day, user_day_totals.c.direction),
)


def count(connection: Connection, account: Account, call: Any, listed_at: datetime, cdr: Cdr) -> None:
    """A call that is being closed, once. `call`: its user_id, agent_id and direction."""
    day = _counted_day(connection, account, listed_at)
    if day is None:
        return
    counts = {
        "company_id": account.company_id,
        "day": day,
        "direction": call.direction,
        "connected": int(cdr.disposition is Disposition.ANSWERED),
        "not_connected": int(cdr.disposition not in (Disposition.ANSWERED, Disposition.REFUSED)),
        "refused": int(cdr.disposition is Disposition.REFUSED),
        "billsec": cdr.billsec,
        "billed_minutes": cdr.billed_minutes,
        "refunded_minutes": 0,
    }
    connection.execute(_ADD, counts)
    connection.execute(_ADD_TO_USER, {**counts, "user_id": call.user_id or 0, "agent_id": call.agent_id or 0})


def refund(connection: Connection, account: Account, call: Any, minutes: Minutes) -> None:
    """Of a closed call: it stays in its day (R8). `call`: listed_at too."""
    day = _counted_day(connection, account, call.listed_at)
    if day is None:
        return
    of = {"company": account.company_id, "of_day": day, "way": call.direction, "back": minutes}
    connection.execute(_REFUND, of)
    connection.execute(_REFUND_OF_USER, {**of, "who": call.user_id or 0, "which": call.agent_id or 0})


def companies_to_count(connection: Connection) -> list[int]:
    """Those with calls of days that are not counted, or not of their present zone's days."""
    behind = []
    for row in connection.execute(_COUNTING).all():
        of, latest = {"company": row.id}, _LATEST
        if row.totals_zone == row.time_zone:
            zone = ZoneInfo(row.time_zone)
            of, latest = {**of, "before": day_starts_at(date.fromisoformat(row.totals_from), zone)}, _LATEST_BEFORE
        if connection.execute(latest, of).scalar() is not None:
            behind.append(row.id)
    return behind


def count_one_day(connection: Connection, company_id: int) -> bool:
    """Count the latest day of a company that is not: whether there was one. Done twice, it goes on by two days."""
    account = lock(connection, company_id)
    _follow_zone(connection, account)
    assert account.totals_from is not None
    before = day_starts_at(date.fromisoformat(account.totals_from), account.zone)
    latest = connection.execute(_LATEST_BEFORE, {"company": account.company_id, "before": before}).scalar()
    if latest is None:
        return False
    day = day_of(latest, account.zone)
    of = {"company": account.company_id, "of_day": day.isoformat()}
    bounds = {"starts": day_starts_at(day, account.zone), "ends": day_starts_at(day + ONE_DAY, account.zone)}
    connection.execute(_COUNT_DAY, {**of, **bounds})
    connection.execute(_ADD_UP_DAY, of)
    _begin_at(connection, account, day)
    return True


def _counted_day(connection: Connection, account: Account, listed_at: datetime) -> str | None:
    """None: of a day that is counted later, from its calls."""
    _follow_zone(connection, account)
    day = day_of(listed_at, account.zone).isoformat()
    return day if account.totals_from is not None and day >= account.totals_from else None


def _follow_zone(connection: Connection, account: Account) -> None:
    """After a change of zone every day is another one: begin after the last call, with nothing counted."""
    if account.totals_zone == account.zone.key:
        return
    for forget in _FORGET:
        connection.execute(forget, {"company": account.company_id})
    latest = connection.execute(_LATEST, {"company": account.company_id}).scalar()
    _begin_at(connection, account, _SINCE_EVER if latest is None else day_of(latest, account.zone) + ONE_DAY)


def _begin_at(connection: Connection, account: Account, day: date) -> None:
    account.totals_zone, account.totals_from = account.zone.key, day.isoformat()
    connection.execute(
        _BEGIN_AT, {"account": account.company_id, "zone": account.totals_zone, "since": account.totals_from}
    )
