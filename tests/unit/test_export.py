"""CSV opens in a Brazilian spreadsheet as what it was, read here as strictly as by one (R8, R10)."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.written_numbers import written
from callcontrol.engine.admin.export import calls_csv, number_cell, report_csv, text_cell
from callcontrol.engine.admin.views import CallView, FiguresView, ReportView, TotalsView, UserTotalsView

AT = datetime.fromisoformat("2026-11-22T09:00:05-03:00")


def call(**more: object) -> CallView:
    usual: dict[str, object] = {
        "call_id": "019ab3c4d5e67f708192a3b4c5d6e7f8",
        "started_at": AT,
        "answered_at": AT,
        "ended_at": AT,
        "direction": "outbound",
        "status": "Atendida",
        "disposition": "ANSWERED",
        "reason": "customer_hung_up",
        "q850": 16,
        "sip_code": None,
        "dialled": "999990000",
        "number": "+5511999990000",
        "contact": "José da Conceição",
        "contact_company": "Pão & Cia",
        "extension": "1001",
        "user": "Ana",
        "billsec": 97,
        "billed_minutes": 2,
        "refunded_minutes": 1,
        "estimated": False,
        "clock_step_s": 0.0,
    }
    return CallView(**{**usual, **more})  # type: ignore[arg-type]


def read(text: str) -> list[dict[str, str]]:
    """As a spreadsheet with Brazilian settings splits it. Raises for what is not exactly CSV."""
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    body = text[1:]
    assert "\n" not in body.replace("\r\n", "").replace("'\n", "")
    rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=";", strict=True))
    heading, *rest = rows
    assert len(set(heading)) == len(heading)
    return [dict(zip(heading, row, strict=True)) for row in rest]


def test_a_call_as_it_is_read() -> None:
    [row] = read("".join(calls_csv([call()])))
    assert row == {
        "Data": "22/11/2026 09:00:05",
        "Sentido": "Saída",
        "Usuário": "Ana",
        "Ramal": "1001",
        "Número": "+55 11 99999-0000",
        "Contato": "José da Conceição",
        "Empresa do contato": "Pão & Cia",
        "Status": "Atendida",
        "Duração": "00:01:37",
        "Duração (s)": "97",
        "Minutos": "1",
        "Minutos cobrados": "2",
        "Minutos estornados": "1",
        "Estimada": "não",
        "Acerto do relógio (s)": "0",
        "Início": "22/11/2026 09:00:05",
        "Atendimento": "22/11/2026 09:00:05",
        "Fim": "22/11/2026 09:00:05",
        "Discado": "99999-0000",
        "Motivo": "customer_hung_up",
        "Causa Q.850": "16",
        "Código SIP": "",
        "Chamada": "019ab3c4d5e67f708192a3b4c5d6e7f8",
    }


def test_what_is_not_there_is_empty() -> None:
    gone = call(answered_at=None, ended_at=None, number=None, contact=None, user=None, extension=None, reason=None)
    [row] = read("".join(calls_csv([gone])))
    assert (row["Atendimento"], row["Fim"], row["Contato"], row["Usuário"], row["Ramal"], row["Motivo"]) == ("",) * 6
    assert row["Número"] == "99999-0000"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+5511999990000", "+55 11 99999-0000"),
        ("+551130003000", "+55 11 3000-3000"),
        ("+12125551234", "+1 2125551234"),
        ("+351912345678", "+351 912345678"),
        ("08001234567", "0800 123 4567"),
        ("0300123456", "0300 123 456"),
        ("40041234", "4004-1234"),
        ("190", "190"),
        ("1001", "1001"),
        ("0012", "'0012"),
        ("30003000", "3000-3000"),
        ("999990000", "99999-0000"),
        ("01511999990000", "0151 1999 9900 00"),
        ("12345678901234567890", "1234 5678 9012 3456 7890"),
        ("=1+1", "'=1+1"),
        ("*99", "*99"),
        ("+", "'+"),
    ],
)
def test_numbers_are_no_quantities(number: str, shown: str) -> None:
    """A spreadsheet would show 5,512E+12, and 8001234567 for 0800 123 4567."""
    assert number_cell(number) == shown
    assert not shown.isdigit() or not shown.startswith("0")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1+1", "'\t=1+1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("＝1+1", "'＝1+1"),
        ("1/2", "'1/2"),
        ("1e5", "'1e5"),
        ("1.234", "'1.234"),
        ("00123", "'00123"),
        ("123456789012345678", "'123456789012345678"),
        ("1001", "1001"),
        ("50%", "'50%"),
        ("3M do Brasil", "3M do Brasil"),
        ("Ana = Maria", "Ana = Maria"),
        ("João; Maria \"Mimi\"", "João; Maria \"Mimi\""),
        (None, ""),
    ],
)  # fmt: skip
def test_words_stay_words(text: str | None, shown: str) -> None:
    """CWE-1236: a contact's name is what somebody typed."""
    assert text_cell(text) == shown


@given(st.text(), st.text(), st.text())
def test_nothing_that_is_typed_is_a_formula_or_another_cell(contact: str, user: str, dialled: str) -> None:
    text = "".join(calls_csv([call(contact=contact, user=user, dialled=dialled, number=None)]))
    [row] = csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=";", strict=True)
    assert None not in row
    assert row["Contato"].removeprefix("'") == contact.removeprefix("'") or contact == ""
    for name in ("Contato", "Usuário", "Discado", "Número"):
        assert not re.match(r"\s*[=@\-]|[\t\r\n]", row[name]), name
        # The one plus that stays is ours, before digits and a space.
        assert not re.match(r"\s*\+", row[name]) or re.fullmatch(r"\+[0-9]* [0-9 -]+", row[name]), name


@given(st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True))
def test_written_numbers_lose_no_digit(number: str) -> None:
    assert re.sub("[ -]", "", written(number)) == number


def figures(first: int) -> FiguresView:
    return FiguresView(
        connected=first,
        not_connected=first + 1,
        total=2 * first + 1,
        refused=first + 2,
        minutes=first + 3,
        billed_minutes=first + 4,
        refunded_minutes=1,
        billsec=3661,
    )


def test_a_report_and_its_users() -> None:
    totals = TotalsView(outbound=figures(10), inbound=figures(20), internal=figures(30), in_progress=4)
    users = [UserTotalsView(name="=Ana", email="ana@x.br", extension=None, totals=totals)]
    report = ReportView(
        company="acme", time_zone="UTC", first_day=None, last_day=None, totals=totals, held=1, users=None
    )
    [row] = read("".join(report_csv(report)))
    assert (row["Atendidas"], row["Não atendidas"], row["Total"], row["Minutos"]) == ("10", "11", "21", "13")
    assert (row["Total (entrada)"], row["Total (internas)"], row["Em andamento"]) == ("41", "61", "4")
    assert row["Conversação"] == "01:01:01"
    by_user = ReportView(
        company="acme", time_zone="UTC", first_day=None, last_day=None, totals=totals, held=1, users=users
    )
    [row] = read("".join(report_csv(by_user)))
    assert (row["Usuário"], row["E-mail"], row["Ramal"], row["Total"]) == ("'=Ana", "ana@x.br", "", "21")


@pytest.mark.campaign
def test_a_real_spreadsheet_shows_what_was_exported(tmp_path: Path) -> None:
    """LibreOffice with Brazilian settings shows each cell as it was written; by request, for the program is large."""
    office = os.environ.get("CALLCONTROL_SPREADSHEET") or shutil.which("soffice")
    assert office is not None, "install LibreOffice Calc, or name its soffice in CALLCONTROL_SPREADSHEET"
    odd = [
        call(),
        call(billsec=3661, number="08001234567", contact="=1+1", user="1/2", extension="0012"),
        call(number="+12125551234", contact='João; "Mimi"', user="-2+3", call_id="12345678901234567e90123456789012"),
        call(number=None, dialled="01511999990000", contact="@SUM(A1)", user="123456789012345678"),
        call(number="40041234", contact="+1+1", user="1e5"),
    ]
    file = tmp_path / "chamadas.csv"
    file.write_bytes("".join(calls_csv(odd)).encode())
    # Cells by `;` (59), text in `"` (34), UTF-8 (76), from line 1, in Brazilian Portuguese (1046), numbers recognised.
    reading = "--infilter=CSV:59,34,76,1,,1046,false,true"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    into = ["--convert-to", "fods", "--outdir", str(tmp_path)]
    subprocess.run([office, "--headless", profile, reading, *into, str(file)], check=True, timeout=110)
    heading, *shown = spreadsheet(tmp_path / "chamadas.fods")
    written_down = [list(row.values()) for row in read(file.read_bytes().decode())]
    assert [meant(row) for row in written_down] == shown
    assert heading == [("string", name) for name in read(file.read_bytes().decode())[0]]


def meant(row: list[str]) -> list[tuple[str, str]]:
    """The kind and value that each of our cells is to have."""
    cells = []
    for text in row:
        if match := re.fullmatch(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)", text):
            day, month, year, time = match.groups()
            cells.append(("date", f"{year}-{month}-{day}T{time}"))
        elif match := re.fullmatch(r"(\d\d):(\d\d):(\d\d)", text):
            cells.append(("time", "PT{}H{}M{}S".format(*match.groups())))
        elif re.fullmatch(r"\d{1,5}", text):
            cells.append(("float", text))
        else:
            cells.append(("string", text))
    return cells


def spreadsheet(file: Path) -> list[list[tuple[str, str]]]:
    """Kind and value of every cell of a flat OpenDocument file."""
    office, table, words = (
        f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("office", "table", "text")
    )
    rows = []
    for row in ElementTree.parse(file).iter(f"{table}table-row"):
        cells: list[tuple[str, str]] = []
        for cell in row.iter(f"{table}table-cell"):
            kind = cell.get(f"{office}value-type", "string")
            name = {"date": "date-value", "time": "time-value", "float": "value"}.get(kind)
            text = "".join(part for found in cell.iter(f"{words}p") for part in found.itertext())
            value = text if name is None else cell.get(f"{office}{name}", "")
            assert cell.get(f"{table}formula") is None, value
            cells += [(kind, value)] * int(cell.get(f"{table}number-columns-repeated", "1"))
        rows.append(cells)
    return rows
