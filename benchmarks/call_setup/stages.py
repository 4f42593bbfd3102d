"""Where the delay goes: the instants of the daemon's own log between those of SIPp. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from benchmarks.call_setup.figures import middle
from benchmarks.call_setup.trace import Setup

STAGES = {
    "arrive": "INVITE to the daemon's first line: challenge answered, dialplan, StasisStart read",
    "authorise": "directory asked, rules, call and first minute committed",
    "prepare": "agent's leg limited, bridge and customer's leg created, StasisStart read",
    "dial": "customer's leg limited, both bridged, dialled; INVITE at the carrier",
}
_ENDS = {"call.arrived": "arrive", "call.authorised": "authorise", "call.dialling": "prepare"}


def stage_medians(made: Mapping[str, Setup], log_lines: Iterable[str]) -> dict[str, float]:
    """Median milliseconds of each stage, over the calls that went through all of them."""
    numbers: dict[str, str] = {}
    instants: dict[str, dict[str, float]] = {}
    for event in _events(log_lines):
        if event["event"] == "call.arrived":
            numbers[event["call_id"]] = event["dialled"][-8:]
        number = numbers.get(event["call_id"])
        if number is not None:
            at_s = datetime.fromisoformat(event["timestamp"]).timestamp()
            instants.setdefault(number, {})[_ENDS[event["event"]]] = at_s
    spent: dict[str, list[float]] = {name: [] for name in STAGES}
    for number, call in made.items():
        ends = {**instants.get(number, {}), "dial": call.reached_at}
        last = call.authorised_at
        if last is None or any(ends.get(name) is None for name in STAGES):
            continue
        for name in STAGES:
            end = ends[name]
            assert end is not None
            spent[name].append((end - last) * 1000)
            last = end
    return {name: middle(values) for name, values in spent.items()} if any(spent.values()) else {}


def _events(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        if any(f'"{name}"' in line for name in _ENDS):
            yield msgspec.json.decode(line)
