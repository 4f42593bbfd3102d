"""What the database and Asterisk's own record say of a call, read beside the daemon, which may be dead."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from callcontrol.database import is_sqlite
from callcontrol.database.engines import sqlite_file, sync_read_engine, write_engine
from callcontrol.ledger.audit import audit

_CALL = (
    "SELECT call_id, sip_username, agent_channel, dialled, started_at, rang_at, answered_at, ended_at, disposition,"
    " reason, q850, sip_code, billsec, billed_minutes, estimated FROM calls"
    " WHERE dialled = :dialled ORDER BY started_at"
)


class Bill:
    """The ledger's database. Each look opens it anew."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, dialled: str) -> list[dict[str, Any]]:
        """Calls to this number, oldest first; a call without a disposition is in progress."""
        return self._ask(_CALL, dialled=dialled)

    def row(self, dialled: str) -> dict[str, Any]:
        """The one call to this number."""
        [row] = self.rows(dialled)
        return row

    def closed(self, dialled: str) -> dict[str, Any] | None:
        rows = self.rows(dialled)
        return rows[0] if rows and all(row["disposition"] for row in rows) else None

    def held(self, dialled: str) -> int:
        """Minutes held now by the calls to this number."""
        [row] = self._ask(
            "SELECT coalesce(sum(h.minutes), 0) AS held FROM holds h JOIN legs l ON l.leg_id = h.leg_id"
            " JOIN calls c ON c.call_id = l.call_id WHERE c.dialled = :dialled",
            dialled=dialled,
        )
        return int(row["held"])

    def postings(self, dialled: str) -> dict[str, int]:
        """Minutes posted for the calls to this number, by the kind of grant, and `grace` entries."""
        rows = self._ask(
            "SELECT CASE WHEN e.kind = 'post' THEN g.kind ELSE e.kind END AS name, sum(e.minutes) AS minutes"
            " FROM entries e JOIN grants g ON g.id = e.grant_id JOIN calls c ON c.call_id = e.call_id"
            " WHERE c.dialled = :dialled GROUP BY name",
            dialled=dialled,
        )
        return {row["name"]: row["minutes"] for row in rows}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process writes and does not end: reads work, no write does. SQLite's file only."""
        with closing(sqlite3.connect(sqlite_file(self._url), isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")

    def last_mark(self) -> datetime:
        """When the node last stored a sign of life; the earliest of instants if it never did."""
        [row] = self._ask("SELECT max(alive_at) AS alive_at FROM nodes")
        return instant(row["alive_at"] or "0001-01-01")

    def leftovers(self) -> list[str]:
        """Calls without an end, holds, and whatever the audit finds."""
        found = [
            f"open call {row['call_id']}" for row in self._ask("SELECT call_id FROM calls WHERE disposition IS NULL")
        ]
        found += [f"hold of {row['leg_id']}" for row in self._ask("SELECT leg_id FROM holds")]
        with self._looking() as connection:
            return found + audit(connection)

    def _ask(self, query: str, **values: str) -> list[dict[str, Any]]:
        with self._looking() as connection:
            rows = connection.execute(text(query), values).mappings()
            return [{name: _plain(value) for name, value in row.items()} for row in rows]

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        engine = sync_read_engine(self._url) if is_sqlite(self._url) else write_engine(self._url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def _plain(value: Any) -> Any:
    """Instants in SQLite's way, whichever database they come from: text, UTC without saying so."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def instant(stored: str) -> datetime:
    """As the database stores it: UTC without saying so."""
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call by Asterisk's own record (CEL), in seconds since 1970."""

    answered: float | None
    agent_ended: float | None
    customer_ended: float | None

    @property
    def seconds(self) -> float:
        """From the customer's answer to the first party's end."""
        assert self.answered is not None
        ends = [end for end in (self.agent_ended, self.customer_ended) if end is not None]
        return max(0.0, min(ends) - self.answered)


class Cel:
    """The CEL file and what was rotated away from it, read plainly."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def instants(self, channel_id: str, kind: str) -> list[float]:
        return [float(row[1]) for row in self._rows() if row[0] == kind and row[2] == channel_id]

    def call(self, row: dict[str, Any]) -> Recorded:
        """By the ids that the daemon gave the call."""
        customer = f"cc-{row['call_id']}-customer"
        return Recorded(
            answered=self._first(customer, "ANSWER"),
            agent_ended=self._first(row["agent_channel"], "HANGUP"),
            customer_ended=self._first(customer, "HANGUP"),
        )

    def _first(self, channel_id: str, kind: str) -> float | None:
        return min(self.instants(channel_id, kind), default=None)

    def _rows(self) -> list[list[str]]:
        rows = []
        for file in sorted(self.file.parent.glob(f"{self.file.name}*")):
            with file.open(newline="") as lines:
                rows += [row for row in csv.reader(lines) if len(row) == 9]
        return rows
