"""The ledger's tables: accounts, grants, holds, entries, operations; calls, their legs and their totals; nodes.

All minutes are whole minutes, all instants UTC, all periods `YYYY-MM` of the company's time zone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

from callcontrol.database import UtcDateTime, metadata


def _company(*, nullable: bool = False) -> Column[int]:
    return Column("company_id", Integer, ForeignKey("companies.id"), nullable=nullable)


accounts = Table(
    "accounts",
    metadata,
    # Goes with a company that never had a minute: looking at its usage has made the row, its ledger has no entry.
    Column("company_id", Integer, ForeignKey("companies.id", ondelete="CASCADE"), primary_key=True),
    Column("held", Integer, nullable=False),
    Column("next_seq", Integer, nullable=False),
    Column("renewed_through", Text),
    Column("overdrawn", Integer, nullable=False, server_default="0"),
    Column("overdraft_limit", Integer, nullable=False, server_default="0"),
    Column("totals_zone", Text),
    Column("totals_from", Text),
    CheckConstraint("held >= 0", name="held"),
    CheckConstraint("overdrawn >= 0", name="overdrawn"),
    CheckConstraint("overdraft_limit >= 0", name="overdraft_limit"),
    CheckConstraint("next_seq >= 1", name="next_seq"),
    CheckConstraint("(totals_zone IS NULL) = (totals_from IS NULL)", name="totals"),
)
"""A company's row, made at its first use: who changes anything of a company's minutes locks it first.

`renewed_through`: the last month whose monthly grant exists. `overdrawn`: what is not paid back of all overdrafts;
`overdraft_limit`: that of the policy in force (D4).
`totals_zone`: the zone whose days `day_totals` has, and `totals_from` the first of them: every later day is counted
there, no earlier one (totals.py).
"""

plan_versions = Table(
    "plan_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("from_period", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("operation_key", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("operation_key"),
    CheckConstraint("minutes >= 0", name="minutes"),
    Index(None, "company_id"),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("limit_minutes", Integer, nullable=False),
    Column("from_seq", Integer, nullable=False),
    Column("after_trail", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("operation_key", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("operation_key"),
    CheckConstraint("limit_minutes >= 0", name="limit_minutes"),
    Index(None, "company_id"),
)
"""What an exhausted pool does to calls in progress (D4), as it was ordered: `limit_minutes` may be overdrawn, 0 is the
policy `cut`. In force for the company's entries numbered `from_seq` and more, and for the lines of the hold trail after
`after_trail`, until the next version: clocks that step do not disturb that order."""

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("kind", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("granted", Integer, nullable=False),
    Column("posted", Integer, nullable=False),
    Column("repaid", Integer, nullable=False, server_default="0"),
    Column("source_ref", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("company_id", "source_ref"),
    CheckConstraint("kind IN ('monthly', 'courtesy', 'addon', 'overdraft')", name="kind"),
    CheckConstraint("posted >= 0 AND posted <= granted", name="posted"),
    CheckConstraint("repaid >= 0 AND repaid <= posted", name="repaid"),
    CheckConstraint("repaid = 0 OR kind = 'overdraft'", name="repaid_overdraft"),
    Index(
        "uq_grants_one_per_period",
        "company_id",
        "kind",
        "period",
        unique=True,
        sqlite_where=text("kind IN ('monthly', 'overdraft')"),
        postgresql_where=text("kind IN ('monthly', 'overdraft')"),
    ),
    Index(
        "ix_grants_unposted",
        "company_id",
        sqlite_where=text("posted < granted"),
        postgresql_where=text("posted < granted"),
    ),
)
"""Where minutes come from. `posted`, `granted` (a pool raised, an overdraft, an order withdrawn) and `repaid` change,
each by an entry; nothing else does. `repaid`: what of an overdraft's posted minutes add-ons have paid back (D4).

`period`: the month of a monthly grant, or of overdrawn calls; for the others the month they were given in.
"""

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    _company(nullable=True),
    Column("agent_id", Integer),
    Column("user_id", Integer),
    Column("node", Text, nullable=False),
    Column("sip_username", Text, nullable=False),
    Column("agent_channel", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("number", Text),
    Column("dial_string", Text),
    Column("trunk", Text),
    Column("caller_id", Text),
    Column("billable", Boolean, nullable=False),
    Column("max_call_s", Integer),
    Column("time_zone", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("rang_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("listed_at", UtcDateTime, nullable=False),
    Column("disposition", Text),
    Column("reason", Text),
    Column("q850", Integer),
    Column("sip_code", Integer),
    Column("billsec", Integer, nullable=False),
    Column("billed_minutes", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("refunded_minutes", Integer, nullable=False, server_default="0"),
    Column("clock_step_s", Double, nullable=False, server_default="0"),
    CheckConstraint("billsec >= 0 AND billed_minutes >= 0", name="billed"),
    CheckConstraint("refunded_minutes BETWEEN 0 AND billed_minutes", name="refunded"),
    CheckConstraint("(disposition IS NULL) = (ended_at IS NULL)", name="closed"),
    Index(None, "company_id", "listed_at", "call_id"),
    Index(
        "ix_calls_open",
        "node",
        sqlite_where=text("disposition IS NULL"),
        postgresql_where=text("disposition IS NULL"),
    ),
)
"""Calls, and from their end on (`disposition`) their CDR. `listed_at`: the instant a call is listed by, R8: its answer,
else its start. The terms are those decided before dialling, so that an open call can be taken up after a crash; a call
refused before it was dialled has none. Agents and users are named by id without a reference: the CDR outlives them."""

legs = Table(
    "legs",
    metadata,
    Column("leg_id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("calls.call_id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("billsec", Integer, nullable=False),
    Column("billed_minutes", Integer, nullable=False),
    Column("outcome", Text),
    Column("period", Text),
    CheckConstraint("billsec >= 0 AND billed_minutes >= 0", name="billed"),
    CheckConstraint("outcome IN ('posted', 'voided')", name="outcome"),
    Index(None, "call_id"),
)
"""The called parties' legs: what is billed, each rounded by itself (R7, D8). `outcome`: null while it is open.
`period`: the month a billed leg belongs to (D2), as its settlement decided it."""

holds = Table(
    "holds",
    metadata,
    Column("leg_id", Text, ForeignKey("legs.leg_id"), nullable=False),
    Column("period", Text, nullable=False),
    _company(),
    Column("minutes", Integer, nullable=False),
    PrimaryKeyConstraint("leg_id", "period"),
    CheckConstraint("minutes > 0", name="minutes"),
    Index(None, "company_id"),
)
"""The open claims, by the month they are of. A leg has two only if it was answered after midnight of day 1 in a month
that had nothing to move its first minute to."""

hold_trail = Table(
    "hold_trail",
    metadata,
    # Several for each call, for ever: more than 32 bits where the type decides.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _company(),
    Column("leg_id", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("operation_key", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("minutes <> 0", name="minutes"),
    Index(None, "leg_id"),
)
"""Append-only: every minute held (+) and released (-), with the operation that did it."""

entries = Table(
    "entries",
    metadata,
    _company(),
    Column("seq", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("grant_id", Integer, ForeignKey("grants.id"), nullable=False),
    Column("call_id", Text, ForeignKey("calls.call_id")),
    Column("leg_id", Text, ForeignKey("legs.leg_id")),
    Column("operation_key", Text, nullable=False),
    Column("mirrors", Integer),
    PrimaryKeyConstraint("company_id", "seq"),
    ForeignKeyConstraint(["company_id", "mirrors"], ["entries.company_id", "entries.seq"]),
    CheckConstraint(
        "kind IN ('grant', 'raise', 'overdraft', 'grace', 'post', 'refund', 'courtesy', 'repay', 'repaid', 'withdraw')",
        name="kind",
    ),
    CheckConstraint("(mirrors IS NULL) = (kind NOT IN ('refund', 'courtesy', 'withdraw'))", name="mirrors"),
    CheckConstraint("minutes >= 0", name="minutes"),
    CheckConstraint("seq >= 1", name="seq"),
    Index(None, "call_id"),
)
"""The ledger itself, append-only, numbered per company without gaps.

`grant`, `raise` (a plan up), `overdraft` (minutes that nothing was left for, within the company's limit, D4) and
`grace` (beyond it, D5) add to what a grant has; `post` takes from it. The next add-on pays an overdraft back: `repay`
takes from the add-on, `repaid` says so on the overdraft. A line that `mirrors` another (by its number) takes minutes of
that one back: `refund` gives them to the grant they were taken from, `courtesy` to a courtesy grant because their month
is over (D9), `withdraw` takes a wrong order's minutes out of its grant.
"""


def _counts() -> list[SchemaItem]:
    return [
        Column("connected", Integer, nullable=False),
        Column("not_connected", Integer, nullable=False),
        Column("refused", Integer, nullable=False),
        Column("billsec", Integer, nullable=False),
        Column("billed_minutes", Integer, nullable=False),
        Column("refunded_minutes", Integer, nullable=False),
        CheckConstraint("connected >= 0 AND not_connected >= 0 AND refused >= 0", name="calls"),
        CheckConstraint("billsec >= 0 AND refunded_minutes BETWEEN 0 AND billed_minutes", name="minutes"),
    ]


day_totals = Table(
    "day_totals",
    metadata,
    _company(),
    Column("day", Text, nullable=False),
    Column("direction", Text, nullable=False),
    *_counts(),
    PrimaryKeyConstraint("company_id", "day", "direction"),
    sqlite_with_rowid=False,
)
"""What the reports of a period add up (R8): closed calls by the company's day, so that a month of a million calls
answers like one of ten thousand. Counted in the transaction that closes or refunds a call."""

user_day_totals = Table(
    "user_day_totals",
    metadata,
    _company(),
    Column("day", Text, nullable=False),
    Column("user_id", Integer, nullable=False),
    Column("agent_id", Integer, nullable=False),
    Column("direction", Text, nullable=False),
    *_counts(),
    PrimaryKeyConstraint("company_id", "day", "user_id", "agent_id", "direction"),
    sqlite_with_rowid=False,
)
"""The same by who called. `user_id`, `agent_id`: 0 where the call has none."""

adjustments = Table(
    "adjustments",
    metadata,
    Column("operation_key", Text, primary_key=True),
    _company(),
    Column("call_id", Text, ForeignKey("calls.call_id")),
    Column("period", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("minutes > 0", name="minutes"),
    Index(None, "call_id"),
)
"""Refunds of a call (D9), and without a call courtesies and corrections of orders: who asked for them, and why: free
text, so it is here and not in the entries. `period`: the company's month in which it was made, which decides where the
minutes of a refund go."""

operations = Table(
    "operations",
    metadata,
    Column("key", Text, primary_key=True),
    Column("identity_hash", Text, nullable=False),
    Column("result", Text),
    Column("at", UtcDateTime, nullable=False),
)
"""What has been done, by a key that a repetition has again; `result` is null only inside the transaction."""

nodes = Table(
    "nodes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("alive_at", UtcDateTime, nullable=False),
    Column("asterisk_started_at", UtcDateTime),
    Column("boot_id", Text),
    Column("clock_offset_s", Double),
)
"""The last sign of life of each daemon, and its wall minus its boot clock then (D10)."""
