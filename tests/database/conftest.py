"""A migrated SQLite database without anything in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcontrol.database import upgrade


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'callcontrol.db'}"
    upgrade(url)
    return url
