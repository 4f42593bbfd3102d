"""The directory: companies, users, agents, trunks, numbers, contacts, and what goes with softphones.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callcontrol.database import UtcDateTime

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

_PRESENT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "companies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Boolean(create_constraint=True, name="blocked"), nullable=False),
        sa.Column("max_call_minutes", sa.Integer(), nullable=False),
        sa.Column("bill_inbound", sa.Boolean(create_constraint=True, name="bill_inbound"), nullable=False),
        sa.Column("auto_answer", sa.Boolean(create_constraint=True, name="auto_answer"), nullable=False),
        sa.Column("recording", sa.Boolean(create_constraint=True, name="recording"), nullable=False),
        sa.Column("exhaustion_policy", sa.Text(), nullable=False),
        sa.Column("allowed_kinds", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("exhaustion_policy IN ('cut', 'finish')", name=op.f("ck_companies_exhaustion_policy")),
        sa.CheckConstraint("max_call_minutes > 0", name=op.f("ck_companies_max_call_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
        sa.UniqueConstraint("slug", name=op.f("uq_companies_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "provisioned_softphones",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("sip_username", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", "sip_username", name=op.f("pk_provisioned_softphones")),
    )
    op.create_table(
        "token_showings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("company_slug", sa.Text(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("sip_username", sa.Text(), nullable=False),
        sa.CheckConstraint("occasion IN ('created', 'shown', 'rotated')", name=op.f("ck_token_showings_occasion")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_showings")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trunks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("number_format", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(create_constraint=True, name="is_default"), nullable=False),
        sa.CheckConstraint("number_format IN ('e164', 'digits', 'national')", name=op.f("ck_trunks_number_format")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trunks")),
        sa.UniqueConstraint("name", name=op.f("uq_trunks_name")),
    )
    op.create_index(
        "uq_trunks_one_default",
        "trunks",
        ["is_default"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "agents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("sip_username", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_encrypted", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_agents_company_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_agents_email_present",
        "agents",
        ["company_id", "email"],
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    op.create_index(
        "uq_agents_extension_present",
        "agents",
        ["company_id", "extension"],
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    op.create_index(
        "uq_agents_sip_username_present",
        "agents",
        ["sip_username"],
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("contact_company", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_contacts_company_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("company_id", "number", name=op.f("uq_contacts_company_id_number")),
    )
    op.create_table(
        "origin_numbers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("is_current", sa.Boolean(create_constraint=True, name="is_current"), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_origin_numbers_company_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_origin_numbers")),
        sa.UniqueConstraint("number", name=op.f("uq_origin_numbers_number")),
    )
    op.create_index(
        "uq_origin_numbers_one_current",
        "origin_numbers",
        ["company_id"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("rights", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(role = 'operator') = (company_id IS NULL)", name=op.f("ck_users_operator_has_no_company")),
        sa.CheckConstraint(
            "role IN ('operator', 'administrator', 'restricted', 'agent', 'follow_up_manager')",
            name=op.f("ck_users_role"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_users_company_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_users_email_present", "users", ["email"], unique=True, sqlite_where=_PRESENT, postgresql_where=_PRESENT
    )
    op.create_index(
        "uq_users_one_administrator",
        "users",
        ["company_id"],
        unique=True,
        sqlite_where=sa.text("role = 'administrator' AND removed_at IS NULL"),
        postgresql_where=sa.text("role = 'administrator' AND removed_at IS NULL"),
    )
    op.create_table(
        "dids",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_dids_agent_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_dids_company_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dids")),
        sa.UniqueConstraint("number", name=op.f("uq_dids_number")),
    )


def downgrade() -> None:
    for table in (
        "dids",
        "users",
        "origin_numbers",
        "contacts",
        "agents",
        "trunks",
        "token_showings",
        "provisioned_softphones",
        "companies",
    ):
        op.drop_table(table)
