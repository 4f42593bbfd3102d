"""Reading one option of Asterisk's configuration files, as Asterisk would.

Source: Asterisk's documentation of its configuration files: sections, `;` comments, `#include` and `#tryinclude` of
files relative to the folder of the configuration, `=` and `=>`; the last assignment counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_DEEPEST = 10
_INCLUDE = re.compile(r'#(try)?include\s+(?:"([^"]+)"|<([^>]+)>|(\S+))')
_SECTION = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([^=\s]+)\s*=>?\s*(.*)")


def option(path: Path, section: str, name: str) -> str | None:
    """The value, None where it is not set. Raises OSError for a file that cannot be read."""
    found = None
    current = ""
    for line in _lines(path, path.parent, 0):
        if match := _SECTION.match(line):
            current = match.group(1)
        elif current == section and (match := _OPTION.fullmatch(line)) and match.group(1) == name:
            found = match.group(2)
    return found


def _lines(path: Path, folder: Path, depth: int) -> Iterator[str]:
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = re.split(r"(?<!\\);", raw, maxsplit=1)[0].strip()
        match = _INCLUDE.match(line)
        if match is None:
            yield line
        elif depth < _DEEPEST:
            pattern = next(name for name in match.groups()[1:] if name)
            yield from _included(folder / pattern, folder, depth + 1, optional=match.group(1) is not None)


def _included(pattern: Path, folder: Path, depth: int, *, optional: bool) -> Iterator[str]:
    files = sorted(pattern.parent.glob(pattern.name)) if pattern.parent.is_dir() else []
    if not files and not optional:
        files = [pattern]  # whose absence is then told by name
    for file in files:
        yield from _lines(file, folder, depth)
