"""Column types that mean the same on every dialect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant with microseconds, always aware and always UTC in Python.

    SQLite has no time zones: there it is stored as text in UTC, which sorts and compares as the instant does.
    A naive datetime is refused (ValueError): nobody could say which instant it means.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        # Every row has some instants: SQLAlchemy's own way to text and back costs more than SQLite's work on the row.
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


@lru_cache(maxsize=256)
def _to_text(value: datetime | None) -> str | None:
    # `2026-11-22 12:00:00.000000`, as SQLAlchemy's own type for SQLite writes it. An operation stores the same instant
    # in several rows; equal instants of different zones are one in UTC.
    return None if value is None else _utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"a naive datetime cannot be stored: {value!r}")
    return value.astimezone(UTC)
