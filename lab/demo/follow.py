"""The daemon's log, line by line as it is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

LogLine = dict[str, Any]
_PAUSE_S = 0.02


class LogFollower:
    """Hands every JSON line of a growing file to `on_line`."""

    def __init__(self, file: Path, on_line: Callable[[LogLine], None]) -> None:
        self._file = file
        self._on_line = on_line
        self._seen: set[str] = set()
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="log follower")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def until(self, event: str, timeout_s: float = 10.0) -> None:
        """Wait until a line with this event was there."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: event in self._seen)
        except TimeoutError:
            raise TimeoutError(f"the daemon did not log {event} within {timeout_s:g} s: see {self._file}") from None

    async def _follow(self) -> None:
        rest = b""
        with self._file.open("rb") as log:
            while True:
                # A file does not tell that it grew.
                if not (more := log.read()):
                    await asyncio.sleep(_PAUSE_S)
                    continue
                *lines, rest = (rest + more).split(b"\n")
                async with self._news:
                    for line in map(_parsed, lines):
                        self._seen.add(line["event"])
                        self._on_line(line)
                    self._news.notify_all()


def _parsed(text: bytes) -> LogLine:
    with contextlib.suppress(ValueError):
        line = json.loads(text)
        if isinstance(line, dict) and "event" in line:
            return line
    return {"event": text.decode(errors="replace")}
