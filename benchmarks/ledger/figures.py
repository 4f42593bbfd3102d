"""From measured rounds to figures. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.call_setup.figures import middle, percentile, ratio
from benchmarks.ledger.load import Latencies


@dataclass(frozen=True, slots=True)
class Side:
    """So many calls, one way."""

    took_s: float
    cpu_s: float
    """User and system time of all threads, of the load's as well."""


@dataclass(frozen=True, slots=True)
class Round:
    """The ledger and its SQL run bare, one after the other."""

    companies: int
    callers: int
    calls: int
    ledger: Side
    bare: Side
    batches: list[int]
    """Operations of each commit of the ledger's."""
    statements: float
    """SQL statements a call, with those of the transactions."""

    @property
    def ratio(self) -> float:
        """Share of the bare limit that is left."""
        return ratio(self.bare.took_s, self.ledger.took_s)


@dataclass(frozen=True, slots=True)
class Line:
    """The medians of the rounds of one kind."""

    companies: int
    callers: int
    ledger_calls_s: float
    bare_calls_s: float
    ratio: float
    worst_ratio: float
    best_ratio: float
    batch: float
    """Operations a commit."""
    commits_s: float
    cpu_ms: float
    """Of the ledger, a call."""
    bare_cpu_ms: float
    statements: float


def line_of(rounds: Sequence[Round]) -> Line:
    ratios = [made.ratio for made in rounds]
    return Line(
        companies=rounds[0].companies,
        callers=rounds[0].callers,
        ledger_calls_s=middle([made.calls / made.ledger.took_s for made in rounds]),
        bare_calls_s=middle([made.calls / made.bare.took_s for made in rounds]),
        ratio=middle(ratios),
        worst_ratio=min(ratios),
        best_ratio=max(ratios),
        batch=middle([sum(made.batches) / len(made.batches) for made in rounds]),
        commits_s=middle([len(made.batches) / made.ledger.took_s for made in rounds]),
        cpu_ms=middle([made.ledger.cpu_s * 1000 / made.calls for made in rounds]),
        bare_cpu_ms=middle([made.bare.cpu_s * 1000 / made.calls for made in rounds]),
        statements=middle([made.statements for made in rounds]),
    )


def lines(rounds: Sequence[Round]) -> list[Line]:
    """One for each kind, in the order in which they were first made."""
    kinds = dict.fromkeys((made.companies, made.callers) for made in rounds)
    return [line_of([made for made in rounds if (made.companies, made.callers) == kind]) for kind in kinds]


@dataclass(frozen=True, slots=True)
class Waits:
    """How long one operation takes while operations come at a fixed rate, in milliseconds."""

    companies: int
    rate: float
    """Calls (or, where only one operation is asked for, operations) a second."""
    operation: str
    times: int
    p50: float
    p99: float


def waits_of(companies: int, rate: float, latencies: Latencies) -> list[Waits]:
    return [
        Waits(companies, rate, name, len(values), percentile(values, 0.50), percentile(values, 0.99))
        for name, values in latencies.items()
    ]
