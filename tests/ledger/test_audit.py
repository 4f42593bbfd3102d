"""The audit finds what is broken by hand, each invariant by its number; replay tells what the books should say (I7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from callcontrol.engine.auditing import keep_auditing
from callcontrol.engine.ports.minutes import Balance, LiveCalls, RefundRequest
from tests.support.books import COMPANY, NODE, Books, add_company, open_books
from tests.support.databases import take_guards_away


@pytest.fixture
async def ledger(books_url: str) -> AsyncIterator[Books]:
    """Two months with everything in them: pool, add-on, courtesy, overdraft, a cut call and one in progress."""
    async with open_books(books_url) as books:
        await books.plan(4)
        await books.addon(1)
        for call_id, answered, ended in (("a", 0, 60), ("b", 60, 240), ("c", None, 300), ("d", 300, 420)):
            await books.dial(call_id)
            await books.hang_up(call_id, answered, ended)
        await books.plan(9, "up", books.at(500))
        await refund(books, "b", 2, books.at(600))
        await refund(books, "a", 1, books.at(40 * 24 * 3600))
        await books.dial("open", 40 * 24 * 3600)
        assert await books.findings() == []
        yield books


async def refund(books: Books, call_id: str, minutes: int, at: datetime) -> None:
    await books.minutes.refund(RefundRequest(call_id, minutes, f"refund-{call_id}", "noise", "operator", at))


async def damage(books: Books, *statements: str) -> None:
    """By a hand at the database that has taken the guards away."""

    def change(connection: Connection) -> None:
        take_guards_away(connection)
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0, statement

    await books.database.writer.submit(change)


@pytest.mark.parametrize(
    ("invariant", "statement", "words"),
    [
        ("I1", "UPDATE grants SET granted = 0 WHERE kind = 'addon'", "1 of 0 posted"),
        ("I2", "UPDATE grants SET posted = posted + 1 WHERE period = '2026-11' AND kind = 'monthly'", "by its entries"),
        ("I2", "UPDATE grants SET granted = granted + 1 WHERE kind = 'courtesy'", "granted 2, by its entries 1"),
        ("I3", "UPDATE accounts SET held = held + 1", "2 minutes held, by its open holds 1"),
        ("I3", "UPDATE hold_trail SET minutes = 7 WHERE leg_id = 'open:customer'", "by its trail 7"),
        ("I3", "UPDATE holds SET minutes = 99", "cannot be met"),
        ("I4", "INSERT INTO operations SELECT 'void:a:customer', 'x', '{}', at FROM operations LIMIT 1", "2 times"),
        ("I4", "DELETE FROM operations WHERE key = 'post:a:customer'", "settled 0 times"),
        ("I5", "UPDATE calls SET billed_minutes = 9 WHERE call_id = 'a'", "billed 9, its legs 1, posted 1"),
        ("I5", "UPDATE legs SET billed_minutes = 9 WHERE leg_id = 'a:customer'", "billed 9, posted 1"),
        ("I5", "UPDATE calls SET refunded_minutes = 0 WHERE call_id = 'b'", "refunded 0, mirrored 2"),
        ("I5", "UPDATE entries SET minutes = 99 WHERE kind = 'refund'", "99 mirrored"),
        ("I6", "DELETE FROM entries WHERE seq = 1", "entries, the last is"),
        ("I6", "UPDATE accounts SET next_seq = next_seq + 1", "entries, the last is"),
        ("I7", "UPDATE entries SET grant_id = (SELECT id FROM grants WHERE kind = 'addon') WHERE seq = 3", "the model"),
        ("I8", "UPDATE grants SET period = '2027-02' WHERE kind = 'monthly' AND period = '2027-01'", "and then"),
        ("I9", "UPDATE legs SET billsec = 61 WHERE leg_id = 'a:customer'", "61 s billed as 1 minutes, R7 says 2"),
        ("I12", "UPDATE calls SET listed_at = started_at WHERE call_id = 'b'", "not listed by its answer"),
        ("I12", "UPDATE calls SET billed_minutes = 9 WHERE call_id = 'a'", "by its calls"),
        ("I12", "UPDATE grants SET posted = 0 WHERE kind = 'monthly'", "its usage of 2026-11 shows"),
    ],
)
async def test_what_is_broken_is_found(ledger: Books, invariant: str, statement: str, words: str) -> None:
    await damage(ledger, statement)
    findings = await ledger.findings()
    assert any(finding.startswith(f"{invariant}: ") and words in finding for finding in findings), findings


async def test_a_call_that_was_not_cut_pays_all_it_talked(ledger: Books) -> None:
    """I9: the cap is for calls that we cut, and for those only."""
    await damage(ledger, "UPDATE legs SET billsec = 600 WHERE leg_id = 'b:customer'")
    assert any(finding.startswith("I9: ") for finding in await ledger.findings())
    await damage(ledger, "UPDATE calls SET reason = 'pool_exhausted' WHERE call_id = 'b'")
    assert await ledger.findings() == []


async def test_a_follow_up_manager_holds_nothing(ledger: Books) -> None:
    """I10."""
    await damage(
        ledger,
        "INSERT INTO users (id, company_id, email, name, role, rights, created_at)"
        " SELECT 5, 1, 'm@x.br', 'M', 'follow_up_manager', '[]', created_at FROM companies",
        "UPDATE calls SET user_id = 5 WHERE call_id = 'open'",
    )
    assert await ledger.findings() == ["I10: leg open:customer of a follow-up manager holds 1 minutes"]


async def test_a_hold_without_a_call_is_found(ledger: Books) -> None:
    """I11: by what the daemon knows, and without a daemon by its age."""
    began = ledger.at(40 * 24 * 3600)

    async def findings(after: timedelta, live: LiveCalls | None) -> list[str]:
        return await ledger.minutes.audit(began + after, company_id=COMPANY, live=live)

    later = timedelta(minutes=10)
    nobody = LiveCalls(NODE, frozenset(), began + later)
    assert await findings(later, LiveCalls(NODE, frozenset({"open"}), began + later)) == []
    assert await findings(later, LiveCalls("another", frozenset(), began + later)) == []
    assert await findings(timedelta(0), LiveCalls(NODE, frozenset(), began)) == []
    [gone] = await findings(later, nobody)
    assert gone.startswith("I11: leg open:customer holds 1 minutes")
    assert await findings(timedelta(hours=4), None) == []
    [old] = await findings(timedelta(hours=6), None)
    assert "no call is that long" in old


async def test_only_the_company_that_was_asked_for(ledger: Books) -> None:
    await ledger.database.writer.submit(lambda connection: add_company(connection, 2))
    await ledger.minutes.usage(2, ledger.start)
    await damage(ledger, "UPDATE accounts SET held = 5 WHERE company_id = 1")
    assert await ledger.minutes.audit(ledger.start, company_id=2) == []
    assert len(await ledger.minutes.audit(ledger.start)) == 1


async def test_replay_rebuilds_every_balance(ledger: Books) -> None:
    """Nine minutes of November less the two that stay posted; what November's refund in January gave is courtesy."""
    replay = await ledger.minutes.replay(COMPANY)
    assert replay.differences == ()
    assert replay.calls == 3
    assert [(balance.name.split(",")[0], balance.rebuilt) for balance in replay.balances] == [
        ("monthly 2026-11", 7),
        ("addon 2026-11", 0),
        ("overdraft 2026-11", 1),
        ("monthly 2026-12", 9),
        ("monthly 2027-01", 9),
        ("courtesy 2027-01", 1),
    ]
    assert all(balance.rebuilt == balance.stored for balance in replay.balances)


async def test_replay_tells_a_difference_once_and_goes_on(ledger: Books) -> None:
    """A minute taken from the add-on while the pool had some (R4)."""
    await damage(ledger, "UPDATE entries SET grant_id = (SELECT id FROM grants WHERE kind = 'addon') WHERE seq = 3")
    replay = await ledger.minutes.replay(COMPANY)
    assert replay.differences[0] == "a: posted 1 addon 0, by the model 1 monthly 2026-11"
    assert Balance("courtesy 2027-01, grant 6", 1, 1) in replay.balances


async def test_replay_of_a_balance_that_was_changed(ledger: Books) -> None:
    await damage(ledger, "UPDATE grants SET posted = posted + 1 WHERE kind = 'courtesy'")
    replay = await ledger.minutes.replay(COMPANY)
    assert replay.differences == ("courtesy 2027-01, grant 6: 1 minutes left by the entries, 0 stored",)


async def test_a_minute_that_stayed_in_the_old_month_is_replayed_there(books_url: str) -> None:
    """billing.md, Edges: held before midnight, answered after it in a month that has nothing."""
    async with open_books(books_url, start=datetime(2026, 12, 1, 3, 0, tzinfo=UTC)) as books:
        await books.plan(10, at=books.at(-600))
        await books.plan(0, "down", at=books.at(-500))
        await books.dial("a", -10)
        await books.answer("a", 5)
        await books.hang_up("a", 5, 35)
        assert (await books.minutes.replay(COMPANY)).differences == ()


async def test_the_daemon_audits_and_tells_how_much_was_found(ledger: Books) -> None:
    await damage(ledger, "UPDATE accounts SET held = 5")
    told: asyncio.Queue[tuple[int, datetime]] = asyncio.Queue()

    class Observer:
        def audited(self, findings: int, at: datetime, took_s: float) -> None:
            told.put_nowait((findings, at))

    auditing = asyncio.create_task(
        keep_auditing(ledger.minutes, Observer(), live=lambda: None, now=lambda: ledger.start, interval_s=0)
    )
    async with asyncio.timeout(30):
        assert await told.get() == await told.get() == (1, ledger.start)
    auditing.cancel()
    await asyncio.gather(auditing, return_exceptions=True)


async def test_a_change_of_time_zone_moves_no_settled_call(books_url: str) -> None:
    """Half an hour before December in São Paulo it is December in Tokyo: the call stays November's (D2)."""
    async with open_books(books_url, start=datetime(2026, 12, 1, 2, 30, tzinfo=UTC)) as books:
        await books.plan(5)
        await books.dial("a")
        await books.hang_up("a", 0, 61)
        await damage(books, "UPDATE companies SET time_zone = 'Asia/Tokyo'")
        await books.dial("b", 120)
        await books.hang_up("b", 120, 181)
        assert await books.findings() == []
        months = [(entry.call_id, str(entry.grant_period)) for entry in await books.minutes.entries(COMPANY)]
        assert months[1:] == [("a", "2026-11"), (None, "2026-12"), ("b", "2026-12")]
