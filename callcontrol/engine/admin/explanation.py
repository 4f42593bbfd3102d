"""Why a call cost what it cost, in words: Portuguese, and English beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import billed_minutes
from callcontrol.domain.status import call_status
from callcontrol.engine.ports.minutes import CallAccount, EntryRow

Sentence = tuple[str, str]
"""The same in Portuguese and in English."""

_SOURCES: dict[str, Sentence] = {
    GrantKind.MONTHLY: ("da franquia de {month}", "from the monthly pool of {month}"),
    GrantKind.COURTESY: ("de minutos de cortesia", "from courtesy minutes"),
    GrantKind.ADDON: ("de pacote adicional", "from an add-on"),
}
_MARKS: dict[str, Sentence] = {
    "overdraft": (
        "a descoberto, dentro do limite da política `finish` (D4)",
        "as overdraft, within the limit of the policy `finish` (D4)",
    ),
    "grace": (
        "a descoberto, marcado `grace`: já não havia de onde tirar (D5)",
        "as overdraft, marked `grace`: nothing was left to take from (D5)",
    ),
}


def explain(account: CallAccount) -> list[Sentence]:
    """From the answer to the net cost, one fact after the other, with the rule of each."""
    return [*_course(account), *_bill(account), *_refunds(account), _total(account)]


def _course(account: CallAccount) -> Iterator[Sentence]:
    call = account.call
    began, number = _local(account, call.started_at), call.number or call.dialled
    yield (
        f"Chamada {call.call_id} para {number}, iniciada em {began}.",
        f"Call {call.call_id} to {number}, begun {began}.",
    )
    status = call_status(call.disposition, answered=call.answered_at is not None)
    if call.disposition is Disposition.REFUSED:
        reason = "" if call.reason is None else call.reason.value
        yield f"Recusada antes de discar: {reason}.", f"Refused before dialling: {reason}."
    elif call.answered_at is None:
        yield f"{status}: chamada não atendida não custa nada (R6).", "Not answered: it costs nothing (R6)."
    elif call.ended_at is None:
        at = _local(account, call.answered_at)
        yield f"Atendida em {at}; ainda em andamento.", f"Answered {at}; still in progress."
    else:
        at, end = _local(account, call.answered_at), _local(account, call.ended_at)
        yield (
            f"Atendida em {at}, terminou em {end}: {call.billsec} segundos inteiros de conversa.",
            f"Answered {at}, ended {end}: {call.billsec} whole seconds of talk.",
        )
    if call.clock_step_s:
        pt, en = ("adiantado", "forward") if call.clock_step_s > 0 else ("atrasado", "back")
        size_s = abs(call.clock_step_s)
        yield (
            f"Durante a conversa o relógio da máquina foi {pt} em {size_s:g} s, que não contam (D10).",
            f"During the talk the machine's clock was set {en} by {size_s:g} s, which do not count (D10).",
        )
    if call.estimated:
        yield (
            "O fim é estimado: é a última vez em que a chamada foi vista (D6).",
            "The end is estimated: it is the last time the call was seen (D6).",
        )
    if account.holds and call.disposition is None:
        held = sum(step.minutes for step in account.holds)
        yield f"{held} min reservados, ainda não cobrados (D15).", f"{held} min held, not billed yet (D15)."


def _bill(account: CallAccount) -> Iterator[Sentence]:
    call = account.call
    if call.answered_at is None or call.ended_at is None:
        return
    if not account.billable:
        yield (
            "Não é tarifada: interna, de emergência ou recebida (R13, D16).",
            "Not billed: internal, emergency or inbound (R13, D16).",
        )
        return
    due, billed = billed_minutes(call.billsec), call.billed_minutes
    yield (
        f"{call.billsec} s são {due} min: minutos inteiros, sempre para cima, no mínimo 1 (R7).",
        f"{call.billsec} s are {due} min: whole minutes, always rounded up, at least 1 (R7).",
    )
    held = sum(step.minutes for step in account.holds)
    if call.reason is Reason.POOL_EXHAUSTED:
        yield (
            "Os minutos acabaram e nós cortamos a chamada: paga no máximo o que estava reservado (D4).",
            "The minutes ran out and we cut the call: it pays at most what was held (D4).",
        )
    elif billed > held:
        yield (
            f"{billed - held} min além do reservado: a conversa continuou sem o controle, e é cobrada (D5).",
            f"{billed - held} min beyond what was held: the talk went on without control, and is billed (D5).",
        )
    for step in account.holds:
        at = _local(account, step.at)
        yield f"Reservado em {at}: {step.minutes} min.", f"Held {at}: {step.minutes} min."
    if held > billed:
        yield (
            f"Reservado e não usado, devolvido: {held - billed} min.",
            f"Held, not used, released: {held - billed} min.",
        )
    if account.belongs_to is not None:
        month = account.belongs_to
        yield f"Pertence a {month}, o mês do atendimento (D2).", f"It belongs to {month}, the month of its answer (D2)."
    for entry in account.entries:
        if entry.kind in _MARKS or (entry.kind == "post" and entry.grant_kind != GrantKind.OVERDRAFT):
            yield _taken(entry)


def _taken(entry: EntryRow) -> Sentence:
    words = _MARKS[entry.kind] if entry.kind in _MARKS else _SOURCES[entry.grant_kind]
    portuguese, english = (word.format(month=entry.grant_period) for word in words)
    return (
        f"{entry.minutes} min {portuguese}, lançamento {entry.seq}.",
        f"{entry.minutes} min {english}, entry {entry.seq}.",
    )


def _refunds(account: CallAccount) -> Iterator[Sentence]:
    lines = {entry.seq: entry for entry in account.entries}
    for note in account.refunds:
        at = _local(account, note.at)
        yield (
            f"Estorno {note.request} em {at}: {note.minutes} min, motivo: {note.reason} (D9).",
            f"Refund {note.request} {at}: {note.minutes} min, reason: {note.reason} (D9).",
        )
        for entry in account.entries:
            if entry.mirrors is not None and entry.reference == f"adjust:{note.request}":
                portuguese, english = _returned(entry, lines[entry.mirrors])
                yield (
                    f"{entry.minutes} min {portuguese}, espelhando o lançamento {entry.mirrors}.",
                    f"{entry.minutes} min {english}, mirroring entry {entry.mirrors}.",
                )


def _returned(entry: EntryRow, mirrored: EntryRow) -> Sentence:
    if entry.kind == "courtesy":
        if mirrored.grant_kind == GrantKind.OVERDRAFT:
            return (
                "viram cortesia, porque um adicional já tinha quitado o descoberto",
                "became courtesy, because an add-on had paid the overdraft back",
            )
        return "viram cortesia, porque o mês já acabou", "became courtesy, because the month was over"
    if entry.grant_kind == GrantKind.OVERDRAFT:
        return "a menos no descoberto", "less of overdraft"
    portuguese, english = _SOURCES[entry.grant_kind]
    return (
        "de volta ao saldo " + portuguese.format(month=entry.grant_period),
        "back to what was taken " + english.format(month=entry.grant_period),
    )


def _total(account: CallAccount) -> Sentence:
    call = account.call
    net = call.billed_minutes - call.refunded_minutes
    if call.refunded_minutes:
        sum_ = f"{call.billed_minutes} - {call.refunded_minutes} = "
        return f"Custo: {sum_}{net} min.", f"Cost: {sum_}{net} min."
    return f"Custo: {net} min.", f"Cost: {net} min."


def _local(account: CallAccount, instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(account.time_zone)).strftime("%d/%m/%Y %H:%M:%S")
