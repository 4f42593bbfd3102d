"""What benchmarks/ledger counts, records and says again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ledger.figures import Round, Side, lines, waits_of
from benchmarks.ledger.load import OPERATIONS, authorisations, calls_of, closed_loop, open_loop
from benchmarks.ledger.recording import by_commit, play, recorded
from benchmarks.ledger.report import Report, text, waits_text
from benchmarks.ledger.site import SqliteSite

CALLS = 6


def _round(ledger_s: float, bare_s: float, callers: int = 8) -> Round:
    return Round(1, callers, 100, Side(ledger_s, 0.2), Side(bare_s, 0.1), [8, 8, 4], 45.0)


def test_a_ratio_is_of_one_round() -> None:
    (line,) = lines([_round(2.0, 1.0), _round(4.0, 3.0), _round(1.0, 0.9)])
    assert line.ratio == 0.75
    assert (line.worst_ratio, line.best_ratio) == (0.5, 0.9)
    assert line.ledger_calls_s == 50
    assert line.bare_calls_s == 100
    assert line.cpu_ms == pytest.approx(2)
    assert line.batch == pytest.approx(20 / 3)
    assert line.commits_s == 1.5


def test_a_line_for_each_kind_of_round() -> None:
    assert [line.callers for line in lines([_round(1, 1), _round(1, 1, 64), _round(1, 1)])] == [8, 64]


def test_said_in_the_order_of_commits() -> None:
    begin, commit = ("BEGIN IMMEDIATE", ()), ("COMMIT", ())
    recording = by_commit([("PRAGMA x", ()), begin, ("A", (1,)), commit, begin, ("B", ()), commit])
    assert recording.settings == [("PRAGMA x", ())]
    assert recording.commits == [[begin, ("A", (1,)), commit], [begin, ("B", ()), commit]]
    assert recording.statements == 6


async def test_what_is_said_again_leaves_the_same_books(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path)
    await site.prepare(2)
    loaded, played = site.fresh(), site.fresh()
    batches: list[int] = []
    with recorded() as recording:
        async with site.ledger(loaded, on_commit=lambda _, operations: batches.append(operations)) as ledger:
            await closed_loop(ledger, 3, CALLS, calls_of(2, "load"))
    assert sum(batches) == CALLS * len(OPERATIONS)
    assert len(recording.commits) == len(batches)
    play(recording, played)
    assert _books(played) == _books(loaded)
    site.remove(loaded)
    assert not loaded.exists()


async def test_every_operation_of_every_call_is_waited_for(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path)
    await site.prepare(1)
    async with site.ledger(site.fresh()) as ledger:
        waits = waits_of(1, 200, await open_loop(ledger, 200, CALLS, calls_of(1, "open")))
        assert len(await authorisations(ledger, 200, CALLS, calls_of(1, "alone"))) == CALLS
    assert [(wait.operation, wait.times) for wait in waits] == [(name, CALLS) for name in OPERATIONS]
    assert all(0 < wait.p50 <= wait.p99 for wait in waits)


def test_the_report_says_it_for_people_and_for_machines() -> None:
    report = Report("a machine", "sqlite", {"rounds": 1}, [_round(2.0, 1.0)], waits_of(1, 200, {"authorise": [1.0]}))
    assert "0.50" in text(lines(report.rounds)[0])
    assert "authorise" in waits_text(report.waits[0])
    assert b'"bare"' in report.json()


def _books(database: Path) -> dict[str, list[tuple[object, ...]]]:
    tables = ("calls", "legs", "holds", "hold_trail", "entries", "grants", "accounts", "operations")
    with closing(sqlite3.connect(database)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
