"""The directory's tables. The words (slug, role, kind) are those of the rule book, kept by CHECK constraints.

Agents and users are marked as removed, never deleted: calls of the past still name them (R8, R10). So their
uniqueness holds among those that are not removed (partial indexes).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import Table as _Table

from callcontrol.database import UtcDateTime, metadata

_PRESENT = text("removed_at IS NULL")
_CURRENT = text("is_current")
_DEFAULT = text("is_default")
_ADMINISTRATOR = text("role = 'administrator' AND removed_at IS NULL")


def _company(nullable: bool = False) -> Column[int]:
    """Removing a company removes what belongs to it; the ledger's own reference forbids that where calls exist."""
    return Column("company_id", Integer, ForeignKey("companies.id", ondelete="CASCADE"), nullable=nullable)


companies = _Table(
    "companies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("area_code", Text, nullable=False),
    Column("blocked", Boolean(create_constraint=True, name="blocked"), nullable=False),
    Column("max_call_minutes", Integer, nullable=False),
    Column("bill_inbound", Boolean(create_constraint=True, name="bill_inbound"), nullable=False),
    Column("auto_answer", Boolean(create_constraint=True, name="auto_answer"), nullable=False),
    Column("recording", Boolean(create_constraint=True, name="recording"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("max_call_minutes > 0", name="max_call_minutes"),
    sqlite_autoincrement=True,
)

users = _Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(nullable=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("rights", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    CheckConstraint("role IN ('operator', 'administrator', 'restricted', 'agent', 'follow_up_manager')", name="role"),
    CheckConstraint("(role = 'operator') = (company_id IS NULL)", name="operator_has_no_company"),
    Index("uq_users_email_present", "email", unique=True, sqlite_where=_PRESENT, postgresql_where=_PRESENT),
    Index(
        "uq_users_one_administrator",
        "company_id",
        unique=True,
        sqlite_where=_ADMINISTRATOR,
        postgresql_where=_ADMINISTRATOR,
    ),
    sqlite_autoincrement=True,
)

agents = _Table(
    "agents",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("extension", Text, nullable=False),
    Column("sip_username", Text, nullable=False),
    Column("email", Text),
    Column("name", Text, nullable=False),
    Column("token_encrypted", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    Index(
        "uq_agents_extension_present",
        "company_id",
        "extension",
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    ),
    Index(
        "uq_agents_sip_username_present",
        "sip_username",
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    ),
    Index(
        "uq_agents_email_present",
        "company_id",
        "email",
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    ),
    sqlite_autoincrement=True,
)

trunks = _Table(
    "trunks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("endpoint", Text, nullable=False),
    Column("number_format", Text, nullable=False),
    Column("is_default", Boolean(create_constraint=True, name="is_default"), nullable=False),
    CheckConstraint("number_format IN ('e164', 'digits', 'national')", name="number_format"),
    Index("uq_trunks_one_default", "is_default", unique=True, sqlite_where=_DEFAULT, postgresql_where=_DEFAULT),
)

dids = _Table(
    "dids",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("number", Text, nullable=False, unique=True),
    Column("agent_id", Integer, ForeignKey("agents.id", ondelete="SET NULL")),
)

origin_numbers = _Table(
    "origin_numbers",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("number", Text, nullable=False, unique=True),
    Column("is_current", Boolean(create_constraint=True, name="is_current"), nullable=False),
    Index(
        "uq_origin_numbers_one_current",
        "company_id",
        unique=True,
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    ),
)

contacts = _Table(
    "contacts",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("contact_company", Text, nullable=False),
    Column("folded", Text, nullable=False, server_default=""),
    UniqueConstraint("company_id", "number"),
)
"""`folded`: the name and the contact's company as they are searched for, without accents and case."""

destinations = _Table(
    "destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    _company(),
    Column("prefix", Text, nullable=False),
    Column("allowed", Boolean(create_constraint=True, name="allowed"), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", Text, nullable=False),
    UniqueConstraint("company_id", "prefix"),
)

provisioned_softphones = _Table(
    "provisioned_softphones",
    metadata,
    Column("node", Text, primary_key=True),
    Column("sip_username", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
)

token_showings = _Table(
    "token_showings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    # Named, not referenced: the trail outlives its agent and company.
    Column("company_slug", Text, nullable=False),
    Column("extension", Text, nullable=False),
    Column("sip_username", Text, nullable=False),
    CheckConstraint("occasion IN ('created', 'shown', 'rotated')", name="occasion"),
    sqlite_autoincrement=True,
)
