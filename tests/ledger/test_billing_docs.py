"""docs/billing.md: each worked example is played on the ledger, and its table, in both languages, is what came out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from callcontrol.domain.grants import GrantKind
from callcontrol.engine.ports.minutes import (
    Cancellation,
    NotRefundable,
    NotWithdrawable,
    Order,
    PlanCorrection,
    RefundRequest,
)
from tests.support.books import COMPANY, Books, closing, open_books, opening

DOC = Path(__file__).parents[2] / "docs" / "billing.md"
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NO_CHARGE = "—"

Deed = Callable[[Books, datetime], Awaitable[str]]
"""Does something at an instant; returns what the column of billed minutes shows."""


@dataclass(frozen=True)
class Step:
    when: str
    """`DD/MM HH:MM:SS` in São Paulo, November 2026 to January 2027."""
    portuguese: str
    english: str
    deed: Deed

    @property
    def at(self) -> datetime:
        day, month = int(self.when[:2]), int(self.when[3:5])
        year = 2026 if month > 6 else 2027
        return datetime.fromisoformat(f"{year}-{month:02d}-{day:02d}T{self.when[6:]}").replace(tzinfo=SAO_PAULO)


def plan(minutes: int) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        await books.plan(minutes, f"plan-{at}", at)
        return NO_CHARGE

    return deed


def addon(minutes: int) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        await books.minutes.add_addon(Order(COMPANY, minutes, f"addon-{at}", at))
        return NO_CHARGE

    return deed


def policy(limit: int) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        await books.policy(limit, f"policy-{at}", at)
        return NO_CHARGE

    return deed


def gift(minutes: int) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        await books.gift(minutes, f"gift-{at}", at)
        return NO_CHARGE

    return deed


def correct(minutes: int) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        asked = PlanCorrection(COMPANY, minutes, f"correct-{at}", "um zero a mais", "operator", at)
        await books.minutes.correct_plan(asked)
        return NO_CHARGE

    return deed


def cancel(ordered: str, minutes: int, *, refused: bool = False) -> Deed:
    """The add-on ordered at that time."""

    async def deed(books: Books, at: datetime) -> str:
        of_order = f"addon-{Step(ordered, '', '', look).at}"
        asked = Cancellation(
            COMPANY, GrantKind.ADDON, of_order, minutes, f"cancel-{at}", "um zero a mais", "operator", at
        )
        if refused:
            with pytest.raises(NotWithdrawable):
                await books.minutes.cancel_order(asked)
        else:
            await books.minutes.cancel_order(asked)
        return NO_CHARGE

    return deed


async def look(books: Books, at: datetime) -> str:
    return NO_CHARGE


def call(call_id: str, talked_s: float | None) -> Deed:
    """A call with somebody there to hold each of its minutes, answered as soon as it is dialled; None: not answered."""

    async def deed(books: Books, at: datetime) -> str:
        assert await books.ledger.authorise(opening(call_id, at)) is not None
        begun = (at - books.start).total_seconds()
        if talked_s is None:
            return str((await books.hang_up(call_id, None, begun + 30)).billed_minutes)
        await books.answer(call_id, begun)
        for minute in range(2, int(talked_s // 60) + 2):
            assert await books.extend(call_id, minute, begun + (minute - 2) * 60) is not None
        return str((await books.hang_up(call_id, begun, begun + talked_s)).billed_minutes)

    return deed


def dials(call_id: str) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        return NO_CHARGE if await books.ledger.authorise(opening(call_id, at)) else "0"

    return deed


def is_cut(call_id: str, began: str) -> Deed:
    """At the end of its last held minute, which Asterisk takes a moment to do."""

    async def deed(books: Books, at: datetime) -> str:
        answered = Step(began, "", "", dials("")).at
        told = closing(call_id, at, started_at=answered, answered_at=answered, cut=True)
        return str((await books.ledger.close(told)).billed_minutes)

    return deed


def ends_unseen(call_id: str, began: str) -> Deed:
    """Nobody was there to hold more; settled from Asterisk's own record."""

    async def deed(books: Books, at: datetime) -> str:
        answered = Step(began, "", "", dials("")).at
        told = closing(call_id, at, started_at=answered, answered_at=answered)
        return str((await books.ledger.close(told)).billed_minutes)

    return deed


def refund(call_id: str, minutes: int | None, *, refused: bool = False) -> Deed:
    async def deed(books: Books, at: datetime) -> str:
        request = RefundRequest(call_id, minutes, f"refund-{at}", "ruído na linha", "operator", at)
        if refused:
            with pytest.raises(NotRefundable):
                await books.minutes.refund(request)
            return NO_CHARGE
        return f"-{(await books.minutes.refund(request)).minutes}"

    return deed


EXAMPLES: dict[int, list[Step]] = {
    1: [
        Step("22/11 09:00:00", "contrata franquia de 100", "contracts a pool of 100", plan(100)),
        Step("22/11 09:10:00", "não atendida", "not answered", call("a", None)),
        Step("22/11 09:20:00", "atendida e desligada no mesmo segundo", "answered, hung up at once", call("b", 0.4)),
        Step("22/11 09:30:00", "fala 60,4 s (mostra 01:00)", "talks 60.4 s (shown as 01:00)", call("c", 60.4)),
        Step("22/11 09:40:00", "fala 61 s (01:01)", "talks 61 s (01:01)", call("d", 61)),
        Step("22/11 09:50:00", "fala 97 s (01:37)", "talks 97 s (01:37)", call("e", 97)),
    ],
    2: [
        Step("22/11 09:00:00", "contrata franquia de 5", "contracts a pool of 5", plan(5)),
        Step("22/11 09:05:00", "compra adicional de 10", "buys an add-on of 10", addon(10)),
        Step("22/11 10:00:00", "fala 2:30", "talks 2:30", call("a", 150)),
        Step("22/11 11:00:00", "fala 3:10", "talks 3:10", call("b", 190)),
        Step("01/12 08:00:00", "mês novo; fala 0:20", "new month; talks 0:20", call("c", 20)),
    ],
    3: [
        Step("30/11 20:00:00", "contrata franquia de 3", "contracts a pool of 3", plan(3)),
        Step("30/11 23:58:30", "fala 3:40, até 00:02:10", "talks 3:40, until 00:02:10", call("a", 220)),
        Step("01/12 09:00:00", "consulta o consumo de dezembro", "looks at December's usage", look),
    ],
    4: [
        Step("22/11 09:00:00", "contrata franquia de 1", "contracts a pool of 1", plan(1)),
        Step("22/11 10:00:00", "Ana disca: o minuto é dela", "Ana dials: the minute is hers", dials("a")),
        Step("22/11 10:00:05", "Bia disca: recusada", "Bia dials: refused", dials("b")),
        Step("22/11 10:01:01", "a chamada da Ana é cortada", "Ana's call is cut", is_cut("a", "22/11 10:00:00")),
    ],
    5: [
        Step("22/11 09:00:00", "contrata franquia de 10", "contracts a pool of 10", plan(10)),
        Step("22/11 10:00:00", "fala 4:00", "talks 4:00", call("a", 240)),
        Step("23/11 10:00:00", "estorno de 1 min", "refund of 1 min", refund("a", 1)),
        Step("05/12 10:00:00", "estorno de 2 min: o mês acabou", "refund of 2 min: month over", refund("a", 2)),
        Step(
            "05/12 10:01:00",
            "mais 2 min: recusado, resta 1",
            "2 more: refused, 1 is left",
            refund("a", 2, refused=True),
        ),
        Step("06/12 10:00:00", "fala 11:30", "talks 11:30", call("b", 690)),
    ],
    6: [
        Step("22/11 09:00:00", "contrata franquia de 2", "contracts a pool of 2", plan(2)),
        Step("22/11 10:00:00", "disca; o servidor para", "dials; the server stops", dials("a")),
        Step(
            "22/11 10:04:50", "desliga: 4:50 de conversa", "hangs up: 4:50 of talk", ends_unseen("a", "22/11 10:00:00")
        ),
    ],
    7: [
        Step("10/11 09:00:00", "contrata franquia de 100", "contracts a pool of 100", plan(100)),
        Step("15/11 09:00:00", "sobe para 150: vale já", "up to 150: at once", plan(150)),
        Step("20/11 09:00:00", "desce para 50: mês que vem", "down to 50: next month", plan(50)),
        Step("01/12 09:00:00", "fala 0:45", "talks 0:45", call("a", 45)),
    ],
    8: [
        Step("22/11 09:00:00", "contrata franquia de 2", "contracts a pool of 2", plan(2)),
        Step("22/11 09:01:00", "política `finish`, limite de 5", "policy `finish`, limit of 5", policy(5)),
        Step("22/11 10:00:00", "fala 4:20; ninguém corta", "talks 4:20; nobody cuts", call("a", 260)),
        Step("22/11 10:10:00", "disca: recusada, não há minuto", "dials: refused, no minute left", dials("b")),
        Step("22/11 11:00:00", "adicional de 10: 3 quitam", "add-on of 10: 3 pay back", addon(10)),
        Step("22/11 12:00:00", "fala 1:10", "talks 1:10", call("c", 70)),
    ],
    9: [
        Step("22/11 09:00:00", "contrata franquia de 2", "contracts a pool of 2", plan(2)),
        Step("22/11 09:01:00", "política `finish`, limite de 5", "policy `finish`, limit of 5", policy(5)),
        Step("22/11 10:00:00", "fala 4:20", "talks 4:20", call("a", 260)),
        Step("22/11 11:00:00", "estorno de 1: deve menos", "refund of 1: owes less", refund("a", 1)),
        Step("22/11 12:00:00", "adicional de 2: 2 quitam", "add-on of 2: 2 pay back", addon(2)),
        Step("22/11 13:00:00", "estorno de 3: 2 já quitados", "refund of 3: 2 were paid", refund("a", 3)),
    ],
    10: [
        Step("22/11 09:00:00", "contrata franquia de 100", "contracts a pool of 100", plan(100)),
        Step("22/11 09:10:00", "sobe para 1500, por engano", "up to 1500, by mistake", plan(1500)),
        Step("22/11 10:00:00", "fala 3:00", "talks 3:00", call("a", 180)),
        Step("22/11 10:10:00", "corrige para 150: vale já", "corrected to 150: at once", correct(150)),
        Step("22/11 11:00:00", "adicional de 500, por engano", "add-on of 500, by mistake", addon(500)),
        Step("22/11 11:10:00", "cancela 450 dele", "450 of it cancelled", cancel("22/11 11:00:00", 450)),
        Step(
            "22/11 11:20:00",
            "cancela mais 60: recusado, há 50",
            "60 more: refused, 50 are there",
            cancel("22/11 11:00:00", 60, refused=True),
        ),
        Step("22/11 12:00:00", "ganha cortesia de 20", "is given a courtesy of 20", gift(20)),
    ],
}


async def play(directory: Path, steps: list[Step]) -> tuple[str, str]:
    """The example's table in Portuguese and in English."""
    portuguese = [
        "| quando | o que acontece | minutos | franquia usada | cortesia | adicionais | a descoberto |",
        "|---|---|---|---|---|---|---|",
    ]
    english = [
        "| when | what happens | minutes | pool used | courtesy | add-ons | overdraft |",
        "|---|---|---|---|---|---|---|",
    ]
    async with open_books(directory, start=steps[0].at) as books:
        for step in steps:
            charged = await step.deed(books, step.at)
            usage = await books.minutes.usage(COMPANY, step.at)
            rest = f"{usage.courtesy_balance} | {usage.addon_balance} | {usage.overdraft} |"
            posted, granted = usage.monthly_posted, usage.monthly_granted
            portuguese.append(f"| {step.when} | {step.portuguese} | {charged} | {posted} de {granted} | {rest}")
            english.append(f"| {step.when} | {step.english} | {charged} | {posted} of {granted} | {rest}")
        assert await books.findings() == []
    return "\n".join(portuguese), "\n".join(english)


@pytest.mark.parametrize("number", EXAMPLES)
async def test_the_example_is_what_the_ledger_does(tmp_path: Path, number: int) -> None:
    portuguese, english = await play(tmp_path, EXAMPLES[number])
    page = DOC.read_text()
    assert f"### Exemplo {number}" in page
    assert f"### Example {number}" in page
    assert _section(page, f"### Exemplo {number}") == portuguese
    assert _section(page, f"### Example {number}") == english


def _section(page: str, heading: str) -> str:
    """The table under a heading."""
    body = re.split(r"\n#+ ", page[page.index(heading) :])[0]
    return "\n".join(line for line in body.splitlines() if line.startswith("|"))


def test_every_example_of_the_page_is_played() -> None:
    page = DOC.read_text()
    for word in ("Exemplo", "Example"):
        assert page.count(f"### {word} ") == len(EXAMPLES)
