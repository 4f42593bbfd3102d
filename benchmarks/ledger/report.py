"""The figures as tables for people and as JSON for machines."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from benchmarks.ledger.figures import Line, Round, Waits, lines
from benchmarks.ledger.postgresql import ServerRound, server_lines


@dataclass(slots=True)
class Report:
    """All of one run."""

    machine: str
    database: str
    settings: dict[str, float]
    rounds: list[Round] = field(default_factory=list)
    """One after the other, as they were made."""
    waits: list[Waits] = field(default_factory=list)
    server_rounds: list[ServerRound] = field(default_factory=list)

    def json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode([self, lines(self.rounds), server_lines(self.server_rounds)]))


HEADER = (
    f"{'companies':>9}{'callers':>9}{'calls/s':>9}{'bare':>7}{'ratio':>7}{'(range)':>13}{'ops/commit':>12}"
    f"{'commits/s':>11}{'CPU ms/call':>13}{'bare':>7}{'SQL/call':>10}"
)
WAITS_HEADER = f"{'companies':>9}{'rate/s':>9}  {'operation':<12}{'times':>7}{'p50 ms':>9}{'p99 ms':>9}"


def text(line: Line) -> str:
    return (
        f"{line.companies:>9}{line.callers:>9}{line.ledger_calls_s:>9.0f}{line.bare_calls_s:>7.0f}{line.ratio:>7.2f}"
        f"{f'({line.worst_ratio:.2f}-{line.best_ratio:.2f})':>13}{line.batch:>12.1f}{line.commits_s:>11.0f}"
        f"{line.cpu_ms:>13.2f}{line.bare_cpu_ms:>7.2f}{line.statements:>10.1f}"
    )


def waits_text(waits: Waits) -> str:
    return (
        f"{waits.companies:>9}{waits.rate:>9.0f}  {waits.operation:<12}{waits.times:>7}"
        f"{waits.p50:>9.2f}{waits.p99:>9.2f}"
    )
