"""The ledger: accounts, plans, grants, holds, entries, operations; calls and legs; nodes; who owns the writes.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callcontrol.database import UtcDateTime
from callcontrol.migrations.append_only import forbid_changes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("entries", "hold_trail")


def upgrade() -> None:
    _create_tables()
    for table in _APPEND_ONLY:
        forbid_changes(table)


def _create_tables() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("alive_at", UtcDateTime(), nullable=False),
        sa.Column("asterisk_started_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_nodes")),
    )
    op.create_table(
        "operations",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("identity_hash", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_operations")),
    )
    op.create_table(
        "ownership",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ownership_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ownership")),
    )
    op.create_table(
        "accounts",
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("next_seq", sa.Integer(), nullable=False),
        sa.Column("renewed_through", sa.Text(), nullable=True),
        sa.CheckConstraint("held >= 0", name=op.f("ck_accounts_held")),
        sa.CheckConstraint("next_seq >= 1", name=op.f("ck_accounts_next_seq")),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_accounts_company_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("sip_username", sa.Text(), nullable=False),
        sa.Column("agent_channel", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("dial_string", sa.Text(), nullable=True),
        sa.Column("trunk", sa.Text(), nullable=True),
        sa.Column("caller_id", sa.Text(), nullable=True),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("max_call_s", sa.Integer(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("rang_at", UtcDateTime(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("listed_at", UtcDateTime(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("q850", sa.Integer(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("billsec", sa.Integer(), nullable=False),
        sa.Column("billed_minutes", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(disposition IS NULL) = (ended_at IS NULL)", name=op.f("ck_calls_closed")),
        sa.CheckConstraint("billsec >= 0 AND billed_minutes >= 0", name=op.f("ck_calls_billed")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_calls_company_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_calls")),
    )
    op.create_index(
        op.f("ix_calls_company_id_listed_at_call_id"), "calls", ["company_id", "listed_at", "call_id"], unique=False
    )
    op.create_index(
        "ix_calls_open",
        "calls",
        ["node"],
        unique=False,
        sqlite_where=sa.text("disposition IS NULL"),
        postgresql_where=sa.text("disposition IS NULL"),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("posted", sa.Integer(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('monthly', 'courtesy', 'addon', 'overdraft')", name=op.f("ck_grants_kind")),
        sa.CheckConstraint("posted >= 0 AND posted <= granted", name=op.f("ck_grants_posted")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_grants_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("company_id", "source_ref", name=op.f("uq_grants_company_id_source_ref")),
    )
    op.create_index(
        "ix_grants_unposted",
        "grants",
        ["company_id"],
        unique=False,
        sqlite_where=sa.text("posted < granted"),
        postgresql_where=sa.text("posted < granted"),
    )
    op.create_index(
        "uq_grants_one_per_period",
        "grants",
        ["company_id", "kind", "period"],
        unique=True,
        sqlite_where=sa.text("kind IN ('monthly', 'overdraft')"),
        postgresql_where=sa.text("kind IN ('monthly', 'overdraft')"),
    )
    op.create_table(
        "hold_trail",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("leg_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("minutes <> 0", name=op.f("ck_hold_trail_minutes")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_hold_trail_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold_trail")),
    )
    op.create_index(op.f("ix_hold_trail_leg_id"), "hold_trail", ["leg_id"], unique=False)
    op.create_table(
        "plan_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("from_period", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_plan_versions_minutes")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_plan_versions_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_versions")),
        sa.UniqueConstraint("operation_key", name=op.f("uq_plan_versions_operation_key")),
    )
    op.create_index(op.f("ix_plan_versions_company_id"), "plan_versions", ["company_id"], unique=False)
    op.create_table(
        "legs",
        sa.Column("leg_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("billsec", sa.Integer(), nullable=False),
        sa.Column("billed_minutes", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('posted', 'voided')", name=op.f("ck_legs_outcome")),
        sa.CheckConstraint("billsec >= 0 AND billed_minutes >= 0", name=op.f("ck_legs_billed")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_legs_call_id")),
        sa.PrimaryKeyConstraint("leg_id", name=op.f("pk_legs")),
    )
    op.create_index(op.f("ix_legs_call_id"), "legs", ["call_id"], unique=False)
    op.create_table(
        "entries",
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("leg_id", sa.Text(), nullable=True),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('grant', 'raise', 'grace', 'post')", name=op.f("ck_entries_kind")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_entries_minutes")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_entries_seq")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_entries_call_id")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_entries_company_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("fk_entries_grant_id")),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.leg_id"], name=op.f("fk_entries_leg_id")),
        sa.PrimaryKeyConstraint("company_id", "seq", name=op.f("pk_entries")),
    )
    op.create_index(op.f("ix_entries_call_id"), "entries", ["call_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("leg_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_holds_minutes")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_holds_company_id")),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.leg_id"], name=op.f("fk_holds_leg_id")),
        sa.PrimaryKeyConstraint("leg_id", "period", name=op.f("pk_holds")),
    )
    op.create_index(op.f("ix_holds_company_id"), "holds", ["company_id"], unique=False)
