"""A key as data, and the conversion of what was written into what is meant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from callcontrol.config.checks import Check
from callcontrol.config.sections import Config

ENVIRONMENT_PREFIX = "CALLCONTROL_"


@dataclass(frozen=True, slots=True)
class Key:
    """One key as documentation and tests see it."""

    section: str
    name: str
    default: Any
    doc: str
    kind: Any = str
    check: Check | None = None
    secret: bool = False
    file_of: str | None = None
    """The secret that the file named by this key holds."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{ENVIRONMENT_PREFIX}{self.section}__{self.name}".upper()


def keys() -> Iterator[Key]:
    """Every key, in the order of the documentation. A secret has a second one that names a file with it."""
    for section, hint in get_type_hints(Config).items():
        kinds = get_type_hints(hint)
        item: Field[Any]
        for item in fields(hint):
            yield Key(
                section,
                item.name,
                item.default,
                item.metadata["doc"],
                kinds[item.name],
                item.metadata["check"],
                item.metadata["secret"],
            )
            if item.metadata["secret"]:
                doc = f"File that holds `{item.name}`, read at the start."
                yield Key(section, f"{item.name}_file", None, doc, Path, file_of=item.name)


WORDS: dict[Any, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
    tuple[str, ...]: "a list of texts",
}


def convert(key: Key, raw: Any, folder: Path) -> tuple[Any, str | None]:
    """The typed value, or what is wrong with it. A secret's value is never repeated."""
    shown = "" if key.secret else f", not {raw!r}"
    value: Any = None
    if key.kind in (str, bool, int) and type(raw) is key.kind:
        value = raw
    elif key.kind is float and isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
        value = float(raw)
    elif key.kind is Path and isinstance(raw, str) and raw.strip() and raw.isprintable():
        value = folder / raw
    elif key.kind == tuple[str, ...] and isinstance(raw, list) and all(isinstance(item, str) for item in raw):
        value = tuple(raw)
    if value is None:
        return None, f"must be {WORDS[key.kind]}{shown}"
    wrong = key.check(value) if key.check else None
    if wrong:
        return None, wrong + ("" if key.kind == tuple[str, ...] or "@" in str(value) else shown)
    return value, None
