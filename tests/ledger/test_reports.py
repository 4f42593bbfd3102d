"""Call list and usage (R5, R8, R9, D15), nodes."""

from __future__ import annotations

from datetime import UTC, date, datetime

from callcontrol.engine.ports.ledger import NodeMark
from tests.support.books import COMPANY, Books, closing, opening


async def test_calls_are_listed_newest_first_in_the_companys_days(books: Books) -> None:
    """R8, R9: a call belongs to the day of its answer, else of its start; 02:59 UTC is still yesterday."""
    await books.plan(100)
    for call_id, answered_at in (
        ("yesterday", datetime(2026, 11, 22, 2, 59, 59, tzinfo=UTC)),
        ("today", datetime(2026, 11, 22, 3, 0, tzinfo=UTC)),
        ("tonight", datetime(2026, 11, 23, 2, 59, 59, tzinfo=UTC)),
    ):
        await books.ledger.close(
            closing(call_id, answered_at, started_at=datetime(2026, 11, 22, 2, 0, tzinfo=UTC), answered_at=answered_at)
        )
    day = date(2026, 11, 22)
    assert [row.call_id for row in await books.minutes.calls(COMPANY, first_day=day, last_day=day)] == [
        "tonight",
        "today",
    ]
    assert [row.call_id for row in await books.minutes.calls(COMPANY, last_day=date(2026, 11, 21))] == ["yesterday"]
    assert [row.call_id for row in await books.minutes.calls(COMPANY, limit=1)] == ["tonight"]


async def test_a_running_call_is_in_progress_and_in_no_total(books: Books) -> None:
    """D15: what is held is shown apart."""
    await books.plan(10)
    await books.dial("a")
    await books.answer("a", 3)
    (row,) = await books.minutes.calls(COMPANY)
    assert (row.disposition, row.ended_at, row.billed_minutes) == (None, None, 0)
    assert row.answered_at == books.at(3)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.held) == (0, 1)


async def test_a_company_sees_only_its_own(books: Books) -> None:
    await books.ledger.authorise(opening("a", company_id=None, billable=False))
    assert await books.minutes.calls(COMPANY) == []
    assert await books.minutes.calls(99) == []
    assert await books.minutes.entries(99) == []


async def test_the_last_mark_of_a_node(books: Books) -> None:
    assert await books.ledger.last_mark("a") is None
    await books.ledger.mark_alive("a", NodeMark(books.at(1), books.at(-100)))
    await books.ledger.mark_alive("b", NodeMark(books.at(2), None))
    await books.ledger.mark_alive("a", NodeMark(books.at(3), books.at(-50)))
    assert await books.ledger.last_mark("a") == NodeMark(books.at(3), books.at(-50))
    assert await books.ledger.last_mark("b") == NodeMark(books.at(2), None)
