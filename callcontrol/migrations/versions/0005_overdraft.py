"""Overdraft up to a limit and its repayment (D4), courtesies and corrections without a call.

The policy of an exhausted pool is the ledger's now, by orders with a limit. What `companies` said of it had no limit
and no effect yet: every company begins with `cut`.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callcontrol.database import UtcDateTime
from callcontrol.migrations.append_only import forbid_changes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KINDS = ("grant", "raise", "overdraft", "grace", "post", "refund", "courtesy", "repay", "repaid", "withdraw")


def upgrade() -> None:
    for column in ("overdrawn", "overdraft_limit"):
        op.execute(
            f"ALTER TABLE accounts ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0"
            f" CONSTRAINT ck_accounts_{column} CHECK ({column} >= 0)"
        )
    op.execute(
        "ALTER TABLE grants ADD COLUMN repaid INTEGER NOT NULL DEFAULT 0"
        " CONSTRAINT ck_grants_repaid CHECK (repaid >= 0 AND repaid <= posted)"
        " CONSTRAINT ck_grants_repaid_overdraft CHECK (repaid = 0 OR kind = 'overdraft')"
    )
    op.execute(
        "UPDATE accounts SET overdrawn = (SELECT coalesce(sum(g.posted), 0) FROM grants g"
        " WHERE g.company_id = accounts.company_id AND g.kind = 'overdraft')"
    )
    _create_policy_versions()
    _change_entries()
    with op.batch_alter_table("adjustments") as batch:
        batch.alter_column("call_id", existing_type=sa.Text(), nullable=True)
    _change_companies()


def _create_policy_versions() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("limit_minutes", sa.Integer(), nullable=False),
        sa.Column("from_seq", sa.Integer(), nullable=False),
        sa.Column("after_trail", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("limit_minutes >= 0", name=op.f("ck_policy_versions_limit_minutes")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_policy_versions_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_versions")),
        sa.UniqueConstraint("operation_key", name=op.f("uq_policy_versions_operation_key")),
    )
    op.create_index(op.f("ix_policy_versions_company_id"), "policy_versions", ["company_id"], unique=False)


def _change_entries() -> None:
    with op.batch_alter_table("entries", copy_from=_entries_of_0004()) as batch:
        for name, check in _checks_of(_KINDS, ("refund", "courtesy", "withdraw")).items():
            batch.drop_constraint(op.f(name), type_="check")
            batch.create_check_constraint(op.f(name), check)
    if op.get_bind().dialect.name == "sqlite":
        # SQLite changes a table's checks by making it anew, which loses its triggers (I6).
        forbid_changes("entries")


def _checks_of(kinds: tuple[str, ...], mirrors: tuple[str, ...]) -> dict[str, str]:
    return {
        "ck_entries_kind": f"kind IN {kinds}",
        "ck_entries_mirrors": f"(mirrors IS NULL) = (kind NOT IN {mirrors})",
    }


def _change_companies() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        # SQLite makes the table anew, and would forget the ids of companies that were removed: none is given twice.
        op.execute("CREATE TEMPORARY TABLE last_id AS SELECT seq FROM sqlite_sequence WHERE name = 'companies'")
    with op.batch_alter_table("companies", copy_from=_companies_of_0004()) as batch:
        batch.drop_constraint(op.f("ck_companies_exhaustion_policy"), type_="check")
        batch.drop_column("exhaustion_policy")
    if is_sqlite:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'companies'")
        op.execute("INSERT INTO sqlite_sequence (name, seq) SELECT 'companies', seq FROM last_id")
        op.execute("DROP TABLE last_id")


def _companies_of_0004() -> sa.Table:
    words = ("blocked", "bill_inbound", "auto_answer", "recording")
    return sa.Table(
        "companies",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("slug", "name", "time_zone", "area_code")),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_call_minutes", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in words[1:]),
        sa.Column("exhaustion_policy", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        *(sa.CheckConstraint(f"{name} IN (0, 1)", name=f"ck_companies_{name}") for name in words),
        sa.CheckConstraint("exhaustion_policy IN ('cut', 'finish')", name="ck_companies_exhaustion_policy"),
        sa.CheckConstraint("max_call_minutes > 0", name="ck_companies_max_call_minutes"),
        sa.PrimaryKeyConstraint("id", name="pk_companies"),
        sa.UniqueConstraint("slug", name="uq_companies_slug"),
        sqlite_autoincrement=True,
    )


def _entries_of_0004() -> sa.Table:
    """Told and not read: SQLite's checks cannot be read back."""
    checks = _checks_of(("grant", "raise", "grace", "post", "refund", "courtesy"), ("refund", "courtesy"))
    return sa.Table(
        "entries",
        sa.MetaData(),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("leg_id", sa.Text(), nullable=True),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("mirrors", sa.Integer(), nullable=True),
        *(sa.CheckConstraint(check, name=name) for name, check in checks.items()),
        sa.CheckConstraint("minutes >= 0", name="ck_entries_minutes"),
        sa.CheckConstraint("seq >= 1", name="ck_entries_seq"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_entries_call_id"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name="fk_entries_company_id"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_entries_grant_id"),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.leg_id"], name="fk_entries_leg_id"),
        sa.ForeignKeyConstraint(
            ["company_id", "mirrors"], ["entries.company_id", "entries.seq"], name="fk_entries_company_id_mirrors"
        ),
        sa.PrimaryKeyConstraint("company_id", "seq", name="pk_entries"),
        sa.Index("ix_entries_call_id", "call_id"),
    )
