"""Refunds: lines that mirror earlier lines, who asked for them and why; the month a settled leg belongs to.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callcontrol.database import UtcDateTime
from callcontrol.migrations.append_only import forbid_changes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change_entries()
    op.execute(
        "ALTER TABLE calls ADD COLUMN refunded_minutes INTEGER NOT NULL DEFAULT 0"
        " CONSTRAINT ck_calls_refunded CHECK (refunded_minutes BETWEEN 0 AND billed_minutes)"
    )
    op.add_column("legs", sa.Column("period", sa.Text(), nullable=True))
    op.create_table(
        "adjustments",
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_adjustments_minutes")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_adjustments_call_id")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_adjustments_company_id")),
        sa.PrimaryKeyConstraint("operation_key", name=op.f("pk_adjustments")),
    )
    op.create_index(op.f("ix_adjustments_call_id"), "adjustments", ["call_id"], unique=False)


def _change_entries() -> None:
    with op.batch_alter_table("entries", copy_from=_entries_of_0002()) as batch:
        batch.drop_constraint(op.f("ck_entries_kind"), type_="check")
        batch.add_column(sa.Column("mirrors", sa.Integer(), nullable=True))
        batch.create_check_constraint(
            op.f("ck_entries_kind"), "kind IN ('grant', 'raise', 'grace', 'post', 'refund', 'courtesy')"
        )
        batch.create_check_constraint(
            op.f("ck_entries_mirrors"), "(mirrors IS NULL) = (kind NOT IN ('refund', 'courtesy'))"
        )
        batch.create_foreign_key(
            op.f("fk_entries_company_id_mirrors"), "entries", ["company_id", "mirrors"], ["company_id", "seq"]
        )
    if op.get_bind().dialect.name == "sqlite":
        # SQLite changes a table's checks by making it anew, which loses its triggers (I6).
        forbid_changes("entries")


def _entries_of_0002() -> sa.Table:
    """Told and not read: SQLite's checks cannot be read back."""
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
        sa.CheckConstraint("kind IN ('grant', 'raise', 'grace', 'post')", name="ck_entries_kind"),
        sa.CheckConstraint("minutes >= 0", name="ck_entries_minutes"),
        sa.CheckConstraint("seq >= 1", name="ck_entries_seq"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_entries_call_id"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name="fk_entries_company_id"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_entries_grant_id"),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.leg_id"], name="fk_entries_leg_id"),
        sa.PrimaryKeyConstraint("company_id", "seq", name="pk_entries"),
        sa.Index("ix_entries_call_id", "call_id"),
    )
