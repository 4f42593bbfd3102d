"""Whether a PostgreSQL server keeps what it acknowledges."""

from __future__ import annotations

from sqlalchemy import URL, text

from callcontrol.database import postgresql
from callcontrol.database.engines import is_sqlite
from callcontrol.database.limits import Limits

_OFF = text(
    "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'"
    " ORDER BY name"
)


def unsafe_settings(url: str | URL, limits: Limits | None = None) -> list[str]:
    """Names of settings that are off and must not be: a crash of the server would lose acknowledged minutes. SQLite has
    none: its own are ours. Raises sqlalchemy.exc.DBAPIError."""
    if is_sqlite(url):
        return []
    engine = postgresql.write_engine(url, limits or Limits())
    try:
        with engine.connect() as connection:
            return list(connection.scalars(_OFF))
    finally:
        engine.dispose()
