"""The observer port on the metrics."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.ports.ledger import Cdr
from callcontrol.metrics.registry import DIRECTIONS, ORPHANS, POOLS, SOURCES, Metrics, within

_REASONS = frozenset(Reason)


class PrometheusObserver:
    """Counts what calls have become. A call that the daemon took up again was active before: it is not set up anew."""

    def __init__(self, metrics: Metrics, monotonic_s: Callable[[], float] = monotonic) -> None:
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._arrived_s: dict[str, float] = {}

    def call_changed(self, before: Call | None, after: Call) -> None:
        self._count_active(before, after)
        if before is None:
            if after.phase is Phase.AUTHORISING:
                self._arrived_s[after.call_id] = self._monotonic_s()
            return
        if after.phase is Phase.DIALLING and before.phase is not Phase.DIALLING:
            arrived_s = self._arrived_s.pop(after.call_id, None)
            if arrived_s is not None:
                self._metrics.call_setup.observe(self._monotonic_s() - arrived_s)
        if after.phase is Phase.ENDED:
            self._arrived_s.pop(after.call_id, None)
        heard_at = after.rang_at or after.answered_at
        if heard_at and not (before.rang_at or before.answered_at):
            self._metrics.post_dial_delay.observe(max(0.0, (heard_at - after.started_at).total_seconds()))

    def _count_active(self, before: Call | None, after: Call) -> None:
        was, now = _active_as(before), _active_as(after)
        if was == now:
            return
        if was is not None:
            self._metrics.calls_active.labels(was).dec()
        if now is not None:
            self._metrics.calls_active.labels(now).inc()

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        metrics = self._metrics
        metrics.calls.labels(_direction(call), cdr.disposition.value).inc()
        if cdr.disposition is Disposition.ANSWERED:
            metrics.call_duration.observe(cdr.billsec)
        if cdr.disposition is not Disposition.REFUSED and call.terms is not None and call.terms.trunk is not None:
            metrics.dial_attempt(call.terms.trunk, cdr.disposition)
        for posting in cdr.postings:
            metrics.minutes_posted.labels(within(posting.grant_kind, POOLS)).inc(posting.minutes)

    def minutes_refused(self, reason: str) -> None:
        self._metrics.minutes_refused.labels(within(reason, _REASONS)).inc()

    def reconciled(self, source: str) -> None:
        self._metrics.reconciled_calls.labels(within(source, SOURCES)).inc()

    def clock_stepped(self, step_s: float) -> None:
        self._metrics.clock_steps.labels("forward" if step_s > 0 else "backward").inc()

    def orphan_reaped(self, kind: str) -> None:
        self._metrics.orphans_reaped.labels(within(kind, ORPHANS)).inc()


def _direction(call: Call) -> str:
    """Until the rules are asked, a call from an agent counts as outbound."""
    return within(call.terms.direction if call.terms else "outbound", DIRECTIONS)


def _active_as(call: Call | None) -> str | None:
    return None if call is None or call.phase is Phase.ENDED else _direction(call)
