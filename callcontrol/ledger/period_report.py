"""The totals of a period (R8): from the days that are counted, and for the others from the calls themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, func, select

from callcontrol.domain.days import ONE_DAY
from callcontrol.domain.minutes import Minutes
from callcontrol.engine.ports.reports import Days, Figures, PeriodReport, Totals, UserTotals
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.call_list import within
from callcontrol.ledger.people import agents, users
from callcontrol.ledger.tables import accounts, calls, day_totals, user_day_totals
from callcontrol.ledger.totals import COUNTED, COUNTS, WHO

_ACCOUNT = (
    select(companies.c.time_zone, accounts.c.totals_zone, accounts.c.totals_from, accounts.c.held)
    .outerjoin_from(companies, accounts, accounts.c.company_id == companies.c.id)
    .where(companies.c.id == bindparam("company"))
)
_USERS = select(users.c.id, users.c.name, users.c.email).where(users.c.company_id == bindparam("company"))
_AGENTS = select(agents.c.id, agents.c.name, agents.c.extension).where(agents.c.company_id == bindparam("company"))
# Those that run are few, and the index that has them is not by company: without the sum, SQLite would rather read all
# calls of the company.
_RUNNING = and_(calls.c.company_id + 0 == bindparam("company"), calls.c.disposition.is_(None))

Who = tuple[int, int]
"""User and agent, 0: none."""


@dataclass(frozen=True, slots=True)
class _Period:
    """Where the calls of the company's days are: counted by day, or not yet."""

    company_id: int
    days: Days
    zone: ZoneInfo
    counted_from: date | None
    """None: no day is counted."""

    def counted(self, table: Table) -> list[ColumnElement[bool]] | None:
        """Which days of the table; None: none."""
        first, last = self.days.first, self.days.last
        if self.counted_from is None or (last is not None and last < self.counted_from):
            return None
        since = self.counted_from if first is None else max(first, self.counted_from)
        conditions = [table.c.company_id == self.company_id, table.c.day >= since.isoformat()]
        return conditions if last is None else [*conditions, table.c.day <= last.isoformat()]

    def uncounted(self) -> list[ColumnElement[bool]] | None:
        """Which calls; None: none."""
        days = self.days
        if self.counted_from is not None:
            if days.first is not None and days.first >= self.counted_from:
                return None
            before = self.counted_from - ONE_DAY
            days = replace(days, last=before if days.last is None else min(before, days.last))
        closed = calls.c.disposition.is_not(None)
        return [calls.c.company_id == self.company_id, closed, *within(days, self.zone)]


def report(connection: Connection, company_id: int, days: Days, *, by_user: bool) -> PeriodReport:
    account = connection.execute(_ACCOUNT, {"company": company_id}).one_or_none()
    if account is None:
        return PeriodReport(Totals(), (), Minutes(0))
    zone = ZoneInfo(account.time_zone)
    current = account.totals_zone == account.time_zone
    period = _Period(company_id, days, zone, date.fromisoformat(account.totals_from) if current else None)
    held = Minutes(account.held or 0)
    if not by_user:
        return PeriodReport(_add_up(_rows(connection, period, day_totals)).get((0, 0), Totals()), (), held)
    found = _add_up(_rows(connection, period, user_day_totals))
    people = _named(connection, company_id, found)
    return PeriodReport(sum(found.values(), Totals()), tuple(people), held)


def _rows(connection: Connection, period: _Period, table: Table) -> Iterable[Any]:
    """Direction, user, agent and counts; of the calls that run, direction None and how many."""
    by_user = table is user_day_totals
    counted = period.counted(table)
    if counted is not None:
        who = [table.c.user_id, table.c.agent_id] if by_user else []
        sums = [func.sum(table.c[name]).label(name) for name in COUNTS]
        yield from connection.execute(
            select(table.c.direction, *who, *sums).where(*counted).group_by(table.c.direction, *who)
        )
    of_call = WHO if by_user else ()
    uncounted = period.uncounted()
    if uncounted is not None:
        yield from connection.execute(
            select(calls.c.direction, *of_call, *COUNTED).where(*uncounted).group_by(calls.c.direction, *of_call)
        )
    running = select(func.count().label("in_progress"), *of_call).where(_RUNNING, *within(period.days, period.zone))
    yield from connection.execute(running.group_by(*of_call) if by_user else running, {"company": period.company_id})


def _add_up(rows: Iterable[Any]) -> dict[Who, Totals]:
    found: dict[Who, Totals] = {}
    for row in rows:
        named = row._mapping
        who = (named.get("user_id", 0), named.get("agent_id", 0))
        # A user's calls are the user's, whichever agent made them.
        who = (who[0], 0) if who[0] else who
        found[who] = found.get(who, Totals()) + _totals(named)
    return found


def _totals(row: Any) -> Totals:
    if "in_progress" in row:
        return Totals(in_progress=row["in_progress"])
    figures = Figures(*(int(row[name]) for name in COUNTS))
    match row["direction"]:
        case "outbound":
            return Totals(outbound=figures)
        case "inbound":
            return Totals(inbound=figures)
        case _:
            return Totals(internal=figures)


def _named(connection: Connection, company_id: int, found: dict[Who, Totals]) -> list[UserTotals]:
    of = {"company": company_id}
    known_users = {row.id: row for row in connection.execute(_USERS, of)}
    known_agents = {row.id: row for row in connection.execute(_AGENTS, of)}
    people = []
    for (user_id, agent_id), totals in found.items():
        user, agent = known_users.get(user_id), known_agents.get(agent_id)
        people.append(
            UserTotals(
                user_id=user_id or None,
                agent_id=agent_id or None,
                name=user.name if user else agent.name if agent else None,
                email=user.email if user else None,
                extension=agent.extension if agent else None,
                totals=totals,
            )
        )
    return sorted(
        people,
        key=lambda person: (
            person.name is None,
            (person.name or "").casefold(),
            person.user_id or 0,
            person.agent_id or 0,
        ),
    )
