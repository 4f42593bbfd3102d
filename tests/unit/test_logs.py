"""The log: no secret in it, numbers masked on request, one line for each committed fact of a call."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import structlog

from callcontrol.config import LogConfig
from callcontrol.domain.admission import CallTerms
from callcontrol.domain.calls.state import Call, LegState, Phase, Timing
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.minutes import Minutes, Seconds
from callcontrol.engine.ports.ledger import Cdr, Posting
from callcontrol.logs import LoggingObserver, configure_logging
from callcontrol.logs.cleaning import Cleaner
from callcontrol.metrics import Observers

T0 = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_json_with_what_was_bound(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    with structlog.contextvars.bound_contextvars(call_id="01K", channel_id="pbx-1.2"):
        structlog.get_logger("callcontrol.x").info("thing.done", how="çerto", count=2)
    (line,) = lines(log)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "thing.done",
        "how": "çerto",
        "count": 2,
        "call_id": "01K",
        "channel_id": "pbx-1.2",
        "level": "info",
        "logger": "callcontrol.x",
    }


def test_libraries_speak_through_the_same_log(log: io.StringIO) -> None:
    configure_logging(LogConfig(level="debug"), stream=log)
    structlog.contextvars.bind_contextvars(call_id="01K")
    logging.getLogger("aiohttp.server").error("bad %s", "request", extra={"token": "t0ken"})
    logging.getLogger("sqlalchemy.engine").info("SELECT secret things")
    logging.getLogger("aiohttp.access").info("GET /metrics")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old thing", stacklevel=1)
    first, second = lines(log)
    assert (first["event"], first["level"], first["call_id"]) == ("bad request", "error", "01K")
    assert first["token"] == "[removed]"
    assert "old thing" in second["event"]


def test_levels(log: io.StringIO) -> None:
    configure_logging(LogConfig(level="warning"), stream=log)
    structlog.get_logger().info("no")
    logging.getLogger("x").info("no")
    structlog.get_logger().warning("yes")
    assert [line["event"] for line in lines(log)] == ["yes"]


def test_configuring_twice_writes_once(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    configure_logging(LogConfig(), stream=log)
    structlog.get_logger().info("once")
    assert len(lines(log)) == 1


def test_exceptions_without_the_values_of_variables(log: io.StringIO) -> None:
    configure_logging(LogConfig(), secrets=["hunter2hunter2"], stream=log)

    password = "correct-horse"

    def fail(ari_password: str) -> None:
        raise ValueError(f"cannot reach http://callcontrol:{ari_password}@pbx/ari?api_key=u:{ari_password}")

    try:
        fail(password)
    except ValueError:
        structlog.get_logger().exception("failed", note="it was hunter2hunter2")
    text = log.getvalue()
    assert password not in text
    assert "hunter2" not in text
    assert "ValueError: cannot reach http://[removed]@pbx" in lines(log)[0]["exception"]


def test_a_value_that_cannot_be_shown_harms_nobody(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    configure_logging(LogConfig(), stream=log)

    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    loop: list[Any] = []
    loop.append(loop)
    structlog.get_logger().info("shy", thing=Shy())
    structlog.get_logger().info("loop", thing=loop, other={1: {2: b"bytes"}})
    assert [line["event"] for line in lines(log)][-1] == "loop"


def test_the_console_is_for_people(log: io.StringIO) -> None:
    configure_logging(LogConfig(format="console", mask_numbers=True), stream=log)
    structlog.get_logger().info("call.ringing", number="+5511987654321", token="t0ken")
    assert "call.ringing" in log.getvalue()
    assert "number=+*********4321" in log.getvalue()
    assert "t0ken" not in log.getvalue()


def clean(event: dict[str, Any], *, mask: bool = False) -> dict[str, Any]:
    return dict(Cleaner(mask_numbers=mask)(None, "info", event))


@pytest.mark.parametrize(
    "event",
    [
        {"token": "s3cret"},
        {"ari_password": "s3cret"},
        {"headers": {"Authorization": "Basic s3cret", "Cookie": ["s3cret"]}},
        {"body": [{"sip": {"password": "s3cret"}}]},
        {"url": "postgresql://cc:s3cret@db/cc"},
        {"line": "Authorization: Basic s3crets3cret="},
        {"line": "password=s3cret&x=1"},
        {"line": "{'password': 's3cret'}"},
        {"line": 'token="s3cret"'},
        {"api_key": 5},
    ],
)
def test_secrets_are_removed(event: dict[str, Any]) -> None:
    shown = str(clean(event))
    assert "s3cret" not in shown
    assert "[removed]" in shown


def test_what_is_no_secret_stays() -> None:
    event = {"event": "token.rotated", "rotated": True, "seconds": 1.5, "at": None, "number": "+5511987654321"}
    assert clean(event) == event


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("number", "+5511987654321", "+*********4321"),
        ("dialled", "987654321", "*****4321"),
        ("dialled", "190", "190"),
        ("dialled", "1001", "1001"),
        ("dial_string", "PJSIP/+5511987654321@carrier", "PJSIP/+*********4321@carrier"),
        ("event", "no route to +5511987654321", "no route to **********4321"),
        ("error", "PJSIP/5511987654321@carrier", "PJSIP/*********4321@carrier"),
        ("agent_channel", "pbx-1795312345.42", "pbx-1795312345.42"),
        ("file", "callcontrol.csv-20261122", "callcontrol.csv-20261122"),
        ("at", "2026-11-22T02:00:00.123456+00:00", "2026-11-22T02:00:00.123456+00:00"),
        ("q850", 16, 16),
    ],
)
def test_numbers_are_masked_but_for_four_digits(key: str, value: Any, shown: Any) -> None:
    assert clean({key: value}, mask=True)[key] == shown
    assert clean({key: value})[key] == value


# The timeline

TERMS = CallTerms(1, 2, 3, "outbound", "+5511987654321", "PJSIP/x@carrier", "carrier", "+551130003000", True, 60, "UTC")
NEW = Call("01K", "pbx-1.1", "1001", "987654321", T0, Timing())
PREPARING = replace(NEW, phase=Phase.PREPARING, terms=TERMS, held_minutes=1, customer=LegState.PRESENT)
DIALLING = replace(PREPARING, phase=Phase.DIALLING)
RINGING = replace(DIALLING, phase=Phase.RINGING, rang_at=T0 + timedelta(seconds=1))
TALKING = replace(RINGING, phase=Phase.TALKING, answered_at=T0 + timedelta(seconds=3))
EXTENDED = replace(TALKING, held_minutes=5)
ENDING = replace(
    EXTENDED,
    phase=Phase.ENDING,
    disposition=Disposition.ANSWERED,
    reason=Reason.CUSTOMER_HUNG_UP,
    ended_at=T0 + timedelta(seconds=100),
    q850=16,
)
CLOSING = replace(ENDING, phase=Phase.CLOSING)
CDR = Cdr("01K", Disposition.ANSWERED, Seconds(97), Minutes(2), (Posting("addon", 1), Posting("addon", 1)))


def test_the_timeline_of_an_answered_call(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    observer = LoggingObserver()
    story = [NEW, PREPARING, DIALLING, RINGING, TALKING, EXTENDED, ENDING, CLOSING]
    observer.call_changed(None, NEW)
    for before, after in pairwise(story):
        observer.call_changed(before, after)
    observer.call_closed(CLOSING, CDR)
    told = lines(log)
    assert [line["event"] for line in told] == [
        "call.arrived",
        "call.authorised",
        "call.dialling",
        "call.ringing",
        "call.answered",
        "call.extended",
        "call.ended",
        "call.closed",
    ]
    assert {line["call_id"] for line in told} == {"01K"}
    assert told[0]["dialled"] == "987654321"
    assert told[1]["number"] == "+5511987654321"
    assert (told[1]["held_minutes"], told[1]["trunk"], told[1]["direction"]) == (1, "carrier", "outbound")
    assert (told[6]["reason"], told[6]["q850"]) == ("customer_hung_up", 16)
    assert (told[7]["billsec"], told[7]["billed_minutes"], told[7]["postings"]) == (97, 2, {"addon": 2})


def test_the_timeline_of_a_refused_call(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    refused = replace(
        NEW, phase=Phase.ANNOUNCING, disposition=Disposition.REFUSED, reason=Reason.POOL_EXHAUSTED, ended_at=T0
    )
    observer = LoggingObserver()
    observer.call_changed(None, NEW)
    observer.call_changed(NEW, refused)
    observer.call_changed(refused, replace(refused, phase=Phase.CLOSING))
    told = lines(log)
    assert [line["event"] for line in told] == ["call.arrived", "call.refused"]
    assert (told[1]["reason"], told[1]["number"]) == ("pool_exhausted", "987654321")


def test_recovery_is_told(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    observer = LoggingObserver()
    observer.call_changed(None, TALKING)
    observer.reconciled("adopted")
    observer.orphan_reaped("bridge")
    observer.minutes_refused("pool_exhausted")
    assert [line["event"] for line in lines(log)] == ["call.adopted", "call.reconciled", "orphan.reaped"]


class Broken:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("broken")


class Noting:
    def __init__(self) -> None:
        self.told: list[str] = []

    def call_changed(self, before: Call | None, after: Call) -> None:
        self.told.append("call_changed")

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        self.told.append("call_closed")

    def minutes_refused(self, reason: str) -> None:
        self.told.append(reason)

    def reconciled(self, source: str) -> None:
        self.told.append(source)

    def orphan_reaped(self, kind: str) -> None:
        self.told.append(kind)

    def clock_stepped(self, step_s: float) -> None:
        self.told.append(f"{step_s:g}")


def test_an_observer_that_raises_hurts_nobody(log: io.StringIO) -> None:
    configure_logging(LogConfig(), stream=log)
    noting = Noting()
    observers = Observers([Broken(), noting])
    observers.call_changed(None, NEW)
    observers.call_closed(CLOSING, CDR)
    observers.minutes_refused("pool_exhausted")
    observers.reconciled("cel")
    observers.orphan_reaped("bridge")
    observers.clock_stepped(3600.0)
    assert noting.told == ["call_changed", "call_closed", "pool_exhausted", "cel", "bridge", "3600"]
    assert [line["event"] for line in lines(log)] == ["observer.failed"] * 6
