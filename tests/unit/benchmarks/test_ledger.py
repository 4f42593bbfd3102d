"""What benchmarks/ledger counts, records and says again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ledger.daemons import Share
from benchmarks.ledger.figures import Round, Side, lines, waits_of
from benchmarks.ledger.load import OPERATIONS, authorisations, calls_of, closed_loop, open_loop
from benchmarks.ledger.pgbench import script
from benchmarks.ledger.postgresql import ServerRound, server_lines, server_text
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


def test_a_recorded_call_becomes_a_script_for_many_clients() -> None:
    lock = ("SELECT held, next_seq FROM accounts WHERE company_id = %(company_id)s FOR UPDATE", {"company_id": 1})
    key = ("INSERT INTO operations (key, at) VALUES (%(key)s, %(at)s)", {"key": "hold:c-2:1", "at": "12:00"})
    save = "UPDATE accounts SET held=%(held)s, next_seq=%(next_seq)s WHERE company_id = %(account)s"
    held = (save, {"held": 8, "next_seq": 3, "account": 1})
    entry = ("INSERT INTO entries (seq, grant_id, x) VALUES (%(seq)s, %(grant)s, '%%')", {"seq": 3, "grant": 9})
    closed = (save, {"held": 2, "next_seq": 4, "account": 1})
    written = script([[lock, key, held], [lock, entry, closed]], call_id="c-2", company_id=1, companies=50)
    assert written.splitlines()[2:] == [
        "\\set company random(1, 50)",
        "BEGIN;",
        "SELECT held, next_seq FROM accounts WHERE company_id = :company FOR UPDATE \\gset",
        "INSERT INTO operations (key, at) VALUES"
        " ((E'hold\\072' || 'bench-' || (:n)::text || E'\\0721'), E'12\\07200');",
        "UPDATE accounts SET held=(:held + 1), next_seq=(:next_seq + 0) WHERE company_id = :company;",
        "COMMIT;",
        "BEGIN;",
        "SELECT held, next_seq FROM accounts WHERE company_id = :company FOR UPDATE \\gset",
        "INSERT INTO entries (seq, grant_id, x) VALUES (:next_seq, :id, '%');",
        "UPDATE accounts SET held=(:held + -6), next_seq=(:next_seq + 1) WHERE company_id = :company;",
        "COMMIT;",
    ]


def test_daemons_are_as_fast_as_the_last_of_them() -> None:
    shares = [Share(2.0, 0.3, [4, 4]), Share(4.0, 0.1, [8])]
    (line,) = server_lines([ServerRound(1, 2, 64, 16, shares, pgbench_calls_s=2.0, bare_calls_s=8.0)])
    assert line.calls_s == 4
    assert (line.to_pgbench, line.to_bare) == (2, 0.5)
    assert line.batch == pytest.approx(16 / 3)
    assert line.commits_s == 0.75
    assert line.cpu_ms == pytest.approx(25)
    assert "2.00" in server_text(line)
