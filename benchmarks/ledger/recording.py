"""What the ledger says to SQLite's driver, every statement with its parameters; and saying it again, bare."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Self

from sqlalchemy import Engine, event

from benchmarks.ledger.figures import Side

Statement = tuple[str, tuple[Any, ...]]
_BEGINS = "BEGIN IMMEDIATE"


@dataclass(slots=True)
class Recording:
    """Everything said on the connection that writes, from its opening on."""

    settings: list[Statement] = field(default_factory=list)
    """Before the first transaction: the pragmas."""
    commits: list[list[Statement]] = field(default_factory=list)
    """Each from its BEGIN to its COMMIT."""

    @property
    def statements(self) -> int:
        return sum(len(commit) for commit in self.commits)


def by_commit(said: Sequence[Statement]) -> Recording:
    """Sort what one connection said into settings and commits."""
    recording = Recording()
    for statement in said:
        if statement[0] == _BEGINS:
            recording.commits.append([])
        (recording.commits[-1] if recording.commits else recording.settings).append(statement)
    return recording


@contextmanager
def recorded() -> Iterator[Recording]:
    """The recording of the writer that is opened inside the block; it is filled in at the block's end."""
    heard: list[list[Statement]] = []

    class Connection(sqlite3.Connection):
        def __init__(self, *positional: Any, **named: Any) -> None:
            super().__init__(*positional, **named)
            self.said: list[Statement] = []
            heard.append(self.said)

        def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]
            return super().cursor(Cursor)

        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            # The driver's own would not ask for a cursor of ours.
            return self.cursor().execute(sql, parameters)

        def commit(self) -> None:
            self.said.append(("COMMIT", ()))
            super().commit()

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = ()) -> Self:
            said: list[Statement] = self.connection.said  # type: ignore[attr-defined]
            said.append((sql, tuple(parameters)))
            return super().execute(sql, parameters)

    def connect(_dialect: object, _record: object, _positional: object, named: dict[str, Any]) -> None:
        named["factory"] = Connection

    recording = Recording()
    event.listen(Engine, "do_connect", connect)
    try:
        yield recording
    finally:
        event.remove(Engine, "do_connect", connect)
    (writer,) = (said for said in heard if any(sql.startswith("INSERT") for sql, _ in said))
    found = by_commit(writer)
    recording.settings, recording.commits = found.settings, found.commits


def play(recording: Recording, database: Path) -> Side:
    """Say it all again to a database as it was when the recording began. Nothing else is done."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for sql, parameters in recording.settings:
            connection.execute(sql, parameters)
        cursor = connection.cursor()
        began, cpu = perf_counter(), process_time()
        for commit in recording.commits:
            for sql, parameters in commit:
                cursor.execute(sql, parameters)
                if cursor.description:
                    cursor.fetchall()
        return Side(perf_counter() - began, process_time() - cpu)
