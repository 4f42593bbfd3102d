"""The call-record port on Asterisk's CEL file."""

from __future__ import annotations

import asyncio
import lzma
import os
import zlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import structlog

from callcontrol.cel.files import (
    OPENERS,
    Generations,
    Listing,
    Readable,
    backwards,
    end_of_lines,
    forwards,
    generations,
)
from callcontrol.cel.rows import Gathering
from callcontrol.engine.ports.records import ChannelRecord

_FIRST_LOOK_S = 0.02
_LONGEST_LOOK_S = 0.25
"""Asterisk writes the last row of a channel some milliseconds after its hang-up: look often at first, then seldom.
The kernel's file notification would say it sooner, and not at all on network file systems."""

log = structlog.get_logger(__name__)


class CelFile:
    """Reads the current file and its rotated ones. All file access is off the event loop's thread.

    Each reading passes over a file at most once for all channels, and stops where the oldest of them begins.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(
        self, channel_ids: Collection[str], *, since: datetime, ended: Collection[str], wait_s: float
    ) -> dict[str, ChannelRecord]:
        """See ChannelRecords.read. Never raises: what cannot be read is logged and absent."""
        if not channel_ids:
            return {}
        reading = _Reading(self._path, frozenset(channel_ids), since)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        await asyncio.to_thread(reading.scan)
        look_s = _FIRST_LOOK_S
        while reading.gathering.lacking_end(ended) and (left_s := deadline - loop.time()) > 0:
            await asyncio.sleep(min(look_s, left_s))
            look_s = min(look_s * 2, _LONGEST_LOOK_S)
            await asyncio.to_thread(reading.follow)
        reading.report(ended)
        return reading.gathering.records()


class _Reading:
    """One recovery's pass over the files. Used by one thread at a time."""

    def __init__(self, path: Path, channel_ids: frozenset[str], since: datetime) -> None:
        self._path = path
        self._since = since
        self._channel_ids = channel_ids
        self._listing: Listing = {}
        self._offset = 0
        self._problems: dict[Path, str] = {}
        self.gathering = Gathering(channel_ids)

    def scan(self) -> None:
        """Read everything that can matter."""
        try:
            with Generations(self._path, self._since) as opened:
                self._problems = dict(opened.unreadable)
                self._listing, self._offset = opened.listing, 0
                self.gathering = Gathering(self._channel_ids)
                for path, file in opened.files.items():
                    if not self.gathering.complete:
                        self._scan_file(path, file)
        except OSError as error:
            self._listing = {}
            self._problems[self._path.parent] = error.strerror or str(error)

    def _scan_file(self, path: Path, file: Readable) -> None:
        try:
            if path.suffix in OPENERS:
                for lines in forwards(file):
                    self.gathering.add(lines)
                return
            end = end_of_lines(file)
            if path == self._path:
                self._offset = end
            self._read_back(file, 0, end)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            self._problems[path] = str(error)

    def _read_back(self, file: Readable, start: int, end: int) -> None:
        for lines in backwards(file, start, end):
            self.gathering.add(lines)
            if self.gathering.complete:
                return

    def follow(self) -> None:
        """Read what was added since; after a rotation all again, because rows may have moved before we saw them."""
        try:
            listing = generations(self._path, self._since)
        except OSError:
            listing = {}
        if listing == self._listing and (self._path not in listing or self._follow_current()):
            return
        self.scan()

    def _follow_current(self) -> bool:
        """False when the file is not the one that was read before, or was cut short."""
        try:
            with self._path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                same = (status.st_dev, status.st_ino) == self._listing[self._path]
                if not same or status.st_size < self._offset:
                    return False
                end = end_of_lines(file, self._offset)
                for lines in backwards(file, self._offset, end):
                    self.gathering.add(lines)
                self._offset = end
        except OSError:
            return False
        return True

    def report(self, ended: Collection[str]) -> None:
        """What an operator should know of this reading."""
        for path, problem in self._problems.items():
            log.warning("cel.unreadable", file=str(path), problem=problem)
        if self.gathering.junk_lines:
            log.warning("cel.junk_lines", file=str(self._path), lines=self.gathering.junk_lines)
        if missing := self.gathering.lacking_end(ended):
            log.warning("cel.end_missing", file=str(self._path), channels=missing)
