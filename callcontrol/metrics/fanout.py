"""Several observers as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from callcontrol.domain.calls.state import Call
from callcontrol.engine.ports.ledger import Cdr
from callcontrol.engine.ports.observer import Observer


class Observers:
    """Tells several observers. One that raises is logged, and neither the call nor the others notice."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._log = structlog.get_logger(__name__)

    def call_changed(self, before: Call | None, after: Call) -> None:
        self._each(lambda observer: observer.call_changed(before, after))

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        self._each(lambda observer: observer.call_closed(call, cdr))

    def minutes_refused(self, reason: str) -> None:
        self._each(lambda observer: observer.minutes_refused(reason))

    def reconciled(self, source: str) -> None:
        self._each(lambda observer: observer.reconciled(source))

    def clock_stepped(self, step_s: float) -> None:
        self._each(lambda observer: observer.clock_stepped(step_s))

    def orphan_reaped(self, kind: str) -> None:
        self._each(lambda observer: observer.orphan_reaped(kind))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:
                self._log.exception("observer.failed", observer=type(observer).__name__)
