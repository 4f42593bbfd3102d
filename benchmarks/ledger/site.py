"""The databases that are loaded: each round has a new one, all alike."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import insert

from benchmarks.ledger.calls import BEGAN_AT, MINUTES, ZONE
from callcontrol.database import Database, open_database, upgrade
from callcontrol.database.engines import write_engine
from callcontrol.directory.tables import companies
from callcontrol.engine.ports.minutes import Order
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.ledger.ledger import SqlLedger

OnCommit = Callable[[float, int], None]


class SqliteSite:
    """`prepare` makes the database once; `fresh` copies it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.db"
        self._numbers = count()

    async def prepare(self, company_count: int) -> None:
        url = f"sqlite:///{self._template}"
        upgrade(url)
        add_companies(url, company_count)
        async with open_database(url) as database:
            await contract(database, company_count)

    def fresh(self) -> Path:
        """A database of its own, as it was prepared."""
        file = self._directory / f"round-{next(self._numbers):04}.db"
        shutil.copyfile(self._template, file)
        return file

    @asynccontextmanager
    async def ledger(self, file: Path, on_commit: OnCommit | None = None) -> AsyncIterator[SqlLedger]:
        async with open_database(f"sqlite:///{file}", on_commit=on_commit) as database:
            yield SqlLedger(database)

    def remove(self, file: Path) -> None:
        for found in self._directory.glob(file.name + "*"):
            found.unlink()


def add_companies(url: str, company_count: int) -> None:
    engine = write_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(companies), [_company(number) for number in range(1, company_count + 1)])
    engine.dispose()


async def contract(database: Database, company_count: int) -> None:
    """Every company has a plan."""
    minutes = SqlMinutesAdministration(database)
    for number in range(1, company_count + 1):
        await minutes.set_plan(Order(number, MINUTES, f"benchmark-{number}", BEGAN_AT))


def _company(number: int) -> dict[str, object]:
    return {
        "id": number,
        "slug": f"company-{number}",
        "name": f"Company {number}",
        "time_zone": ZONE,
        "area_code": "11",
        "blocked": False,
        "max_call_minutes": 180,
        "bill_inbound": False,
        "auto_answer": False,
        "recording": False,
        "exhaustion_policy": "cut",
        "created_at": BEGAN_AT,
    }
