"""Reasons and causes: the documentation says what the code does, and no reason leaves an agent in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callcontrol.domain.causes import AGENT_ANSWERS, Disposition, Reason, unanswered_reason
from callcontrol.domain.status import call_status

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "causes.md").read_text()
ANSWERED = {
    Reason.AGENT_HUNG_UP,
    Reason.CUSTOMER_HUNG_UP,
    Reason.MAX_DURATION,
    Reason.PBX_LIMIT,
    Reason.PBX_RESTARTED,
    Reason.POOL_EXHAUSTED,
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, without backquotes, header and rule."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return [row for row, after in zip(cells, [*cells[1:], [""]], strict=True) if "---" not in row[0] + after[0]]


def test_the_table_of_answers_is_the_code() -> None:
    documented = {row[0]: row[2:] for row in rows("Calls that were not answered")}
    assert documented == {
        reason.value: [
            answer.disposition.value,
            call_status(answer.disposition, answered=False).value,
            str(int(answer.q850)),
            str(answer.sip_code),
            answer.announcement,
        ]
        for reason, answer in AGENT_ANSWERS.items()
    }


def test_every_reason_is_documented() -> None:
    assert {row[0] for row in rows("Calls that were answered")} == {reason.value for reason in ANSWERED}
    assert set(Reason) - ANSWERED - AGENT_ANSWERS.keys() == {Reason.CANCELLED}
    assert f"`{Reason.CANCELLED.value}`, disposition CANCELLED" in PAGE


def test_every_announcement_is_a_recording_in_both_languages_or_a_tone() -> None:
    tones = (ROOT / "asterisk-conf" / "indications.conf").read_text()
    for answer in AGENT_ANSWERS.values():
        kind, _, tone = answer.announcement.rpartition(":")
        if kind:
            assert (kind, re.search(rf"^{tone}\s*=", tones, re.MULTILINE) is not None) == ("tone", True)
        else:
            for language in ("pt_BR", "en"):
                sound = ROOT / "asterisk-conf" / "sounds" / language / "callcontrol" / f"{answer.announcement}.wav"
                assert sound.stat().st_size > 8000


@pytest.mark.parametrize(
    ("reason", "expected"), [(reason, answer.disposition) for reason, answer in AGENT_ANSWERS.items()]
)
def test_what_is_refused_was_never_dialled(reason: Reason, expected: Disposition) -> None:
    dialled = {Reason.BUSY, Reason.NO_ANSWER, Reason.REJECTED, Reason.UNREACHABLE, Reason.CONGESTION}
    assert (expected is Disposition.REFUSED) == (reason not in dialled | {Reason.INVALID_NUMBER})


def codes(cell: str) -> list[int]:
    return [int(code) for code in re.findall(r"\b\d{1,3}\b", cell)]


def test_the_carriers_causes_are_mapped_as_documented() -> None:
    by_sip: dict[int, str] = {}
    by_q850: dict[int, str] = {}
    for cell, reason in rows("From the carrier's cause to the reason"):
        target = by_sip if codes(cell) and min(codes(cell)) >= 400 else by_q850
        target.update(dict.fromkeys(codes(cell), reason))
    for code in range(400, 700):
        expected = by_sip.get(code) or {4: "rejected", 5: "congestion", 6: "congestion"}[code // 100]
        assert unanswered_reason(None, code) == expected
    for cause in range(128):
        expected = by_q850.get(cause, "congestion")
        assert unanswered_reason(cause, None) == expected
        assert unanswered_reason(cause, 503) == "congestion"
        assert unanswered_reason(cause, 486) == "busy"
        assert unanswered_reason(cause, 402) == by_q850.get(cause, "rejected")
    assert unanswered_reason(None, None) == "congestion"
