"""Who calls speak of: the directory's tables, as far as the ledger knows them. Adapters do not import each other."""

from __future__ import annotations

from sqlalchemy import Integer, Text, column, table

users = table(
    "users", column("id", Integer), column("company_id", Integer), column("email", Text), column("name", Text)
)
agents = table(
    "agents", column("id", Integer), column("company_id", Integer), column("extension", Text), column("name", Text)
)
contacts = table(
    "contacts",
    column("company_id", Integer),
    column("number", Text),
    column("name", Text),
    column("contact_company", Text),
    column("folded", Text),
)
