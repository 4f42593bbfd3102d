"""Reports as CSV, for a Brazilian spreadsheet: what is opened there is what was exported.

UTF-8 with a byte order mark, `;` between cells (the comma is decimal there), CRLF. Dates as `22/11/2026 09:15:03` in
the company's time, durations as `00:01:37`: with minutes and seconds alone, 01:37 would be read as hours and minutes.
Numbers are grouped (`+55 11 99999-0000`), else 5,512E+12 is what is seen. Text that would be run as a formula
(CWE-1236) or read as a number or date is marked as text with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from callcontrol.domain.written_numbers import written
from callcontrol.engine.admin.views import CallView, FiguresView, ReportView, TotalsView, UserTotalsView

T = TypeVar("T")
Columns = list[tuple[str, Callable[[T], str | int]]]

BYTE_ORDER_MARK = "\ufeff"
DIRECTIONS = {"outbound": "Saída", "inbound": "Entrada", "internal": "Interna"}

# What begins a formula, also in the wide forms that East Asian spreadsheets take, and what moves on to the next cell.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_QUANTITY = re.compile(r"\s*[0-9][0-9\s.,:/eE+\-]*%?\s*")
_PLAIN = re.compile("0|[1-9][0-9]{0,10}")


def calls_csv(calls: Iterable[CallView]) -> Iterator[str]:
    """The call list (R10), line by line."""
    return _lines(_CALL, calls)


def report_csv(report: ReportView) -> Iterator[str]:
    """The totals of a period (R8), line by line: by user where the report has them."""
    if report.users is None:
        return _lines(_TOTALS, [report.totals])
    return _lines([*_USER, *((name, _of_totals(value)) for name, value in _TOTALS)], report.users)


def text_cell(value: str | None) -> str:
    """Somebody's words, which a spreadsheet must take as words."""
    if not value:
        return ""
    quantity = _QUANTITY.fullmatch(value) and not _PLAIN.fullmatch(value)
    return f"'{value}" if quantity or _FORMULA.match(value) else value


def number_cell(number: str) -> str:
    """A number that was dialled, however odd."""
    grouped = written(number)
    return text_cell(number) if grouped == number else grouped


def time_cell(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%d/%m/%Y %H:%M:%S}"


def duration_cell(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _yes(value: bool) -> str:
    return "sim" if value else "não"


def _lines(columns: Columns[T], rows: Iterable[T]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow([heading for heading, _ in columns])
    yield BYTE_ORDER_MARK + buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([value(row) for _, value in columns])
        yield buffer.getvalue()


def _of_totals(value: Callable[[TotalsView], str | int]) -> Callable[[UserTotalsView], str | int]:
    return lambda user: value(user.totals)


def _figures(direction: str, of: str) -> Columns[TotalsView]:
    """`of` completes the headings: calls to outside need no word."""

    def figures(totals: TotalsView) -> FiguresView:
        found: FiguresView = getattr(totals, direction)
        return found

    return [
        (f"Atendidas{of}", lambda totals: figures(totals).connected),
        (f"Não atendidas{of}", lambda totals: figures(totals).not_connected),
        (f"Total{of}", lambda totals: figures(totals).total),
        (f"Minutos{of}", lambda totals: figures(totals).minutes),
        (f"Minutos estornados{of}", lambda totals: figures(totals).refunded_minutes),
        (f"Recusadas{of}", lambda totals: figures(totals).refused),
        (f"Conversação{of}", lambda totals: duration_cell(figures(totals).billsec)),
    ]


_CALL: Columns[CallView] = [
    ("Data", lambda call: time_cell(call.answered_at or call.started_at)),
    ("Sentido", lambda call: DIRECTIONS.get(call.direction, call.direction)),
    ("Usuário", lambda call: text_cell(call.user)),
    ("Ramal", lambda call: text_cell(call.extension)),
    ("Número", lambda call: number_cell(call.number or call.dialled)),
    ("Contato", lambda call: text_cell(call.contact)),
    ("Empresa do contato", lambda call: text_cell(call.contact_company)),
    ("Status", lambda call: call.status),
    ("Duração", lambda call: duration_cell(call.billsec)),
    ("Duração (s)", lambda call: call.billsec),
    ("Minutos", lambda call: call.billed_minutes - call.refunded_minutes),
    ("Minutos cobrados", lambda call: call.billed_minutes),
    ("Minutos estornados", lambda call: call.refunded_minutes),
    ("Estimada", lambda call: _yes(call.estimated)),
    ("Acerto do relógio (s)", lambda call: f"{call.clock_step_s:g}".replace(".", ",")),
    ("Início", lambda call: time_cell(call.started_at)),
    ("Atendimento", lambda call: time_cell(call.answered_at)),
    ("Fim", lambda call: time_cell(call.ended_at)),
    ("Discado", lambda call: number_cell(call.dialled)),
    ("Motivo", lambda call: call.reason or ""),
    ("Causa Q.850", lambda call: "" if call.q850 is None else call.q850),
    ("Código SIP", lambda call: "" if call.sip_code is None else call.sip_code),
    ("Chamada", lambda call: text_cell(call.call_id)),
]
_TOTALS: Columns[TotalsView] = [
    *_figures("outbound", ""),
    *_figures("inbound", " (entrada)"),
    *_figures("internal", " (internas)"),
    ("Em andamento", lambda totals: totals.in_progress),
]
_USER: Columns[UserTotalsView] = [
    ("Usuário", lambda user: text_cell(user.name)),
    ("E-mail", lambda user: text_cell(user.email)),
    ("Ramal", lambda user: text_cell(user.extension)),
]
