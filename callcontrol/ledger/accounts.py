"""A company's account inside one transaction: its lock, its entries, its monthly grants, its open claims."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Integer, Text, bindparam, column, func, insert, select, table, text, update

from callcontrol.database import Group, prepared
from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.minutes import Minutes, Period, period_of
from callcontrol.domain.overdraft import allowance
from callcontrol.domain.plans import PlanVersion, plan_for
from callcontrol.ledger.tables import accounts, entries, grants, holds, plan_versions

# The directory's table, as far as the ledger knows it: adapters do not import each other.
companies = table("companies", column("id", Integer), column("time_zone", Text))

_LOCK = (
    select(
        accounts.c.held,
        accounts.c.next_seq,
        accounts.c.renewed_through,
        accounts.c.overdrawn,
        accounts.c.overdraft_limit,
        accounts.c.totals_zone,
        accounts.c.totals_from,
        companies.c.time_zone,
    )
    .join_from(accounts, companies, companies.c.id == accounts.c.company_id)
    .where(accounts.c.company_id == bindparam("company_id"))
    .with_for_update(of=accounts)
)
_OPEN = text(
    "INSERT INTO accounts (company_id, held, next_seq)"
    " SELECT id, 0, 1 FROM companies WHERE id = :company_id ON CONFLICT (company_id) DO NOTHING"
)
_SAVE = (
    update(accounts)
    .where(accounts.c.company_id == bindparam("account"))
    .values(
        held=bindparam("held"),
        next_seq=bindparam("next_seq"),
        renewed_through=bindparam("renewed_through"),
        overdrawn=bindparam("overdrawn"),
        overdraft_limit=bindparam("overdraft_limit"),
    )
)
_PLANS = (
    select(plan_versions.c.from_period, plan_versions.c.minutes)
    .where(plan_versions.c.company_id == bindparam("company_id"))
    .order_by(plan_versions.c.id)
)
_INSERT_GRANT = insert(grants).returning(grants.c.id)
_INSERT_ENTRY = insert(entries)
_UNPOSTED = select(
    grants.c.id, grants.c.kind, grants.c.period, (grants.c.granted - grants.c.posted).label("unposted")
).where(
    grants.c.company_id == bindparam("company_id"),
    grants.c.posted < grants.c.granted,
    (grants.c.kind != GrantKind.MONTHLY.value) | (grants.c.period >= bindparam("oldest")),
)
_CLAIMS = (
    select(holds.c.period, func.sum(holds.c.minutes).label("minutes"), func.count(holds.c.leg_id).label("legs"))
    .where(holds.c.company_id == bindparam("company_id"))
    .group_by(holds.c.period)
)


class UnknownCompany(Exception):
    """No such company in the directory."""


@dataclass(slots=True)
class Account:
    """A company's row, locked until the end of the transaction. `save` writes it back."""

    company_id: int
    zone: ZoneInfo
    held: int
    next_seq: int
    renewed_through: Period | None
    overdrawn: int
    """Overdraft that is not paid back."""
    overdraft_limit: int
    """Of the policy in force; 0: `cut` (D4)."""
    totals_zone: str | None
    totals_from: str | None

    def period_of(self, instant: datetime) -> Period:
        return period_of(instant, self.zone)

    @property
    def allowance(self) -> int:
        """Minutes that calls in progress may still overdraw (D4)."""
        return allowance(self.overdraft_limit, self.overdrawn)


def lock(connection: Connection, company_id: int) -> Account:
    """Insert, then lock: a row that does not exist yet cannot be locked. Raises UnknownCompany."""
    parameters = {"company_id": company_id}
    row = connection.execute(_LOCK, parameters).one_or_none()
    if row is None:
        connection.execute(_OPEN, parameters)
        row = connection.execute(_LOCK, parameters).one_or_none()
    if row is None:
        raise UnknownCompany(f"there is no company {company_id}")
    renewed = Period.parse(row.renewed_through) if row.renewed_through else None
    return Account(
        company_id,
        ZoneInfo(row.time_zone),
        row.held,
        row.next_seq,
        renewed,
        row.overdrawn,
        row.overdraft_limit,
        row.totals_zone,
        row.totals_from,
    )


def group(company_id: int | None) -> Group | None:
    """The company's operations, which go together and begin with its lock. None: an operation of no company's."""
    if company_id is None:
        return None

    def lead(connection: Connection) -> None:
        # Each operation locks for itself, and says then that there is no such company.
        with suppress(UnknownCompany):
            lock(prepared(connection), company_id)

    return Group(company_id, lead)


def save(connection: Connection, account: Account) -> None:
    connection.execute(
        _SAVE,
        {
            "account": account.company_id,
            "held": account.held,
            "next_seq": account.next_seq,
            "renewed_through": str(account.renewed_through) if account.renewed_through else None,
            "overdrawn": account.overdrawn,
            "overdraft_limit": account.overdraft_limit,
        },
    )


def add_entry(
    connection: Connection,
    account: Account,
    kind: str,
    minutes: int,
    *,
    grant_id: int,
    at: datetime,
    operation_key: str,
    call_id: str | None = None,
    leg_id: str | None = None,
    mirrors: int | None = None,
) -> None:
    """Append the company's next entry. `mirrors`: the number of the line whose minutes it takes back (D9)."""
    connection.execute(
        _INSERT_ENTRY,
        {
            "company_id": account.company_id,
            "seq": account.next_seq,
            "at": at,
            "kind": kind,
            "minutes": minutes,
            "grant_id": grant_id,
            "call_id": call_id,
            "leg_id": leg_id,
            "operation_key": operation_key,
            "mirrors": mirrors,
        },
    )
    account.next_seq += 1


def add_grant(
    connection: Connection,
    account: Account,
    kind: GrantKind,
    period: Period,
    minutes: int,
    *,
    at: datetime,
    source_ref: str,
) -> int:
    """A new grant, nothing of it posted, without its entry. Returns its id."""
    inserted = connection.execute(
        _INSERT_GRANT,
        {
            "company_id": account.company_id,
            "kind": kind.value,
            "period": str(period),
            "granted": minutes,
            "posted": 0,
            "source_ref": source_ref,
            "created_at": at,
        },
    )
    return int(inserted.scalar_one())


def plan_history(connection: Connection, company_id: int) -> list[PlanVersion]:
    rows = connection.execute(_PLANS, {"company_id": company_id})
    return [PlanVersion(Period.parse(row.from_period), Minutes(row.minutes)) for row in rows]


def renew(connection: Connection, account: Account, at: datetime) -> Period:
    """Make the monthly grants that are missing, idle months too, through the month of `at`; return that month.

    Each month gets the plan of its own time (R3). Never done by a timer: a daemon that is down at midnight of day 1
    renews nothing too late. Time never runs backwards: an old `at` after a renewal counts as the renewed month.
    """
    current = account.period_of(at)
    if account.renewed_through is not None and current <= account.renewed_through:
        return account.renewed_through
    versions = plan_history(connection, account.company_id)
    if not versions:
        return current
    month = account.renewed_through.next() if account.renewed_through else versions[0].from_period
    while month <= current:
        plan = plan_for(versions, month)
        assert plan is not None
        key = f"grant:monthly:{month}"
        grant_id = add_grant(connection, account, GrantKind.MONTHLY, month, plan.minutes, at=at, source_ref=key)
        add_entry(connection, account, "grant", plan.minutes, grant_id=grant_id, at=at, operation_key=key)
        account.renewed_through = month
        month = month.next()
    return current


@dataclass(frozen=True, slots=True)
class Claims:
    """All open claims of a company: minutes by month, and how many there are."""

    minutes: dict[Period, int]
    legs: int


def open_claims(connection: Connection, account: Account) -> Claims:
    rows = connection.execute(_CLAIMS, {"company_id": account.company_id}).all()
    return Claims({Period.parse(row.period): row.minutes for row in rows}, sum(row.legs for row in rows))


def unposted_grants(connection: Connection, account: Account, *, oldest: Period) -> list[Grant]:
    """Everything that has minutes left, but for the pools of months before `oldest`: those are lost (R3)."""
    rows = connection.execute(_UNPOSTED, {"company_id": account.company_id, "oldest": str(oldest)})
    return [Grant(row.id, GrantKind(row.kind), Period.parse(row.period), row.unposted) for row in rows]
