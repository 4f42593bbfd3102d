"""Steps of the wall clock: what they take out of a call, and what the next process sees one by (D10).

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("clock_step_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("nodes", sa.Column("boot_id", sa.Text(), nullable=True))
    op.add_column("nodes", sa.Column("clock_offset_s", sa.Double(), nullable=True))
