"""Settings from environment variables: `CALLCONTROL_SECTION__KEY`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from callcontrol.config.keys import ENVIRONMENT_PREFIX, WORDS, Key, convert, keys
from callcontrol.config.source import Given


def from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key | None, Given, str | None]]:
    """Variables with a double underscore are ours; others (CALLCONTROL_ASTERISK...) belong to the scripts."""
    known = {key.variable: key for key in keys()}
    mine = {name: text for name, text in environ.items() if name.startswith(ENVIRONMENT_PREFIX) and "__" in name}
    for name, text in sorted(mine.items()):
        key, given = known.get(name), Given(None, partial(str, name))
        if key is None:
            yield None, given, f"{name}: no such setting; see docs/configuration.md"
            continue
        if key.secret and f"{name}_FILE" in mine:
            yield None, given, f"{name}: cannot be given together with {name}_FILE"
            continue
        raw, problem = _parse(key, text)
        value, problem = (None, problem) if problem else convert(key, raw, Path.cwd())
        yield key, replace(given, value=value), f"{name}: {problem}" if problem else None


_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _parse(key: Key, text: str) -> tuple[Any, str | None]:
    """A variable's text as the TOML value it stands for; lists are separated by commas."""
    try:
        if key.kind is bool:
            return _TRUTH[text.strip().lower()], None
        if key.kind is int:
            return int(text), None
        if key.kind is float:
            return float(text), None
    except (KeyError, ValueError):
        return None, f"must be {WORDS[key.kind]}, not {text!r}"
    if key.kind == tuple[str, ...]:
        return [item.strip() for item in text.split(",") if item.strip()], None
    return text, None
