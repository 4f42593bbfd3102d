"""`refund`, `audit`, `replay` and `explain` on a call that was made, with and without a daemon."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing as closed
from datetime import UTC, datetime, timedelta

import pytest

from callcontrol.cli.exits import Exit
from callcontrol.database import open_database
from callcontrol.ledger.ledger import SqlLedger
from tests.support.books import closing, opening
from tests.unit.cli.daemon import Daemon
from tests.unit.cli.support import CommandLine


@pytest.fixture
def billed(cc: CommandLine) -> CommandLine:
    """Company acme with a plan of 10 and a call `talk` of 4 minutes, today."""
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("plan", "set", "acme", "10")
    asyncio.run(_call(cc))
    return cc


async def _call(cc: CommandLine) -> None:
    began = datetime.now(UTC)
    async with open_database(f"sqlite:///{cc.database}") as database:
        ledger = SqlLedger(database)
        await ledger.authorise(opening("talk", began))
        ended = began + timedelta(seconds=190)
        await ledger.close(closing("talk", ended, started_at=began, answered_at=began))


def damage(cc: CommandLine) -> None:
    with closed(sqlite3.connect(cc.database)) as connection:
        connection.execute("UPDATE grants SET posted = posted + 1")
        connection.commit()


def test_a_refund_is_told_and_counted(billed: CommandLine) -> None:
    """D9, R8."""
    told = billed.do("refund", "talk", "--minutes", "3", "--order", "r1", "--reason", "linha ruim", "--json").json
    assert told == {"call_id": "talk", "order_id": "r1", "minutes": 3, "given_to": {"monthly": 3}, "left": 1}
    assert "3 monthly" in billed.do("refund", "talk", "--minutes=3", "--order=r1", "--reason=again").out
    assert "1 of 10 min used (10 %)" in billed.do("usage", "acme").out
    [row] = billed.do("calls", "acme", "--json").json
    assert (row["billed_minutes"], row["refunded_minutes"]) == (4, 3)
    assert billed.do("calls", "acme").out.splitlines()[1].split()[-2:] == ["1", "talk"]
    assert billed.do("entries", "acme").out.splitlines()[3].endswith("linha ruim")
    assert [entry["mirrors"] for entry in billed.do("entries", "acme", "--json").json] == [None, None, 2]


def test_what_cannot_be_refunded_is_one_line(billed: CommandLine) -> None:
    order = ("--order=r1", "--reason=x")
    billed.refuse(Exit.REFUSED, "no call 'nobody'", "refund", "nobody", *order)
    billed.refuse(Exit.REFUSED, "4 billed minutes left to refund, not 5", "refund", "talk", "--minutes=5", *order)
    billed.refuse(Exit.REFUSED, "between 1 and", "refund", "talk", "--minutes=0", *order)
    billed.refuse(Exit.REFUSED, "the reason", "refund", "talk", "--order=r1", "--reason= ")
    billed.do("refund", "talk", *order)
    billed.refuse(Exit.REFUSED, "used before", "refund", "talk", "--minutes=1", *order)
    billed.refuse(Exit.REFUSED, "have been refunded already", "refund", "talk", "--order=r2", "--reason=x")


def test_right_books(billed: CommandLine) -> None:
    assert billed.do("audit").out == "the books are right\n"
    assert billed.do("audit", "acme", "--json").json == {"company": "acme", "findings": []}
    replay = billed.do("replay", "acme")
    assert replay.out.startswith("2 entries, 1 billed calls\n")
    assert replay.out.endswith("rebuilt and stored are the same\n")


def test_wrong_books_are_told_by_line_and_exit_code(billed: CommandLine) -> None:
    damage(billed)
    audit = billed.run("audit")
    assert (audit.code, audit.err) == (Exit.BOOKS_WRONG, "")
    assert "I2: grant 1 " in audit.out
    assert billed.run("audit", "acme", "--json").json["findings"]
    replay = billed.run("replay", "acme")
    assert replay.code == Exit.BOOKS_WRONG
    assert "6 minutes left by the entries, 5 stored" in replay.out


def test_a_call_is_explained_in_two_languages(billed: CommandLine) -> None:
    told = billed.do("explain", "talk").out
    portuguese, english = told.split("\n\n")
    assert "190 s são 4 min" in portuguese
    assert "190 s are 4 min" in english
    assert set(billed.do("explain", "talk", "--json").json) == {"call_id", "pt", "en"}
    billed.refuse(Exit.REFUSED, "no call 'nobody'", "explain", "nobody")


@pytest.mark.usefixtures("logs")
def test_a_daemon_audits_the_same_books(billed: CommandLine) -> None:
    with Daemon(billed):
        assert billed.do("audit").out == "the books are right\n"
        assert billed.do("replay", "acme", "--json").json["differences"] == []
