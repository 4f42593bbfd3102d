"""`calls` and `report`: what is printed, in pages, and that all of it says the same (R8-R10, I12)."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callcontrol.cli import reports
from callcontrol.cli.exits import Exit
from callcontrol.database import open_database
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.ports.minutes import RefundRequest
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.ledger.ledger import SqlLedger
from tests.support.books import closing
from tests.unit.cli.support import CommandLine

AT = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0)
COUNT = 25


@pytest.fixture
def acme(cc: CommandLine) -> CommandLine:
    """Company acme with a plan of 100 and calls of all kinds, today."""
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("agent", "add", "acme", "1001", "--name", "=Ana")
    cc.do("plan", "set", "acme", "100")
    asyncio.run(_calls(cc))
    return cc


async def _calls(cc: CommandLine) -> None:
    async with open_database(f"sqlite:///{cc.database}") as database:
        ledger = SqlLedger(database)
        for number in range(COUNT):
            at = AT + timedelta(seconds=number)
            answered = number % 3 == 0
            told = closing(
                f"call-{number:02}",
                at + timedelta(seconds=10 * number),
                started_at=at,
                answered_at=at if answered else None,
            )
            if number == 1:
                told = replace(told, disposition=Disposition.REFUSED, reason=Reason.POOL_EXHAUSTED)
            await ledger.close(replace(told, agent_id=1, direction="internal" if number == 9 else "outbound"))
        request = RefundRequest("call-24", 2, "r1", "noise", "operator", AT)
        await SqlMinutesAdministration(database).refund(request)


def spreadsheet(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=";", strict=True))


def test_list_report_and_usage_say_the_same(acme: CommandLine) -> None:
    """R8, I12: the CSV adds up to the report, the report to what the pool has lost."""
    rows = spreadsheet(acme.do("calls", "acme", "--csv").out)
    outside = [row for row in rows if row["Sentido"] == "Saída"]
    report = acme.do("report", "acme", "--json").json["totals"]["outbound"]
    [line] = spreadsheet(acme.do("report", "acme", "--csv").out)
    [user] = spreadsheet(acme.do("report", "acme", "--by", "user", "--csv").out)
    for status, figure, heading in (("Atendida", "connected", "Atendidas"), ("Recusada", "refused", "Recusadas")):
        found = sum(row["Status"] == status for row in outside)
        assert found == report[figure] == int(line[heading]) == int(user[heading])
    assert report["total"] == len(outside) - report["refused"] == int(line["Total"])
    minutes = sum(int(row["Minutos"]) for row in rows)
    assert minutes == report["minutes"] == int(line["Minutos"]) == int(user["Minutos"]) > 0
    assert minutes == acme.do("usage", "acme", "--json").json["monthly_posted"]
    assert user["Usuário"] == "'=Ana"


def test_pages_make_one_list(acme: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are, and with a limit anywhere: the same calls in the same order, each once."""
    whole = [row["call_id"] for row in acme.do("calls", "acme", "--json").json]
    assert whole == [f"call-{number:02}" for number in reversed(range(COUNT))]
    monkeypatch.setattr(reports, "LONGEST_PAGE", 4)
    assert [row["call_id"] for row in acme.do("calls", "acme", "--json").json] == whole
    assert [row["Chamada"] for row in spreadsheet(acme.do("calls", "acme", "--csv").out)] == whole
    for limit in (1, 4, 7, COUNT):
        ran = acme.run("calls", "acme", "--json", f"--limit={limit}")
        assert [row["call_id"] for row in ran.json] == whole[:limit]
        assert ran.err == (
            "" if limit == COUNT else f"note: these are the newest {limit} calls; see --limit, --from and --to\n"
        )


def test_what_is_asked_for_is_what_is_listed(acme: CommandLine) -> None:
    listed = acme.do("calls", "acme", "--status", "recusada", "--agent", "1001", "--json").json
    assert [row["call_id"] for row in listed] == ["call-01"]
    assert len(acme.do("calls", "acme", "--direction", "internal", "--json").json) == 1
    assert len(acme.do("calls", "acme", "--search", "+55 11 99999", "--json").json) == COUNT
    assert acme.do("calls", "acme", "--search", "ninguém").out == "no calls\n"
    acme.refuse(Exit.REFUSED, "no agent '1002'", "calls", "acme", "--agent", "1002")
    acme.refuse(Exit.REFUSED, "no user", "calls", "acme", "--user", "x@y.br")


def test_the_report_on_a_terminal(acme: CommandLine) -> None:
    out = acme.do("report", "acme", "--by", "user").out
    lines = out.splitlines()
    assert lines[0].startswith("acme, ")
    assert lines[1].split("  ")[0] == "CHAMADAS"
    assert [line.split()[0] for line in lines[2:5]] == ["Saída", "Entrada", "Interna"]
    assert "em andamento: 0; minutos reservados: 0" in out
    assert "=Ana" in lines[-1]
    assert "2000-01-01 – 2000-01-31" in acme.do("report", "acme", "--from", "2000-01-01", "--to", "2000-01-31").out
