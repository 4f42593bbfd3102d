"""A process that works the ledger as hard as it can until somebody kills it: many callers, one company hot.

python -m tests.support.ledger_load URL WITNESS NAME SEED COMPANIES CALLERS DAYS

`NAME` begins the names of its calls and orders; `DAYS` after the beginning its calls are made, so that a month's first
call is among them again and again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from datetime import timedelta
from pathlib import Path

from callcontrol.engine.ports.ledger import LedgerUnavailable
from tests.support.books import NOON, Books, open_books
from tests.support.requests import Answer, AnyRequest, Buy, Close, Dial, Extend, Give, GiveBack, SetPlan
from tests.support.witness import Notebook

_BREATH_S = 0.05
"""After the ledger was away: every caller would ask again at once."""


class Caller:
    """One call after the other; between them orders and refunds."""

    def __init__(self, books: Books, notebook: Notebook, name: str, chance: random.Random, companies: int, day: int):
        self._books = books
        self._notebook = notebook
        self._name = name
        self._chance = chance
        self._companies = companies
        self._now = NOON + timedelta(days=day)

    async def work(self) -> None:
        for number in itertools.count(1):
            # Company 1 is hot: half of all calls are its own.
            company_id = 1 if self._chance.random() < 0.5 else self._chance.randint(1, self._companies)
            try:
                await self._order(company_id, f"{self._name}-{number}")
                await self._call(company_id, f"{self._name}-{number}")
            except LedgerUnavailable:
                await asyncio.sleep(_BREATH_S)

    async def _order(self, company_id: int, order_id: str) -> None:
        chance, at = self._chance, self._now
        drawn = chance.random()
        if drawn < 0.2:
            await self._ask(Buy(company_id=company_id, at=at, order_id=order_id, minutes=chance.randint(1, 5)))
        elif drawn < 0.25:
            await self._ask(SetPlan(company_id=company_id, at=at, order_id=order_id, minutes=chance.randint(0, 40)))
        elif drawn < 0.3:
            await self._ask(Give(company_id=company_id, at=at, order_id=order_id, minutes=1))

    async def _call(self, company_id: int, call_id: str) -> None:
        chance, started_at = self._chance, self._now
        if await self._ask(Dial(company_id=company_id, at=started_at, call_id=call_id)) is None:
            return
        answered_at = None if chance.random() < 0.2 else started_at + timedelta(seconds=chance.randint(1, 30))
        if answered_at is not None:
            for minute in range(2, 2 + chance.randint(0, 2)):
                extension = Extend(company_id=company_id, at=answered_at, call_id=call_id, until_minute=minute)
                if await self._ask(extension) is None:
                    break
        ended_at = started_at + timedelta(seconds=chance.randint(31, 150))
        cdr = await self._ask(
            Close(company_id=company_id, at=ended_at, call_id=call_id, started_at=started_at, answered_at=answered_at)
        )
        assert cdr is not None
        if cdr["billed_minutes"] and chance.random() < 0.2:
            await self._ask(GiveBack(company_id=company_id, at=ended_at, call_id=call_id, request_id=call_id))

    async def _ask(self, request: AnyRequest) -> Answer:
        return await self._notebook.ask(self._books, request)


async def main(url: str, witness: str, name: str, seed: str, companies: str, callers: str, day: str) -> None:
    def caller(number: int) -> Caller:
        chance = random.Random(f"{seed} {number}")
        return Caller(books, notebook, f"{name}-{number}", chance, int(companies), int(day))

    with Notebook(Path(witness), name) as notebook:
        async with open_books(url) as books:
            await asyncio.gather(*(caller(number).work() for number in range(int(callers))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
