"""What the audit, the replay and the explanation say of overdrafts, repayments and corrections (D4, I1, I2, I7)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callcontrol.domain.grants import GrantKind
from callcontrol.engine.admin.explanation import explain
from callcontrol.engine.ports.minutes import Cancellation, PlanCorrection, RefundRequest
from tests.ledger.test_audit import damage
from tests.support.books import COMPANY, Books, open_books


@pytest.fixture
async def ledger(books_url: str) -> AsyncIterator[Books]:
    """A pool corrected to 2, five minutes beyond it (three within the limit), four of them paid back, one given back by
    a refund before that; the rest of the add-on, and of a gift, taken back."""
    async with open_books(books_url) as books:
        await books.plan(20)
        await books.minutes.correct_plan(PlanCorrection(COMPANY, 2, "correct", "typing error", "operator", books.start))
        await books.policy(3)
        await books.dial("a")
        await books.hang_up("a", 0, 7 * 60)
        await refund(books, "a", 1, "r1")
        await books.addon(3)
        await books.addon(9, "addon-2")
        await books.gift(5)
        for kind, of_order, minutes in (("addon", "addon-2", 7), ("courtesy", "gift-1", 4)):
            await books.minutes.cancel_order(
                Cancellation(COMPANY, GrantKind(kind), of_order, minutes, f"c-{kind}", "x", "operator", books.start)
            )
        await books.policy(1, "policy-2")
        assert await books.findings() == []
        yield books


async def refund(books: Books, call_id: str, minutes: int, order_id: str) -> None:
    await books.minutes.refund(RefundRequest(call_id, minutes, order_id, "ruído", "operator", books.start))


async def test_the_books_tell_it_line_by_line(ledger: Books) -> None:
    entries = await ledger.minutes.entries(COMPANY)
    assert [(entry.kind, entry.grant_kind, entry.minutes) for entry in entries] == [
        ("grant", "monthly", 20),
        ("withdraw", "monthly", 18),
        ("post", "monthly", 2),
        ("overdraft", "overdraft", 3),
        ("grace", "overdraft", 2),
        ("post", "overdraft", 5),
        ("refund", "overdraft", 1),
        ("grant", "addon", 3),
        ("repay", "addon", 3),
        ("repaid", "overdraft", 3),
        ("grant", "addon", 9),
        ("repay", "addon", 1),
        ("repaid", "overdraft", 1),
        ("grant", "courtesy", 5),
        ("withdraw", "addon", 7),
        ("withdraw", "courtesy", 4),
    ]


async def test_replay_rebuilds_every_balance(ledger: Books) -> None:
    replay = await ledger.minutes.replay(COMPANY)
    assert replay.differences == ()
    assert [(balance.name.split(",")[0], balance.rebuilt, balance.stored) for balance in replay.balances] == [
        ("monthly 2026-11", 0, 0),
        ("overdraft 2026-11", 0, 0),
        ("addon 2026-11", 0, 0),
        ("addon 2026-11", 1, 1),
        ("courtesy 2026-11", 1, 1),
    ]


@pytest.mark.parametrize(
    ("invariant", "statement", "words"),
    [
        ("I1", "UPDATE grants SET repaid = 9 WHERE kind = 'overdraft'", "9 of 4 paid back"),
        ("I1", "UPDATE grants SET repaid = 1 WHERE kind = 'monthly'", "1 of 2 paid back"),
        ("I2", "UPDATE grants SET repaid = 3 WHERE kind = 'overdraft'", "paid back 3, by its entries 4"),
        ("I2", "UPDATE accounts SET overdrawn = 2", "2 minutes overdrawn, by its grants 0"),
        ("I2", "UPDATE accounts SET overdraft_limit = 5", "may overdraw 5, by its orders 1"),
        ("I2", "UPDATE entries SET minutes = 6 WHERE kind = 'withdraw' AND minutes = 7", "granted 2, by its entries 3"),
        ("I5", "UPDATE entries SET minutes = 21 WHERE kind = 'withdraw' AND minutes = 18", "20 minutes, 21 mirrored"),
        ("I7", "UPDATE entries SET kind = 'overdraft' WHERE kind = 'grace'", "0 minutes marked grace, by the model 2"),
        ("I7", "UPDATE policy_versions SET limit_minutes = 4 WHERE limit_minutes = 3", "by the model 1"),
        ("I7", "UPDATE entries SET minutes = 2 WHERE kind IN ('repay', 'repaid') AND minutes = 3", "order:addon-1"),
    ],
)
async def test_what_is_broken_is_found(ledger: Books, invariant: str, statement: str, words: str) -> None:
    await damage(ledger, statement)
    findings = await ledger.findings()
    assert any(finding.startswith(f"{invariant}: ") and words in finding for finding in findings), findings


async def test_a_repayment_that_is_too_small_is_told(ledger: Books) -> None:
    await damage(ledger, "UPDATE entries SET minutes = 2 WHERE kind IN ('repay', 'repaid') AND minutes = 3")
    differences = (await ledger.minutes.replay(COMPANY)).differences
    assert differences[0] == (
        "order:addon-1: changed 1 addon 0, -2 overdraft 2026-11, by the model -3 overdraft 2026-11"
    )
    # From there on with what is stored: the next add-on should have paid the rest.
    assert "by the model 7 addon 1, -2 overdraft 2026-11" in differences[1]


async def test_the_explanation_names_both_marks_and_what_was_paid_back(ledger: Books) -> None:
    """D4, D5, D9."""
    await refund(ledger, "a", 2, "r2")
    sentences = explain(await ledger.minutes.account_of("a"))
    portuguese = [words for words, _ in sentences]
    english = [words for _, words in sentences]
    assert "3 min a descoberto, dentro do limite da política `finish` (D4), lançamento 4." in portuguese
    assert any(words.startswith("2 min a descoberto, marcado `grace`") for words in portuguese)
    assert "1 min a menos no descoberto, espelhando o lançamento 6." in portuguese
    assert (
        "2 min viram cortesia, porque um adicional já tinha quitado o descoberto, espelhando o lançamento 6."
        in portuguese
    )
    assert "2 min became courtesy, because an add-on had paid the overdraft back, mirroring entry 6." in english
    assert portuguese[-1] == "Custo: 7 - 3 = 4 min."
