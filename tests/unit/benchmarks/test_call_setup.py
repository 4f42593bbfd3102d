"""The pure parts of the benchmark: what a trace says, and what figures are made of it."""

from __future__ import annotations

import json
import math
import os

import pytest

from benchmarks.call_setup.cpu import cpu_s
from benchmarks.call_setup.figures import Cpu, Round, middle, percentile, ratio, round_of
from benchmarks.call_setup.report import Ceiling, Report, header, line, summary
from benchmarks.call_setup.stages import stage_medians
from benchmarks.call_setup.trace import Setup, read, setups

_NUMBER = "00000042"


def sipp(at_s: float, direction: str, call: str, cseq: str, first_line: str) -> str:
    return f"2026-11-22\t02:27:38.055814\t{at_s:.6f}\t{direction}\t{call}\tCSeq:{cseq}\t{first_line}\n"


INVITE = f"INVITE sip:00119{_NUMBER}@127.0.0.1:15469 SIP/2.0"
AGENT = [
    sipp(100.000, "S", "1-9@127.0.0.1", "1 INVITE", INVITE),
    sipp(100.002, "R", "1-9@127.0.0.1", "1 INVITE", "SIP/2.0 401 Unauthorized"),
    sipp(100.003, "S", "1-9@127.0.0.1", "1 ACK", f"ACK sip:00119{_NUMBER}@127.0.0.1:15469 SIP/2.0"),
    sipp(100.004, "S", "1-9@127.0.0.1", "2 INVITE", INVITE),
    sipp(100.300, "R", "1-9@127.0.0.1", "2 INVITE", "SIP/2.0 200 OK"),
    sipp(102.300, "R", "1-9@127.0.0.1", "3 BYE", "SIP/2.0 200 OK"),
]
CARRIER = [
    sipp(100.014, "R", "abc@pbx", "5 INVITE", f"INVITE sip:+55119{_NUMBER}@127.0.0.1:30282 SIP/2.0"),
    sipp(100.514, "R", "abc@pbx", "5 INVITE", f"INVITE sip:+55119{_NUMBER}@127.0.0.1:30282 SIP/2.0"),
]


def test_a_call_is_followed_by_its_number() -> None:
    made = setups(read(AGENT), read(CARRIER))
    assert list(made) == [_NUMBER]
    call = made[_NUMBER]
    assert (call.answered, call.completed, call.retransmissions) == (True, True, 0)
    assert call.delay_ms == pytest.approx(10)
    assert call.whole_delay_ms == pytest.approx(14)


def test_a_repeated_invite_and_a_call_that_never_arrived() -> None:
    again = sipp(100.504, "S", "1-9@127.0.0.1", "2 INVITE", INVITE)
    [call] = setups(read([*AGENT[:4], again]), read([])).values()
    assert (call.answered, call.retransmissions, call.delay_ms) == (False, 1, None)


def test_a_line_that_was_cut_off_is_left_out() -> None:
    assert list(read([AGENT[0][:40], "\n"])) == []


def test_the_log_divides_the_delay() -> None:
    def logged(event: str, second: str, **fields: str) -> str:
        return json.dumps({"event": event, "call_id": "c", "timestamp": f"1970-01-01T00:01:{second}Z", **fields})

    lines = [
        logged("call.arrived", "40.006000", dialled=f"119{_NUMBER}"),
        logged("call.authorised", "40.007500"),
        logged("call.dialling", "40.010500"),
        logged("call.ended", "42.300000"),
    ]
    stages = stage_medians(setups(read(AGENT), read(CARRIER)), lines)
    assert {name: round(ms, 3) for name, ms in stages.items()} == {
        "arrive": 2.0,
        "authorise": 1.5,
        "prepare": 3.0,
        "dial": 3.5,
    }
    assert stage_medians({}, lines) == {}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (0.01, 1), (1.0, 4)])
def test_percentiles_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_of_nothing_there_is_no_figure() -> None:
    assert all(math.isnan(value) for value in (percentile([], 0.95), middle([]), ratio(1, 0)))


def _round(way: str, delay_ms: float, calls: int = 3, expected: int = 3) -> Round:
    made = [
        Setup(index, index + 0.001, index + 0.001 + delay_ms / 1000, answered=True, completed=True)
        for index in range(calls)
    ]
    return round_of(way, 1, made, expected, Cpu(10.0, 5.0), {})


def test_a_round_is_clean_when_everything_went_through_in_time() -> None:
    assert _round("daemon", 10).is_clean(20)
    assert not _round("daemon", 30).is_clean(20)
    missing = _round("daemon", 10, expected=4)
    assert (missing.failed, missing.is_clean(20)) == (1, False)


def test_the_report_says_ratios_of_the_same_turn() -> None:
    report = Report("2 CPUs", "22.10.1", "dial", {"rate": 1})
    report.rounds = [_round("daemon", 30), _round("dial", 10), _round("daemon", 40), _round("dial", 20)]
    report.ceilings = [Ceiling("daemon", None, False), Ceiling("dial", 60, True)]
    text = "\n".join(summary(report))
    assert "delay x 2.50 (2.00-3.00)" in text
    assert "daemon: not clean at the lowest rate" in text
    assert "dial: clean at 60 calls/s, the highest that was tried" in text
    assert len(line(report.rounds[0])) == len(header())
    assert json.loads(report.json())["rounds"][0]["way"] == "daemon"


def test_cpu_time_of_this_process() -> None:
    assert cpu_s(os.getpid()) > 0
