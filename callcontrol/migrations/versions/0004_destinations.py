"""Destinations by prefix (D14); what companies were allowed by kind becomes such rules.

Revision ID: 0004
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from callcontrol.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PREFIX_OF = {"international": "+", "premium": "0900"}
"""National numbers were allowed anyway: `+` adds the international ones and nothing else."""

_COMPANIES = sa.table("companies", sa.column("id", sa.Integer), sa.column("allowed_kinds", sa.JSON))


def upgrade() -> None:
    destinations = op.create_table(
        "destinations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(create_constraint=True, name="allowed"), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_destinations_company_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destinations")),
        sa.UniqueConstraint("company_id", "prefix", name=op.f("uq_destinations_company_id_prefix")),
    )
    assert destinations is not None
    at = datetime.now(UTC)
    rules = [
        {"company_id": row.id, "prefix": _PREFIX_OF[kind], "allowed": True, "changed_at": at, "changed_by": "migrate"}
        for row in op.get_bind().execute(sa.select(_COMPANIES))
        for kind in row.allowed_kinds
    ]
    op.bulk_insert(destinations, rules)
    op.execute("ALTER TABLE companies DROP COLUMN allowed_kinds")
