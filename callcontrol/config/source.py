"""The TOML file: its values, and the line of whatever is wrong in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from callcontrol.config.errors import ConfigError
from callcontrol.config.keys import convert, keys


@dataclass(frozen=True, slots=True)
class Given:
    value: Any
    where: Callable[[], str]
    """`callcontrol.toml:12: [calls] ring_timeout_s`, or the variable's name; only called on problems."""


Values = dict[tuple[str, str], Given]


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    text: str
    tree: dict[str, Any]
    exists: bool

    @classmethod
    def read(cls, path: Path, *, required: bool) -> Source:
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError:
            if required:
                raise ConfigError([f"{path}: the configuration file does not exist"]) from None
            return cls(path, "", {}, False)
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            raise ConfigError([f"{path}:{line}: not UTF-8 text"]) from None
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
        try:
            return cls(path, text, tomllib.loads(text), True)
        except RecursionError:
            raise ConfigError([f"{path}:1: not TOML: nested too deeply"]) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([_syntax_error(path, text, str(error))]) from None

    def values(self) -> tuple[Values, list[str]]:
        known = {(key.section, key.name): key for key in keys()}
        sections = {section for section, _ in known}
        values: Values = {}
        problems: list[tuple[int, str]] = []

        def report(message: str, *trail: str) -> None:
            problems.append((self.line(*trail), f"{self.place(*trail)}: {message}"))

        for section, content in self.tree.items():
            if section not in sections:
                report(f"unknown section; there are {', '.join(sorted(sections))}", section)
                continue
            if not isinstance(content, dict):
                report(f"is a section: write [{section}] above its keys", section)
                continue
            for name, raw in content.items():
                key = known.get((section, name))
                if key is None:
                    report(_unknown_key(section, name), section, name)
                    continue
                value, problem = convert(key, raw, self.path.parent)
                if problem:
                    report(problem, section, name)
                else:
                    values[section, name] = Given(value, partial(self.place, section, name))
        for key in known.values():
            if key.secret and {(key.section, key.name), (key.section, f"{key.name}_file")} <= values.keys():
                report(f"cannot be given together with {key.name}_file", key.section, key.name)
        return values, [problem for _, problem in sorted(problems)]

    def line(self, *trail: str) -> int:
        return _lines_of(self.text).get(trail, 1)

    def place(self, *trail: str) -> str:
        """`callcontrol.toml:12: [calls] ring_timeout_s`."""
        return f"{self.path}:{self.line(*trail)}: [{trail[0]}]" + (f" {trail[1]}" if len(trail) > 1 else "")


def _syntax_error(path: Path, text: str, message: str) -> str:
    """tomllib says `... (at line 3, column 5)` or `... (at end of document)`."""
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(at.group(1)) if at else max(1, text.rstrip("\n").count("\n") + 1)
    return f"{path}:{line}: not TOML: {re.sub(r' [(]at .*[)]$', '', message)}"


@lru_cache(maxsize=1)
def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line on which each section and key begins, found with the parser itself: the longest beginning of
    the file that was valid before the key appeared ends just above its statement. Quadratic: only on errors."""
    lines = text.split("\n")
    found: dict[tuple[str, ...], int] = {}
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for section, content in tree.items():
            found.setdefault((section,), begins)
            for name in content if isinstance(content, dict) else ():
                found.setdefault((section, name), begins)
        begins = end + 1
    return found


def _unknown_key(section: str, name: str) -> str:
    names = [key.name for key in keys() if key.section == section]
    return f"unknown key {name!r}; there are {', '.join(names)}"
