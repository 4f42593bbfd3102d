"""The end of a call: CDR and minutes in one transaction, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.ports.ledger import Cdr, Posting
from tests.support.books import COMPANY, NODE, Books, closing, opening


async def postings(books: Books, call_id: str) -> list[tuple[str, str, int]]:
    return [
        (entry.kind, entry.grant_kind, entry.minutes) for entry in await books.minutes.entries(COMPANY, call_id=call_id)
    ]


@pytest.mark.parametrize(
    ("talked_s", "minutes"), [(0, 1), (1, 1), (59.9, 1), (60, 1), (60.4, 1), (61, 2), (97, 2), (120, 2), (121, 3)]
)
async def test_whole_minutes_rounded_up(books: Books, talked_s: float, minutes: int) -> None:
    """R7."""
    await books.plan(100)
    await books.dial("a")
    await books.extend("a", 2)
    cdr = await books.hang_up("a", 5, 5 + talked_s)
    assert cdr == Cdr("a", Disposition.ANSWERED, int(talked_s), minutes, (Posting("monthly", minutes),))
    assert await books.ledger.held_total() == 0


async def test_not_answered_is_free_and_releases_its_hold(books: Books) -> None:
    """R6."""
    await books.plan(1)
    await books.dial("a")
    assert await books.hang_up("a", None, 30) == Cdr("a", Disposition.NO_ANSWER, 0, 0, ())
    assert await books.dial("b") is not None
    assert await postings(books, "a") == []


async def test_the_pool_burns_before_addons_and_the_oldest_addon_first(books: Books) -> None:
    """R4."""
    await books.addon(1, "older")
    await books.addon(5, "newer")
    await books.plan(2)
    await books.dial("a")
    await books.extend("a", 4)
    cdr = await books.hang_up("a", 0, 200)
    assert cdr.postings == (Posting("monthly", 2), Posting("addon", 1), Posting("addon", 1))


async def test_an_addon_is_not_spent_while_the_pool_has_an_unposted_minute(books: Books) -> None:
    """I7: a hold is on the company, not on a grant; posting picks what is not posted."""
    await books.plan(1)
    await books.addon(1)
    await books.dial("a")
    await books.dial("b")
    second = await books.hang_up("b", 0, 10)
    assert second.postings == (Posting("monthly", 1),)
    await books.hang_up("a", None, 20)
    assert (await books.minutes.usage(COMPANY, books.start)).addon_balance == 1


async def test_minutes_beyond_the_hold_come_from_what_is_available(books: Books) -> None:
    """D5: nobody was there to extend; billed all the same."""
    await books.plan(10)
    await books.dial("a")
    cdr = await books.hang_up("a", 0, 290)
    assert cdr.postings == (Posting("monthly", 5),)


async def test_the_rest_is_overdraft_marked_grace(books: Books) -> None:
    """D5: never dropped, never hidden."""
    await books.plan(2)
    await books.dial("a")
    cdr = await books.hang_up("a", 0, 290)
    assert cdr.billed_minutes == 5
    assert cdr.postings == (Posting("monthly", 2), Posting("overdraft", 3))
    assert await postings(books, "a") == [
        ("post", "monthly", 2),
        ("grace", "overdraft", 3),
        ("post", "overdraft", 3),
    ]
    assert (await books.minutes.usage(COMPANY, books.start)).overdraft == 3


async def test_a_second_overdraft_of_a_month_joins_the_first(books: Books) -> None:
    await books.plan(2)
    await books.dial("a")
    await books.dial("b")
    await books.hang_up("a", 0, 61)
    await books.hang_up("b", 0, 121)
    assert (await books.minutes.usage(COMPANY, books.start)).overdraft == 3


async def test_a_call_cut_for_exhaustion_pays_for_its_hold_only(books: Books) -> None:
    """D4: Asterisk took a moment longer to hang up than was held; that is ours."""
    await books.plan(2)
    await books.dial("a")
    await books.extend("a", 2)
    cdr = await books.hang_up("a", 0, 121, cut=True)
    assert (cdr.billsec, cdr.billed_minutes) == (121, 2)


async def test_an_answered_call_without_a_hold_is_billed_all_the_same(books: Books) -> None:
    """A hold whose row is missing must not make a call free, not even one that was cut."""
    await books.plan(10)
    cdr = await books.ledger.close(closing("a", books.at(100), answered_at=books.start, cut=True))
    assert cdr.billed_minutes == 2


async def test_a_stored_answer_bills_whoever_closes_without_knowing_of_it(books: Books) -> None:
    """R6."""
    await books.plan(10)
    await books.dial("a")
    await books.answer("a", 5)
    cdr = await books.hang_up("a", None, 70)
    assert (cdr.disposition, cdr.billed_minutes) == (Disposition.ANSWERED, 2)


async def test_a_call_that_is_not_billable_costs_nothing(books: Books) -> None:
    """D16, R13."""
    await books.ledger.authorise(opening("a", company_id=COMPANY, billable=False))
    assert (await books.hang_up("a", 0, 300)).billed_minutes == 0
    unstored = closing("b", books.at(300), answered_at=books.start, company_id=None, billable=False)
    assert (await books.ledger.close(unstored)).billsec == 300
    emergency = closing("c", books.at(300), answered_at=books.start, billable=False)
    assert (await books.ledger.close(emergency)).billed_minutes == 0
    internal = replace(closing("d", books.at(300), answered_at=books.start), direction="internal")
    assert (await books.ledger.close(internal)).billed_minutes == 0


async def test_a_refused_call_is_stored_by_its_close(books: Books) -> None:
    """R8: listed, never counted."""
    refused = closing("a", books.at(1), reason=Reason.POOL_EXHAUSTED, disposition=Disposition.REFUSED)
    await books.ledger.close(refused)
    (row,) = await books.calls()
    assert (row.disposition, row.reason, row.billed_minutes) == (Disposition.REFUSED, Reason.POOL_EXHAUSTED, 0)


async def test_a_call_of_nobody_we_know_is_stored(books: Books) -> None:
    unknown = closing("a", books.at(1), company_id=None, reason=Reason.UNKNOWN_AGENT)
    assert (await books.ledger.close(unknown)).billed_minutes == 0
    assert await books.ledger.open_calls(NODE) == []


async def test_a_call_that_was_voided_is_not_posted_later(books: Books) -> None:
    """I4, D7: a late answer has no effect on the bill."""
    await books.plan(100)
    await books.dial("a")
    voided = await books.hang_up("a", None, 30)
    assert await books.hang_up("a", 10, 30) == voided
    await books.answer("a", 10)
    (row,) = await books.calls()
    assert (row.answered_at, row.billed_minutes) == (None, 0)


async def test_entries_and_holds_trail_cannot_be_changed(books: Books) -> None:
    """I6."""
    await books.plan(10)
    await books.dial("a")
    for table in ("entries", "hold_trail"):
        for statement in (f"UPDATE {table} SET minutes = 99", f"DELETE FROM {table}"):

            def change(connection: Connection, statement: str = statement) -> None:
                connection.execute(text(statement))

            with pytest.raises(Exception, match="append-only"):
                await books.database.writer.submit(change)


async def test_a_grant_cannot_be_overspent(books: Books) -> None:
    """I1: the database's own CHECK."""
    await books.plan(10)

    def overspend(connection: Connection) -> None:
        connection.execute(text("UPDATE grants SET posted = 11"))

    with pytest.raises(Exception, match="ck_grants_posted"):
        await books.database.writer.submit(overspend)
