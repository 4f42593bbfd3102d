"""D10 in the ledger: what the clock was set by is no part of the bill, is stored once, and is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callcontrol.engine.admin.explanation import explain
from callcontrol.engine.ports.ledger import NodeMark
from tests.support.books import NODE, Books, closing

HOUR = 3600.0


@pytest.mark.parametrize("step_s", [HOUR, -HOUR, 2.5])
async def test_the_bill_is_what_was_talked_and_the_instants_are_as_recorded(books: Books, step_s: float) -> None:
    """R7 holds for the seconds without the step (I9)."""
    await books.plan(100)
    await books.dial("a")
    end = replace(closing("a", books.at(97 + step_s), answered_at=books.start), clock_step_s=step_s)
    for _ in range(2):
        cdr = await books.ledger.close(end)
        assert (cdr.billsec, cdr.billed_minutes) == (97, 2)
    [row] = await books.calls()
    assert (row.answered_at, row.ended_at, row.clock_step_s) == (books.start, books.at(97 + step_s), step_s)
    assert await books.findings() == []


async def test_a_call_of_no_second_is_one_minute_whatever_the_clock_did(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    end = closing("a", books.at(0.2), answered_at=books.start)
    cdr = await books.ledger.close(replace(end, clock_step_s=HOUR))
    assert (cdr.billsec, cdr.billed_minutes) == (0, 1)


async def test_the_mark_stores_the_offset_with_the_steps_of_open_calls(books: Books) -> None:
    await books.plan(100)
    for call in ("open", "closed"):
        await books.dial(call)
        await books.answer(call)
    await books.ledger.close(closing("closed", books.at(30), answered_at=books.start))
    steps = {"open": HOUR, "closed": HOUR, "unknown": HOUR}
    mark = NodeMark(books.at(40), books.start, boot_id="boot", clock_offset_s=1_795_000_000.25, clock_steps=steps)
    for _ in range(2):
        await books.ledger.mark_alive(NODE, mark)
    [call] = await books.ledger.open_calls(NODE)
    assert (call.opening.call_id, call.clock_step_s) == ("open", HOUR)
    assert await books.ledger.last_mark(NODE) == replace(mark, clock_steps={})
    assert {row.call_id: row.clock_step_s for row in await books.calls()} == {"open": HOUR, "closed": 0}


async def test_the_explanation_says_it(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    await books.ledger.close(replace(closing("a", books.at(97 + HOUR), answered_at=books.start), clock_step_s=HOUR))
    sentences = explain(await books.minutes.account_of("a"))
    assert (
        "Durante a conversa o relógio da máquina foi adiantado em 3600 s, que não contam (D10).",
        "During the talk the machine's clock was set forward by 3600 s, which do not count (D10).",
    ) in sentences
