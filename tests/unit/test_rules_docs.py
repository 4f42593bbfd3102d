"""docs/rules.md names places that exist, and tests that name the rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "rules.md").read_text().splitlines()
    if re.match(r"\| [RMD]\d", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_code_and_proof_exist_and_the_proof_names_the_rule(row: list[str]) -> None:
    rules, _, code, proof = row
    assert (ROOT / code.strip("`")).is_file()
    text = (ROOT / proof.strip("`")).read_text()
    assert any(re.search(rf"(?i)\b{rule}(?!\d)|_{rule.lower()}_", text) for rule in rules.split(", "))
