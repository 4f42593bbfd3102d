"""A wall clock for some programs alone, which a test can set while they run; the machine's own is not touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab.prefix import AsteriskPrefix
from tests.support.tools import FAKETIME, NoTool


class SettableWallClock:
    """By libfaketime, which stands between a program and the C library's clocks. Boot and monotonic clock go on."""

    def __init__(self, file: Path) -> None:
        if not FAKETIME.exists():
            raise NoTool("no libfaketime here: run scripts/fetch-test-tools")
        self._file = file
        self._ahead_s = 0.0
        self._write()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs to be started with."""
        return {
            "LD_PRELOAD": str(FAKETIME.resolve()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Asterisk asks for a monotonic wait, which the library's own remedy would make one by the wall clock.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def of(self, prefix: AsteriskPrefix) -> AsteriskPrefix:
        """The same Asterisk, living by this clock."""
        variables = (f"{name}={value}" for name, value in self.environment.items())
        return replace(prefix, command=("/usr/bin/env", *variables, *prefix.command))

    def step(self, seconds: float) -> None:
        """Set it, forwards or back, for all of them at once."""
        self._ahead_s += seconds
        self._write()

    def _write(self) -> None:
        # One write of a few bytes: no reader sees half of it.
        self._file.write_text(f"{self._ahead_s:+.3f}")
