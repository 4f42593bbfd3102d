"""Metrics: names and labels of the contract, closed label sets, and what a call's life counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.calls.state import Call, LegState, Phase, Timing
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.minutes import Minutes, Seconds
from callcontrol.engine.auditing import AuditObserver
from callcontrol.engine.ports.ledger import Cdr, Posting
from callcontrol.engine.ports.observer import AriObserver, Observer
from callcontrol.metrics import Metrics, PrometheusObserver

T0 = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
TERMS = CallTerms(1, 2, 3, "outbound", "+5511987654321", "PJSIP/x@carrier", "carrier", "+551130003000", True, 60, "UTC")
NEW = Call("01K", "pbx-1.1", "1001", "987654321", T0, Timing())
PREPARING = replace(NEW, phase=Phase.PREPARING, terms=TERMS, held_minutes=1, customer=LegState.PRESENT)
DIALLING = replace(PREPARING, phase=Phase.DIALLING)
RINGING = replace(DIALLING, phase=Phase.RINGING, rang_at=T0 + timedelta(seconds=1.5))
TALKING = replace(RINGING, phase=Phase.TALKING, answered_at=T0 + timedelta(seconds=3))
CLOSING = replace(TALKING, phase=Phase.CLOSING, disposition=Disposition.ANSWERED, ended_at=T0 + timedelta(seconds=100))
ENDED = replace(CLOSING, phase=Phase.ENDED)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(metrics: Metrics, clock: Clock) -> PrometheusObserver:
    return PrometheusObserver(metrics, clock)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"callcontrol_{name}", labels)


def cdr(disposition: Disposition, *postings: Posting) -> Cdr:
    minutes = Minutes(sum(posting.minutes for posting in postings))
    return Cdr("01K", disposition, Seconds(97 if minutes else 0), minutes, postings)


def test_the_ports(metrics: Metrics) -> None:
    ari: AriObserver = metrics
    calls: Observer = PrometheusObserver(metrics)
    assert ari
    assert calls


def test_an_answered_call(metrics: Metrics, observer: PrometheusObserver, clock: Clock) -> None:
    observer.call_changed(None, NEW)
    assert value(metrics, "calls_active", direction="outbound") == 1
    observer.call_changed(NEW, PREPARING)
    clock.now_s += 0.02
    observer.call_changed(PREPARING, DIALLING)
    assert value(metrics, "call_setup_seconds_sum") == pytest.approx(0.02)
    observer.call_changed(DIALLING, RINGING)
    assert value(metrics, "post_dial_delay_seconds_sum") == 1.5
    observer.call_changed(RINGING, TALKING)
    observer.call_changed(TALKING, CLOSING)
    assert value(metrics, "calls_active", direction="outbound") == 1
    observer.call_closed(CLOSING, cdr(Disposition.ANSWERED, Posting("monthly", 1), Posting("addon", 1)))
    observer.call_changed(CLOSING, ENDED)
    assert value(metrics, "calls_active", direction="outbound") == 0
    assert value(metrics, "calls_total", direction="outbound", disposition="ANSWERED") == 1
    assert value(metrics, "call_setup_seconds_count") == 1
    assert value(metrics, "post_dial_delay_seconds_count") == 1
    assert value(metrics, "call_duration_seconds_sum") == 97
    assert value(metrics, "dial_attempts_total", trunk="carrier", disposition="ANSWERED") == 1
    assert value(metrics, "minutes_posted_total", pool="monthly") == 1
    assert value(metrics, "minutes_posted_total", pool="addon") == 1


def test_answered_without_ringing(metrics: Metrics, observer: PrometheusObserver) -> None:
    observer.call_changed(DIALLING, replace(TALKING, rang_at=None))
    assert value(metrics, "post_dial_delay_seconds_sum") == 3


def test_a_refused_call_is_no_attempt(metrics: Metrics, observer: PrometheusObserver) -> None:
    observer.call_changed(None, NEW)
    observer.minutes_refused(Reason.POOL_EXHAUSTED)
    refused = replace(NEW, phase=Phase.CLOSING, terms=TERMS, disposition=Disposition.REFUSED)
    observer.call_changed(NEW, refused)
    observer.call_closed(refused, cdr(Disposition.REFUSED))
    observer.call_changed(refused, replace(refused, phase=Phase.ENDED))
    assert value(metrics, "calls_active", direction="outbound") == 0
    assert value(metrics, "calls_total", direction="outbound", disposition="REFUSED") == 1
    assert value(metrics, "minutes_refused_total", reason="pool_exhausted") == 1
    assert value(metrics, "dial_attempts_total", trunk="carrier", disposition="REFUSED") is None
    assert value(metrics, "call_duration_seconds_count") == 0


def test_an_internal_call_moves_to_its_direction(metrics: Metrics, observer: PrometheusObserver) -> None:
    internal = replace(PREPARING, terms=replace(TERMS, direction="internal", trunk=None))
    observer.call_changed(None, NEW)
    observer.call_changed(NEW, internal)
    assert value(metrics, "calls_active", direction="outbound") == 0
    assert value(metrics, "calls_active", direction="internal") == 1
    observer.call_closed(internal, cdr(Disposition.BUSY))
    assert value(metrics, "calls_total", direction="internal", disposition="BUSY") == 1


def test_an_adopted_call_is_active_and_not_set_up_again(metrics: Metrics, observer: PrometheusObserver) -> None:
    observer.call_changed(None, PREPARING)
    observer.call_changed(PREPARING, DIALLING)
    assert value(metrics, "calls_active", direction="outbound") == 1
    assert value(metrics, "call_setup_seconds_count") == 0
    observer.reconciled("adopted")
    observer.orphan_reaped("bridge")
    assert value(metrics, "reconciled_calls_total", source="adopted") == 1
    assert value(metrics, "orphans_reaped_total", kind="bridge") == 1


def test_steps_of_the_clock(metrics: Metrics, observer: PrometheusObserver) -> None:
    observer.clock_stepped(3600.0)
    observer.clock_stepped(-2.5)
    assert value(metrics, "clock_steps_total", direction="forward") == 1
    assert value(metrics, "clock_steps_total", direction="backward") == 1


def test_ari(metrics: Metrics) -> None:
    metrics.ari_connected(True)
    metrics.ari_event("StasisStart", 0.004)
    metrics.ari_event("StasisStart", -0.1)
    metrics.ari_request("POST", "/channels/{id}/dial", 204, 0.01)
    metrics.ari_request("POST", "/channels/{id}/dial", 0, 5.0)
    assert value(metrics, "ari_connected") == 1
    assert value(metrics, "ari_events_total", type="StasisStart") == 2
    assert value(metrics, "ari_event_lag_seconds_sum") == pytest.approx(0.004)
    assert value(metrics, "ari_requests_total", method="POST", route="/channels/{id}/dial", status="204") == 1
    assert value(metrics, "ari_requests_total", method="POST", route="/channels/{id}/dial", status="0") == 1
    assert value(metrics, "ari_request_duration_seconds_count") == 2
    metrics.ari_connected(False)
    assert value(metrics, "ari_connected") == 0


def test_the_ledger_from_its_own_thread(metrics: Metrics) -> None:
    def commit() -> None:
        for _ in range(10):
            metrics.ledger_commit(0.002, 3)

    writer = Thread(target=commit)
    writer.start()
    writer.join()
    metrics.set_minutes_held(7)
    assert value(metrics, "ledger_commit_seconds_count") == 10
    assert value(metrics, "ledger_batch_size_sum") == 30
    assert value(metrics, "minutes_held") == 7


def test_the_audit(metrics: Metrics) -> None:
    observer: AuditObserver = metrics
    observer.audited(3, T0, 2.5)
    assert value(metrics, "audit_findings") == 3
    assert value(metrics, "audit_last_run_timestamp_seconds") == T0.timestamp()
    assert value(metrics, "audit_duration_seconds") == 2.5


def test_unknown_values_become_other(metrics: Metrics, observer: PrometheusObserver) -> None:
    metrics.ari_event("NewInventedEvent", 0)
    metrics.ari_request("PATCH", "/x", 999, 0)
    observer.minutes_refused("+5511987654321")
    observer.reconciled("tarot")
    observer.orphan_reaped("unicorn")
    strange = replace(CLOSING, terms=replace(TERMS, direction="sideways"))
    observer.call_closed(strange, cdr(Disposition.ANSWERED, Posting("piggy bank", 2)))
    assert value(metrics, "ari_events_total", type="other") == 1
    assert value(metrics, "ari_requests_total", method="other", route="/x", status="other") == 1
    assert value(metrics, "minutes_refused_total", reason="other") == 1
    assert value(metrics, "reconciled_calls_total", source="other") == 1
    assert value(metrics, "orphans_reaped_total", kind="other") == 1
    assert value(metrics, "calls_total", direction="other", disposition="ANSWERED") == 1
    assert value(metrics, "minutes_posted_total", pool="other") == 2


def test_routes_and_trunks_cannot_grow_without_bound(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.ari_request("GET", f"/channels/{number}", 200, 0)
        metrics.dial_attempt(f"trunk{number}", Disposition.BUSY)
    text = metrics.render()[0].decode()
    assert text.count("callcontrol_ari_requests_total{") == 65
    assert text.count("callcontrol_dial_attempts_total{") == 65
    assert value(metrics, "dial_attempts_total", trunk="other", disposition="BUSY") == 936


def test_two_registries_in_one_process() -> None:
    Metrics().ari_connected(True)
    assert value(Metrics(), "ari_connected") == 0


CONTRACT = """ari_connected ari_events ari_event_lag_seconds ari_requests ari_request_duration_seconds calls_active
calls call_setup_seconds post_dial_delay_seconds call_duration_seconds dial_attempts minutes_posted minutes_held
minutes_refused ledger_commit_seconds ledger_batch_size reconciled_calls orphans_reaped
clock_steps audit_findings audit_last_run_timestamp_seconds
audit_duration_seconds build_info""".split()  # noqa: SIM905 - a list to read


def test_the_contract_and_its_documentation(metrics: Metrics) -> None:
    families = {family.name: family for family in metrics.registry.collect() if family.name.startswith("callcontrol_")}
    assert families.keys() == {f"callcontrol_{name}" for name in CONTRACT}
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for name, family in families.items():
        shown = f"{name}_total" if family.type == "counter" else name
        assert f"| `{shown}` | {family.type} |" in page


def test_the_exposition(metrics: Metrics) -> None:
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert b"callcontrol_build_info{" in text
    assert b"_created" not in text
    assert b"process_cpu_seconds_total" in text
