"""From calls to figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.call_setup.trace import Setup


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed (nearest rank). NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def middle(values: Sequence[float]) -> float:
    """The median; NaN of none."""
    return median(values) if values else math.nan


def ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else math.nan


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time in milliseconds for each call made."""

    asterisk_ms: float
    daemon_ms: float


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one way, in milliseconds where nothing else is said."""

    way: str
    asked_rate: int
    """Calls a second that were asked for."""
    rate: float
    """Calls a second that were made."""
    calls: int
    failed: int
    """Not reached, not answered, or not ended in order."""
    retransmissions: int
    delay_median: float
    delay_p95: float
    whole_delay_median: float
    """From the first INVITE, with the round trip of the challenge."""
    cpu: Cpu
    stages: dict[str, float]
    """Medians of the parts of the delay; empty on a way without the daemon."""

    def is_clean(self, worst_delay_ms: float) -> bool:
        """All calls went through, at (nearly) the rate asked for, and 95 of 100 within the limit."""
        kept_up = self.rate >= 0.95 * self.asked_rate
        return not self.failed and not self.retransmissions and kept_up and self.delay_p95 <= worst_delay_ms


def round_of(
    way: str, asked_rate: int, calls: Sequence[Setup], expected: int, cpu: Cpu, stages: dict[str, float]
) -> Round:
    """`expected`: calls that should have been made; one that never began has failed too."""
    begun = sorted(call.asked_at for call in calls)
    span_s = begun[-1] - begun[0] if len(begun) > 1 else math.nan
    delays = [call.delay_ms for call in calls if call.delay_ms is not None]
    whole = [call.whole_delay_ms for call in calls if call.whole_delay_ms is not None]
    good = sum(1 for call in calls if call.completed and call.delay_ms is not None)
    return Round(
        way=way,
        asked_rate=asked_rate,
        rate=(len(begun) - 1) / span_s if span_s else math.nan,
        calls=expected,
        failed=expected - good,
        retransmissions=sum(call.retransmissions for call in calls),
        delay_median=middle(delays),
        delay_p95=percentile(delays, 0.95),
        whole_delay_median=middle(whole),
        cpu=cpu,
        stages=stages,
    )
