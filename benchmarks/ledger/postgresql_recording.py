"""What the ledger says to psycopg: every statement with its named parameters, by transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any, Self

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool

from benchmarks.ledger.figures import Side

Statement = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class PostgresqlRecording:
    """Transactions in the order of their commits, each without BEGIN and COMMIT, which psycopg says."""

    commits: list[list[Statement]] = field(default_factory=list)

    @property
    def statements(self) -> int:
        return sum(len(commit) + 2 for commit in self.commits)


@contextmanager
def recorded_postgresql() -> Iterator[PostgresqlRecording]:
    """Of all connections that are opened and committed on inside the block."""
    recording = PostgresqlRecording()
    said: dict[int, list[Statement]] = {}

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            said.setdefault(id(self.connection), []).append((query, dict(params or {})))
            return super().execute(query, params, **options)

    def connected(driver: Any, _record: object) -> None:
        if isinstance(driver, psycopg.Connection):
            driver.cursor_factory = Cursor

    def committed(connection: Connection) -> None:
        recording.commits.append(said.pop(id(connection.connection.dbapi_connection), []))

    def undone(connection: Connection) -> None:
        said.pop(id(connection.connection.dbapi_connection), None)

    listeners = ((Pool, "connect", connected), (Engine, "commit", committed), (Engine, "rollback", undone))
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield recording
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)


def play_postgresql(recording: PostgresqlRecording, conninfo: str) -> Side:
    """Say it all again on one connection to a database as it was when the recording began. Nothing else is done."""
    with psycopg.connect(conninfo) as connection:
        cursor = connection.cursor()
        began, cpu = perf_counter(), process_time()
        for commit in recording.commits:
            for query, parameters in commit:
                cursor.execute(query, parameters)
                if cursor.description:
                    cursor.fetchall()
            connection.commit()
        return Side(perf_counter() - began, process_time() - cpu)
