"""Why a call cost what it cost, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.admin.explanation import explain
from callcontrol.engine.ports.minutes import RefundRequest, UnknownCall
from tests.support.books import Books, closing, opening


async def told(books: Books, call_id: str = "a") -> tuple[str, str]:
    """In Portuguese, and in English."""
    sentences = explain(await books.minutes.account_of(call_id))
    return "\n".join(portuguese for portuguese, _ in sentences), "\n".join(english for _, english in sentences)


async def test_a_call_that_was_answered(books: Books) -> None:
    await books.plan(100)
    await books.dial("a")
    await books.extend("a", 2, 5)
    await books.hang_up("a", 5, 102.9)
    portuguese, english = await told(books)
    assert portuguese.splitlines() == [
        "Chamada a para +5511999990000, iniciada em 22/11/2026 09:00:00.",
        "Atendida em 22/11/2026 09:00:05, terminou em 22/11/2026 09:01:42: 97 segundos inteiros de conversa.",
        "97 s são 2 min: minutos inteiros, sempre para cima, no mínimo 1 (R7).",
        "Reservado em 22/11/2026 09:00:00: 1 min.",
        "Reservado em 22/11/2026 09:00:05: 5 min.",
        "Reservado e não usado, devolvido: 4 min.",
        "Pertence a 2026-11, o mês do atendimento (D2).",
        "2 min da franquia de 2026-11, lançamento 2.",
        "Custo: 2 min.",
    ]
    assert english.splitlines()[2] == "97 s are 2 min: whole minutes, always rounded up, at least 1 (R7)."
    assert english.splitlines()[-1] == "Cost: 2 min."


async def test_refunds_and_what_they_mirror(books: Books) -> None:
    """D9: one in the month, one after it."""
    await books.plan(100)
    await books.dial("a")
    await books.hang_up("a", 0, 240)
    for request_id, minutes, at in (("r1", 1, books.start), ("r2", 2, datetime(2026, 12, 10, tzinfo=UTC))):
        await books.minutes.refund(RefundRequest("a", minutes, request_id, "ruído", "operator", at))
    portuguese, english = await told(books)
    assert "Estorno r1 em 22/11/2026 09:00:00: 1 min, motivo: ruído (D9).\n" in portuguese
    assert "1 min de volta ao saldo da franquia de 2026-11, espelhando o lançamento 2.\n" in portuguese
    assert "2 min viram cortesia, porque o mês já acabou, espelhando o lançamento 2.\n" in portuguese
    assert portuguese.endswith("Custo: 4 - 3 = 1 min.")
    assert "Refund r1" in english


async def test_grace_estimated_and_cut(books: Books) -> None:
    """D4, D5, D6: each flag has its sentence."""
    await books.plan(2)
    await books.dial("a")
    lost = replace(closing("a", books.at(290), answered_at=books.start), estimated=True)
    await books.ledger.close(lost)
    portuguese, english = await told(books)
    assert "O fim é estimado" in portuguese
    assert "4 min além do reservado" in portuguese
    assert "3 min a descoberto, marcado `grace`" in portuguese
    assert "marked `grace`" in english
    await books.addon(4)
    await books.dial("b", 300)
    await books.hang_up("b", 300, 361, cut=True)
    portuguese, _ = await told(books, "b")
    assert "61 s são 2 min" in portuguese
    assert "paga no máximo o que estava reservado (D4)" in portuguese
    assert portuguese.endswith("Custo: 1 min.")


async def test_calls_that_cost_nothing(books: Books) -> None:
    """R6, R13, D15, D16."""
    await books.plan(10)
    await books.dial("missed")
    await books.hang_up("missed", None, 30)
    assert "Não atendida: chamada não atendida não custa nada (R6)." in (await told(books, "missed"))[0]
    await books.ledger.authorise(opening("190", company_id=None, billable=False))
    await books.hang_up("190", 0, 90)
    assert "Não é tarifada" in (await told(books, "190"))[0]
    refused = closing("r", books.at(1), reason=Reason.POOL_EXHAUSTED, disposition=Disposition.REFUSED)
    await books.ledger.close(refused)
    assert "Recusada antes de discar: pool_exhausted." in (await told(books, "r"))[0]
    await books.dial("open")
    await books.answer("open", 3)
    portuguese, _ = await told(books, "open")
    assert "ainda em andamento" in portuguese
    assert "1 min reservados, ainda não cobrados (D15)." in portuguese


async def test_a_call_that_nobody_knows(books: Books) -> None:
    with pytest.raises(UnknownCall):
        await books.minutes.account_of("nobody")
