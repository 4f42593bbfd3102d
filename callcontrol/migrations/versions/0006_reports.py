"""For reports: calls counted by day, contacts as they are searched for.

Calls that are there already are counted afterwards, by `callcontrol migrate` or the daemon: reports are right before.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

from callcontrol.domain.searching import folded

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("totals_zone", sa.Text(), nullable=True))
    op.execute(
        "ALTER TABLE accounts ADD COLUMN totals_from TEXT"
        " CONSTRAINT ck_accounts_totals CHECK ((totals_zone IS NULL) = (totals_from IS NULL))"
    )
    _create("day_totals", [_text("day"), _text("direction")])
    _create("user_day_totals", [_text("day"), _integer("user_id"), _integer("agent_id"), _text("direction")])
    op.add_column("contacts", sa.Column("folded", sa.Text(), server_default="", nullable=False))
    _fold_contacts()


def _fold_contacts() -> None:
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT id, name, contact_company FROM contacts")).all()
    for contact in known:
        connection.execute(
            sa.text("UPDATE contacts SET folded = :folded WHERE id = :id"),
            {"id": contact.id, "folded": folded(f"{contact.name} {contact.contact_company}")},
        )


def _create(table: str, keys: list[sa.Column[object]]) -> None:
    counts = ("connected", "not_connected", "refused", "billsec", "billed_minutes", "refunded_minutes")
    rest: list[SchemaItem] = [
        *(_integer(name) for name in counts),
        sa.CheckConstraint("connected >= 0 AND not_connected >= 0 AND refused >= 0", name=op.f(f"ck_{table}_calls")),
        sa.CheckConstraint(
            "billsec >= 0 AND refunded_minutes BETWEEN 0 AND billed_minutes", name=op.f(f"ck_{table}_minutes")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f(f"fk_{table}_company_id")),
        sa.PrimaryKeyConstraint("company_id", *(key.name for key in keys), name=op.f(f"pk_{table}")),
    ]
    op.create_table(table, _integer("company_id"), *keys, *rest, sqlite_with_rowid=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _integer(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)
