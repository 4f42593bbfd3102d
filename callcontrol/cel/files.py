"""The CEL file and its rotated generations, read in pieces: newest first, the current one backwards from its end.

A recovery wants the last minutes of a file that may hold a month, so reading from the end finds them at once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO

BLOCK = 1 << 20
LONGEST_LINE = 1 << 16
"""More than this without a line end is no line of ours; it is dropped rather than kept in memory."""

Readable = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
OPENERS: dict[str, Callable[[Path], Readable]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}
"""How a compressed generation is opened, by the end of its name."""
Listing = dict[Path, tuple[int, int]]
"""Path -> device and inode: what changes when a file is rotated."""


def generations(path: Path, since: datetime) -> Listing:
    """The current file and its rotated ones with a write at or after `since`, newest first.

    Known forms: `name.csv.1`, `name.csv.2.gz`, `name.csv-20261122`, and logrotate's `extension`: `name-20261122.csv`.
    """
    mark = r"[.-][0-9][0-9T_.-]*"
    packed = f"(?:{'|'.join(map(re.escape, OPENERS))})?"
    rotated = re.compile(
        f"{re.escape(path.name)}{mark}{packed}|{re.escape(path.stem)}{mark}{re.escape(path.suffix)}{packed}"
    )
    found: list[tuple[bool, float, Path, tuple[int, int]]] = []
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name != path.name and not rotated.fullmatch(entry.name):
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            # A whole second: some file systems keep no fractions.
            if status.st_mtime >= since.timestamp() - 1:
                identity = (status.st_dev, status.st_ino)
                found.append((entry.name == path.name, status.st_mtime, path.parent / entry.name, identity))
    return {file: identity for _, _, file, identity in sorted(found, reverse=True)}


class Generations:
    """Open files of one consistent listing: what is rotated away while they are read stays readable."""

    def __init__(self, path: Path, since: datetime) -> None:
        self._path = path
        self._since = since
        self._stack = ExitStack()
        self.listing: Listing = {}
        self.files: dict[Path, Readable] = {}
        self.unreadable: dict[Path, str] = {}

    def __enter__(self) -> Generations:
        # A rotation between listing and opening moves names: then both are done again. It ends at once in practice,
        # and in any case: what a listing lacks, the next one that the reader makes will show.
        for _ in range(8):
            self._open(generations(self._path, self._since))
            if generations(self._path, self._since).items() == self.listing.items():
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self, listing: Listing) -> None:
        self._stack.close()
        self.files, self.unreadable, self.listing = {}, {}, listing
        for file in listing:
            try:
                opener = OPENERS.get(file.suffix)
                opened = opener(file) if opener else file.open("rb", buffering=0)
                self._stack.callback(opened.close)
                self.files[file] = opened
            except FileNotFoundError:
                continue
            except OSError as error:
                self.unreadable[file] = error.strerror or str(error)


def backwards(file: Readable, start: int, end: int) -> Iterator[list[bytes]]:
    """Complete lines of a plain file between two line starts, a block at a time, the last block first."""
    pending = b""
    while end > start:
        begin = max(start, end - BLOCK)
        data = os.pread(file.fileno(), end - begin, begin) + pending
        end = begin
        # What stands before the first line end belongs to a line that began in an earlier block.
        cut = 0 if begin == start else data.find(b"\n") + 1 or len(data)
        pending = data[:cut] if cut <= LONGEST_LINE else b""
        yield data[cut:].split(b"\n")


def forwards(file: Readable) -> Iterator[list[bytes]]:
    """Complete lines of a file that can only be read from its start, a block at a time."""
    pending = b""
    while block := file.read(BLOCK):
        lines = (pending + block).split(b"\n")
        pending = lines.pop()[:LONGEST_LINE]
        yield lines


def end_of_lines(file: Readable, start: int = 0) -> int:
    """The offset just after the last complete line at or after `start`; the rest is being written."""
    end = os.fstat(file.fileno()).st_size
    while end > start:
        begin = max(start, end - LONGEST_LINE)
        at = os.pread(file.fileno(), end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return start
