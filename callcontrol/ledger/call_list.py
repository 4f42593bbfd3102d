"""The call list (R10): pages by key, so that the last page of a million calls costs what the first one does."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select, tuple_

from callcontrol.database import UtcDateTime
from callcontrol.domain.days import ONE_DAY, day_starts_at
from callcontrol.domain.searching import folded, searched_digits
from callcontrol.domain.status import CallStatus, disposition_of
from callcontrol.engine.ports.reports import CallFilter, CallPage, Days, ListedCall, Place
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.people import agents, contacts, users
from callcontrol.ledger.reports import call_row
from callcontrol.ledger.tables import calls

EXAMINED = 10_000
"""Calls that one page looks at, at most, for those that are asked for: a search for what is rare answers in bounded
time, and goes on with the next page."""

_key_of_call = tuple_(calls.c.listed_at, calls.c.call_id)
_NEWEST_FIRST = (calls.c.listed_at.desc(), calls.c.call_id.desc())
_TIME_ZONE = select(companies.c.time_zone).where(companies.c.id == bindparam("company"))
_LISTED = (
    select(
        calls,
        func.coalesce(users.c.name, agents.c.name).label("user_name"),
        agents.c.extension,
        contacts.c.name.label("contact"),
        contacts.c.contact_company,
    )
    .outerjoin_from(calls, users, users.c.id == calls.c.user_id)
    .outerjoin(agents, agents.c.id == calls.c.agent_id)
    .outerjoin(contacts, and_(contacts.c.company_id == calls.c.company_id, contacts.c.number == calls.c.number))
)


def zone_of(connection: Connection, company_id: int) -> ZoneInfo | None:
    """None: there is no such company."""
    name = connection.execute(_TIME_ZONE, {"company": company_id}).scalar()
    return None if name is None else ZoneInfo(name)


def bounds(days: Days, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """From when on and before when calls of these days are listed (R8, R9)."""
    return (
        None if days.first is None else day_starts_at(days.first, zone),
        None if days.last is None else day_starts_at(days.last + ONE_DAY, zone),
    )


def within(days: Days, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """That a call is listed in the company's days."""
    since, before = bounds(days, zone)
    conditions = [] if since is None else [calls.c.listed_at >= since]
    return conditions if before is None else [*conditions, calls.c.listed_at < before]


def list_calls(connection: Connection, company_id: int, which: CallFilter, after: Place | None, limit: int) -> CallPage:
    """The page after `after`, or the first."""
    zone = zone_of(connection, company_id)
    if zone is None:
        return CallPage((), None)
    # One bound at each end: of two, SQLite would follow the wider one through the index.
    since, before = bounds(which.days, zone)
    among = [calls.c.company_id == company_id]
    if after is not None and (before is None or after.listed_at < before):
        among.append(_key_of_call < _key(after))
    elif before is not None:
        among.append(calls.c.listed_at < before)
    from_day = [] if since is None else [calls.c.listed_at >= since]
    wanted = _conditions(which)
    last: Place | None = None
    if wanted:
        # The last one looked at, and whether there is one after it.
        edge = connection.execute(_keys([*among, *from_day]).offset(EXAMINED - 1).limit(2)).all()
        if len(edge) == 2:
            last = _place(edge[0])
    among += from_day if last is None else [_key_of_call >= _key(last)]
    query = _LISTED.where(*among, *wanted).order_by(*_NEWEST_FIRST).limit(limit + 1)
    rows = connection.execute(query).all()
    # One more than asked for tells whether there is a next page.
    following = _place(rows[limit - 1]) if len(rows) > limit else last
    return CallPage(tuple(_listed(row) for row in rows[:limit]), following)


def _keys(among: list[ColumnElement[bool]]) -> Select[Any]:
    return select(calls.c.listed_at, calls.c.call_id).where(*among).order_by(*_NEWEST_FIRST)


def _key(place: Place) -> ColumnElement[Any]:
    return tuple_(
        bindparam(None, place.listed_at, type_=UtcDateTime), bindparam(None, place.call_id, type_=calls.c.call_id.type)
    )


def _place(row: Any) -> Place:
    return Place(row.listed_at, row.call_id)


def _conditions(which: CallFilter) -> list[ColumnElement[bool]]:
    """But for the days, which the index finds."""
    conditions: list[ColumnElement[bool]] = []
    if which.user_id is not None:
        conditions.append(calls.c.user_id == which.user_id)
    if which.agent_id is not None:
        conditions.append(calls.c.agent_id == which.agent_id)
    if which.direction is not None:
        conditions.append(calls.c.direction == which.direction)
    if which.statuses:
        conditions.append(or_(*map(_has_status, sorted(which.statuses))))
    if which.text:
        conditions.append(_has_text(which.text))
    return conditions


def _has_status(status: CallStatus) -> ColumnElement[bool]:
    disposition = disposition_of(status)
    if disposition is not None:
        return calls.c.disposition == disposition.value
    answered = calls.c.answered_at.is_not(None) if status is CallStatus.IN_CALL else calls.c.answered_at.is_(None)
    return and_(calls.c.disposition.is_(None), answered)


def _has_text(text: str) -> ColumnElement[bool]:
    found = [column.contains(folded(text), autoescape=True) for column in (contacts.c.folded, calls.c.dialled)]
    digits = searched_digits(text)
    if digits is not None:
        found += [column.contains(digits, autoescape=True) for column in (calls.c.number, calls.c.dialled)]
    return or_(*found)


def _listed(row: Any) -> ListedCall:
    return ListedCall(call_row(row), row.user_name, row.extension, row.contact, row.contact_company)
