"""Which Asterisk is taken, and what is said when none can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import prefix as lab_prefix
from lab.prefix import NoAsterisk, find_prefix, use_fetched


def installed(root: Path, version: str) -> Path:
    """What a prefix looks like; its program only tells its version."""
    (root / "usr/lib/x86_64-linux-gnu/asterisk/modules").mkdir(parents=True)
    (root / "usr/share/asterisk/sounds").mkdir(parents=True)
    program = root / "usr/sbin/asterisk"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'Asterisk {version}'\n")
    program.chmod(0o755)
    return root


def test_tested_versions_are_versions() -> None:
    assert "22.10.1" in lab_prefix.tested_versions()
    assert all(part.isdigit() for version in lab_prefix.tested_versions() for part in version.split("."))


def test_the_prefix_that_is_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCONTROL_ASTERISK", str(installed(tmp_path, "22.10.1+dfsg+~cs6.17-1")))
    found = find_prefix()
    assert found.version == "22.10.1"
    assert found.command == (str(tmp_path / "usr/sbin/asterisk"),)
    assert not use_fetched()


@pytest.mark.parametrize(
    ("words", "version"),
    [("22.11.0~rc2~dfsg+~cs6-1", "22.11.0-rc2"), ("20.5.2", "20.5.2"), ("22.11.0-rc1", "22.11.0-rc1")],
)
def test_an_untested_version_needs_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, version: str
) -> None:
    monkeypatch.setenv("CALLCONTROL_ASTERISK", str(installed(tmp_path, words)))
    with pytest.raises(NoAsterisk, match=f"is Asterisk {version}; tested are .*: pass --allow-untested"):
        find_prefix()
    assert find_prefix(allow_untested=True).version == version


def test_a_prefix_with_nothing_in_it_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCONTROL_ASTERISK", str(tmp_path))
    with pytest.raises(NoAsterisk) as problem:
        find_prefix()
    assert str(tmp_path) in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_half_made_fetch_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLCONTROL_ASTERISK", raising=False)
    monkeypatch.setattr(lab_prefix, "_machines_own", lambda allow_untested: None)
    monkeypatch.setattr(lab_prefix, "FETCHED", installed(tmp_path, "22.10.1"))
    with pytest.raises(NoAsterisk, match="run scripts/fetch-asterisk"):
        find_prefix()
    (tmp_path / "complete").touch()
    assert find_prefix().version == "22.10.1"
