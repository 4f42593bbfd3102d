"""Every metric of the daemon, and how the rooms without a port of their own for it report.

Base units (seconds, minutes of the ledger), closed label sets: a value that is not in its set becomes `other`, so no
input from outside can make new time series, and no number or id is ever a label.
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from datetime import datetime

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from callcontrol import __version__
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.grants import GrantKind

OTHER = "other"
DIRECTIONS = frozenset({"outbound", "inbound", "internal"})
POOLS = frozenset(kind.value for kind in GrantKind)
SOURCES = frozenset({"adopted", "cel", "estimated", "voided"})
ORPHANS = frozenset({"channel", "bridge"})
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
_EVENT_TYPES = frozenset(
    """ApplicationMoveFailed ApplicationRegistered ApplicationReplaced ApplicationUnregistered BridgeAttendedTransfer
    BridgeBlindTransfer BridgeCreated BridgeDestroyed BridgeMerged BridgeVideoSourceChanged ChannelCallerId
    ChannelConnectedLine ChannelCreated ChannelDestroyed ChannelDialplan ChannelDtmfReceived ChannelEnteredBridge
    ChannelHangupRequest ChannelHold ChannelLeftBridge ChannelStateChange ChannelTalkingFinished ChannelTalkingStarted
    ChannelToneDetected ChannelTransfer ChannelUnhold ChannelUserevent ChannelVarset ContactStatusChange
    DeviceStateChanged Dial EndpointStateChange MissingParams PeerStatusChange PlaybackContinuing PlaybackFinished
    PlaybackStarted RESTResponse RecordingFailed RecordingFinished RecordingStarted StasisEnd StasisStart
    TextMessageReceived""".split()  # noqa: SIM905 - forty names, read as a text
)
"""Asterisk's published model of events (rest-api/api-docs/events.json)."""

_MOST_NAMES = 64
"""Routes and trunks are closed sets too, but made elsewhere (code, directory): the first so many get a label."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_RING = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
_TALK = (1, 10, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600, 7200, 10800)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)

disable_created_metrics()  # type: ignore[no-untyped-call]


class _Names:
    """A label set that closes by itself when it is full."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= _MOST_NAMES:
            return OTHER
        self._known.add(name)
        return name


def within(value: str | None, known: Collection[str]) -> str:
    """The value if it is one of the known ones, else `other`."""
    return value if value is not None and value in known else OTHER


class Metrics:
    """The registry and everything in it. An `AriObserver`; safe to call from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._trunk = _Names()
        self._route = _Names()

        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"callcontrol_{name}", doc, labels, registry=self.registry)

        def gauge(name: str, doc: str, *labels: str) -> Gauge:
            return Gauge(f"callcontrol_{name}", doc, labels, registry=self.registry)

        def histogram(name: str, doc: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"callcontrol_{name}", doc, buckets=buckets, registry=self.registry)

        self._connected = gauge("ari_connected", "1 while events flow from Asterisk, else 0.")
        self._events = counter("ari_events_total", "Events read from Asterisk.", "type")
        self._lag = histogram("ari_event_lag_seconds", "From Asterisk's timestamp of an event to its reading.", _FAST)
        self._requests = counter(
            "ari_requests_total",
            "Requests to Asterisk by route and HTTP status; 0: no answer.",
            *("method", "route", "status"),
        )
        self._request_s = histogram("ari_request_duration_seconds", "Duration of requests to Asterisk.", _FAST)
        self.calls_active = gauge("calls_active", "Calls that are not over yet.", "direction")
        self.calls = counter(
            "calls_total", "Calls over and settled. REFUSED: never dialled.", "direction", "disposition"
        )
        self.call_setup = histogram(
            "call_setup_seconds", "Our share of the wait: from the agent's call to the INVITE to the other side.", _FAST
        )
        self.post_dial_delay = histogram(
            "post_dial_delay_seconds", "From the agent's call to ringing or early media, or else the answer.", _RING
        )
        self.call_duration = histogram("call_duration_seconds", "Talked seconds of answered calls (billsec).", _TALK)
        self._dial_attempts = counter(
            "dial_attempts_total", "Calls sent to a trunk and how they ended.", "trunk", "disposition"
        )
        self.minutes_posted = counter("minutes_posted_total", "Minutes billed, by the pool that paid.", "pool")
        self._held = gauge("minutes_held", "Minutes held by calls in progress, over all companies.")
        self.minutes_refused = counter("minutes_refused_total", "Calls refused before dialling.", "reason")
        self._commit_s = histogram("ledger_commit_seconds", "Duration of a commit of the ledger's writer.", _FAST)
        self._batch = histogram("ledger_batch_size", "Operations in one commit.", _BATCH)
        self.reconciled_calls = counter(
            "reconciled_calls_total", "Calls that recovery dealt with, by what it went by.", "source"
        )
        self.orphans_reaped = counter("orphans_reaped_total", "Leftovers of ours removed from Asterisk.", "kind")
        self.clock_steps = counter("clock_steps_total", "Times that the wall clock was set, by over 2 s.", "direction")
        self._audit_findings = gauge("audit_findings", "What the last audit of the books found wrong.")
        self._audited = gauge("audit_last_run_timestamp_seconds", "When the last audit ended (Unix time); 0: none yet.")
        self._audit_s = gauge("audit_duration_seconds", "How long the last audit took; 0: none yet.")
        build = gauge("build_info", "1; the labels say what runs.", "version", "python")
        build.labels(__version__, platform.python_version()).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A series that exists from the start lets `rate()` see its first event."""
        for direction in DIRECTIONS:
            self.calls_active.labels(direction)
        for direction in ("outbound", "internal"):
            for disposition in Disposition:
                self.calls.labels(direction, disposition.value)
        for pool in POOLS:
            self.minutes_posted.labels(pool)
        for source in SOURCES:
            self.reconciled_calls.labels(source)
        for direction in ("forward", "backward"):
            self.clock_steps.labels(direction)
        for kind in ORPHANS:
            self.orphans_reaped.labels(kind)
        for reason in (Reason.POOL_EXHAUSTED, Reason.FOLLOW_UP_MANAGER, Reason.LEDGER_UNAVAILABLE):
            self.minutes_refused.labels(reason.value)

    # AuditObserver

    def audited(self, findings: int, at: datetime, took_s: float) -> None:
        self._audit_findings.set(findings)
        self._audited.set(at.timestamp())
        self._audit_s.set(took_s)

    # AriObserver

    def ari_connected(self, connected: bool) -> None:
        self._connected.set(connected)

    def ari_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(within(method, _METHODS), self._route(route), _status(status)).inc()
        self._request_s.observe(seconds)

    def ari_event(self, event_type: str, lag_s: float) -> None:
        self._events.labels(within(event_type, _EVENT_TYPES)).inc()
        self._lag.observe(max(0.0, lag_s))

    # The ledger

    def ledger_commit(self, seconds: float, operations: int) -> None:
        """After each commit; called in the writer's thread."""
        self._commit_s.observe(seconds)
        self._batch.observe(operations)

    def set_minutes_held(self, minutes: int) -> None:
        """What the ledger says is held now."""
        self._held.set(minutes)

    # Calls

    def dial_attempt(self, trunk: str, disposition: Disposition) -> None:
        self._dial_attempts.labels(self._trunk(trunk), disposition.value).inc()

    # Reading

    def render(self) -> tuple[bytes, str]:
        """The exposition in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def _status(status: int) -> str:
    return str(status) if status == 0 or 100 <= status < 600 else OTHER
