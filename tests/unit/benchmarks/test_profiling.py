"""What the tables of the profile say of samples."""

from __future__ import annotations

from benchmarks.profiling.sampler import Sample
from benchmarks.profiling.tables import function, library, room, spent_by, spent_under

_REQUEST = ("/somewhere/site-packages/aiohttp/client.py", "_request")
_SEND = ("/somewhere/main/callcontrol/ari/connection.py", "send")
_RUN = ("/somewhere/main/callcontrol/engine/lane.py", "_run")
_LOOP = ("/usr/lib/python3.11/asyncio/runners.py", "run")

SAMPLES = [
    Sample("MainThread", [_REQUEST, _SEND, _RUN, _LOOP], 3.0),
    Sample("MainThread", [_SEND, _RUN, _LOOP], 1.0),
    Sample("database-writer", [_LOOP], 2.0),
]


def test_time_belongs_to_the_innermost_room() -> None:
    assert spent_by(SAMPLES, room) == [("ari", 4.0), ("-", 2.0)]


def test_whose_code_ran() -> None:
    assert spent_by(SAMPLES, library) == [("aiohttp", 3.0), ("python", 2.0), ("ari", 1.0)]


def test_a_function_answers_for_what_it_calls() -> None:
    assert [ms for _, ms in spent_under(SAMPLES)] == [4.0, 4.0]
    assert function(_REQUEST) == "aiohttp/client.py:_request"
