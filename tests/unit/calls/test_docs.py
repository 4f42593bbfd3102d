"""docs/calls.md is what the table says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_calls_md_is_generated_from_the_table() -> None:
    generator = runpy.run_path(str(ROOT / "scripts" / "make-call-docs"))
    assert (ROOT / "docs" / "calls.md").read_text() == generator["render"](), "run scripts/make-call-docs"
