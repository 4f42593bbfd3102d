"""Requests as they go out, and what their answers mean."""

from __future__ import annotations

import json

import pytest

from callcontrol.ari import requests
from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import Answer, outcome_of
from callcontrol.ari.requests import Request
from callcontrol.engine.ports.pbx import Outcome


def words(text: str) -> bytes:
    return json.dumps({"message": text}).encode()


def test_ids_are_escaped_and_routes_are_not_filled_in() -> None:
    request = requests.play("a/b c%", "p?1", "sound:x")
    assert request.path == "/channels/a%2Fb%20c%25/play/p%3F1"
    assert request.route == "/channels/{id}/play/{playback}"


def test_an_id_with_braces_stays_an_id() -> None:
    assert requests.put_object("auth", "{id}", {}).path == "/asterisk/config/dynamic/res_pjsip/auth/%7Bid%7D"


def test_a_create_as_asterisk_reads_it() -> None:
    request = requests.create_channel(
        "cc-1-customer", "PJSIP/+5511@c", app="callcontrol", app_args=("leg", "customer"), originator="a1"
    )
    assert (request.method, request.path) == ("POST", "/channels/create")
    assert json.loads(request.body or b"") == {
        "endpoint": "PJSIP/+5511@c",
        "app": "callcontrol",
        "appArgs": "leg,customer",
        "channelId": "cc-1-customer",
        "originator": "a1",
    }


def test_a_hang_up_names_the_cause_in_the_query() -> None:
    assert requests.hang_up("c1", 17).path == "/channels/c1?reason_code=17"


def test_no_dialled_number_is_in_a_path() -> None:
    """Paths are logged."""
    request = requests.create_channel("c1", "PJSIP/+5511987654321@c", app="a", app_args=(), originator=None)
    assert "987654321" not in request.path + request.route


CREATE = requests.create_channel("c", "PJSIP/x", app="a", app_args=(), originator=None)
BRIDGE = requests.create_bridge("b", "mixing")
ACTION = requests.answer("c")
DIAL = requests.dial("c", caller=None, timeout_s=30)
ADD = requests.add_to_bridge("b", ("c",))
HANG_UP = requests.hang_up("c", 16)


@pytest.mark.parametrize(
    ("request_", "status", "body", "expected"),
    [
        (CREATE, 200, b"{}", Outcome.DONE),
        (CREATE, 409, words("Channel with given unique ID already exists"), Outcome.EXISTS),
        (CREATE, 500, b'{"error":"Allocation failed"}', Outcome.UNAVAILABLE),
        (CREATE, 400, words("Invalid endpoint specified"), Outcome.INVALID),
        (CREATE, 503, b"", Outcome.UNKNOWN),
        (CREATE, 0, b"", Outcome.UNKNOWN),
        (BRIDGE, 409, words("Bridge with id 'b' already exists"), Outcome.EXISTS),
        (BRIDGE, 500, words("Unable to create bridge"), Outcome.UNKNOWN),
        (ACTION, 204, b"", Outcome.DONE),
        (ACTION, 404, words("Channel not found"), Outcome.GONE),
        (ACTION, 409, words("Channel not in Stasis application"), Outcome.NOT_IN_STASIS),
        (ACTION, 412, words("Channel in invalid state"), Outcome.INVALID),
        (ACTION, 401, b"", Outcome.INVALID),
        (ACTION, 500, b"", Outcome.UNKNOWN),
        (DIAL, 409, words("Channel not in Stasis application"), Outcome.NOT_IN_STASIS),
        (DIAL, 409, words("Channel is not in the 'Down' state"), Outcome.INVALID),
        (ADD, 400, words("Channel not found"), Outcome.GONE),
        (ADD, 404, words("Bridge not found"), Outcome.GONE),
        (ADD, 422, words("Channel not in Stasis application"), Outcome.NOT_IN_STASIS),
        (ADD, 409, words("Bridge not in Stasis application"), Outcome.INVALID),
        (HANG_UP, 404, words("Channel not found"), Outcome.GONE),
    ],
)
def test_what_an_answer_means(request_: Request, status: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(request_, Answer(status, body)) is expected


def test_pauses_double_up_to_a_limit_and_are_never_the_same_for_all() -> None:
    longest = Backoff(0.1, 5.0, uniform=lambda _, high: high)
    shortest = Backoff(0.1, 5.0, uniform=lambda low, _: low)
    assert [longest.pause_s(n) for n in (1, 2, 3, 6, 7, 1000)] == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]
    assert [shortest.pause_s(n) for n in (1, 7)] == [0.05, 2.5]
