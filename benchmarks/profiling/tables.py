"""From samples to tables: time by room, by library, by function. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from benchmarks.profiling.sampler import Frame, Sample

_OUTSIDE = frozenset({None, "cli", "loop"})

Key = TypeVar("Key", bound=Hashable)


def room(sample: Sample) -> str:
    """The innermost room of ours that is on the stack: `loop` where only the event loop is, `-` where nothing is."""
    return next((found for frame in sample.stack if (found := _room(frame)) is not None), "-")


def library(sample: Sample) -> str:
    """Whose code was running: a room of ours, a library, or Python's own."""
    return _room(sample.stack[0]) or _package(sample.stack[0])


def function(frame: Frame) -> str:
    return f"{_short(frame[0])}:{frame[1]}"


def spent_by(samples: Iterable[Sample], key: Callable[[Sample], Key]) -> list[tuple[Key, float]]:
    """Milliseconds by whatever `key` says of a sample, the largest first."""
    spent: dict[Key, float] = defaultdict(float)
    for sample in samples:
        spent[key(sample)] += sample.ms
    return sorted(spent.items(), key=lambda item: -item[1])


def spent_under(samples: Iterable[Sample]) -> list[tuple[str, float]]:
    """Milliseconds in each function of ours and in all that it called, the largest first; not those that call all."""
    spent: dict[str, float] = defaultdict(float)
    for sample in samples:
        for name in {function(frame) for frame in sample.stack if _room(frame) not in _OUTSIDE}:
            spent[name] += sample.ms
    return sorted(spent.items(), key=lambda item: -item[1])


def _room(frame: Frame) -> str | None:
    _, found, inside = frame[0].rpartition("/callcontrol/")
    if not found or "site-packages" in inside:
        return None
    return inside.partition("/")[0].removesuffix(".py")


def _package(frame: Frame) -> str:
    _, found, inside = frame[0].rpartition("/site-packages/")
    return inside.partition("/")[0].removesuffix(".py") if found else "python"


def _short(file: str) -> str:
    for mark in ("/site-packages/", "/main/", "/python3.11/"):
        if mark in file:
            return file.rpartition(mark)[2]
    return file
