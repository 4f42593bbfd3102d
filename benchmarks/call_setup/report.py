"""The figures as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from benchmarks.call_setup.figures import Round, middle, ratio
from benchmarks.call_setup.stages import STAGES


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The highest rate that a way carried cleanly."""

    way: str
    clean_rate: int | None
    """Calls a second; None: not even the lowest."""
    reached_the_end: bool
    """True: no higher rate was tried."""


@dataclass(slots=True)
class Report:
    """All of one run."""

    machine: str
    asterisk: str
    baseline: str
    settings: dict[str, float]
    rounds: list[Round] = field(default_factory=list)
    """One after the other, as they were made: the ways in turn."""
    steps: list[Round] = field(default_factory=list)
    """The search for the ceiling."""
    ceilings: list[Ceiling] = field(default_factory=list)

    def json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self))


_COLUMNS = (
    ("way", 20),
    ("calls/s", 8),
    ("failed", 7),
    ("delay ms", 9),
    ("p95", 7),
    ("with 401", 9),
    ("Asterisk CPU", 13),
    ("daemon CPU", 11),
)


def header() -> str:
    return "".join(
        f"{name:<{width}}" if not index else f"{name:>{width}}" for index, (name, width) in enumerate(_COLUMNS)
    )


def line(made: Round) -> str:
    cells: list[Any] = [
        f"{made.rate:.1f}",
        str(made.failed),
        f"{made.delay_median:.1f}",
        f"{made.delay_p95:.1f}",
        f"{made.whole_delay_median:.1f}",
        f"{made.cpu.asterisk_ms:.1f}",
        f"{made.cpu.daemon_ms:.1f}",
    ]
    widths = [width for _, width in _COLUMNS]
    return f"{made.way:<{widths[0]}}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)
    )


def summary(report: Report) -> list[str]:
    """Over all rounds: each way's medians, and its ratio to the baseline of the same turn."""
    lines: list[str] = []
    ways = list(dict.fromkeys(made.way for made in report.rounds))
    baseline = [made for made in report.rounds if made.way == report.baseline]
    for way in ways:
        rounds = [made for made in report.rounds if made.way == way]
        lines.append(
            f"{way}: delay {_middle([made.delay_median for made in rounds])} ms,"
            f" p95 {_middle([made.delay_p95 for made in rounds])} ms,"
            f" CPU a call: Asterisk {_middle([made.cpu.asterisk_ms for made in rounds])} ms,"
            f" daemon {_middle([made.cpu.daemon_ms for made in rounds])} ms"
        )
        if way != report.baseline and baseline:
            pairs = list(zip(rounds, baseline, strict=False))
            lines.append(
                f"  to {report.baseline}:"
                f" delay x {_ratios([ratio(a.delay_median, b.delay_median) for a, b in pairs])},"
                f" p95 x {_ratios([ratio(a.delay_p95, b.delay_p95) for a, b in pairs])},"
                f" Asterisk CPU x {_ratios([ratio(a.cpu.asterisk_ms, b.cpu.asterisk_ms) for a, b in pairs])},"
                f" both CPUs x {_ratios([ratio(_cpu(a), _cpu(b)) for a, b in pairs])}"
            )
        staged = [made.stages for made in rounds if made.stages]
        lines += [
            f"  {name}: {_middle([stages[name] for stages in staged])} ms  ({meaning})"
            for name, meaning in STAGES.items()
            if staged
        ]
    return lines + [_ceiling(ceiling) for ceiling in report.ceilings]


def _ceiling(ceiling: Ceiling) -> str:
    if ceiling.clean_rate is None:
        return f"{ceiling.way}: not clean at the lowest rate"
    more = ", the highest that was tried" if ceiling.reached_the_end else ""
    return f"{ceiling.way}: clean at {ceiling.clean_rate} calls/s{more}"


def _cpu(made: Round) -> float:
    return made.cpu.asterisk_ms + made.cpu.daemon_ms


def _middle(values: Sequence[float]) -> str:
    return f"{middle(values):.1f}"


def _ratios(values: Sequence[float]) -> str:
    """The median, and the range over the turns."""
    return f"{middle(values):.2f} ({min(values):.2f}-{max(values):.2f})"
