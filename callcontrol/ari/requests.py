"""What we ask of Asterisk, as values. Sans-I/O.

Source: `rest-api/api-docs/*.json` of Asterisk 22.10.1. Parameters of POST and PUT go as a JSON object, which ARI takes
in place of the query string and which keeps dialled numbers out of URLs; those of DELETE and GET go in the query.
Each request knows what its error statuses mean (`outcomes`), because ARI gives one number several meanings: 409
is "exists" for a create and "not in Stasis" for an action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from callcontrol.ari.wire import EVENT_TYPES
from callcontrol.engine.ports.pbx import Outcome

_CREATE = {409: Outcome.EXISTS}
_RELEASE = {404: Outcome.GONE}
_ACTION = {404: Outcome.GONE, 409: Outcome.NOT_IN_STASIS}
_ADD = {400: Outcome.GONE, 404: Outcome.GONE, 422: Outcome.NOT_IN_STASIS}
"""addChannel says 400 for a channel that is gone, 404 for the bridge."""


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request. `route` is its path before ids were put in: what metrics may show."""

    method: str
    route: str
    path: str
    """Percent-encoded, with its query, relative to `/ari`."""
    body: bytes | None = None
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)


def _request(
    method: str,
    route: str,
    *ids: str,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    outcomes: Mapping[int, Outcome] | None = None,
) -> Request:
    path = route
    for name in ids:
        start, end = path.index("{"), path.index("}") + 1
        path = path[:start] + quote(name, safe="") + path[end:]
    if query:
        path += "?" + urlencode(query, quote_via=quote)
    return Request(method, route, path, msgspec.json.encode(body) if body is not None else None, outcomes or {})


# /asterisk and /applications


def ping() -> Request:
    return _request("GET", "/asterisk/ping")


def asterisk_status() -> Request:
    return _request("GET", "/asterisk/info", query={"only": "status"})


def filter_events(app: str) -> Request:
    """Only the events that the machines need. Asterisk forgets it with the registration of the application."""
    allowed = [{"type": name} for name in EVENT_TYPES]
    return _request("PUT", "/applications/{app}/eventFilter", app, body={"allowed": allowed})


# /channels


def list_channels() -> Request:
    return _request("GET", "/channels")


def get_channel(channel_id: str) -> Request:
    return _request("GET", "/channels/{id}", channel_id, outcomes=_RELEASE)


def create_channel(
    channel_id: str, dial_string: str, *, app: str, app_args: Iterable[str], originator: str | None
) -> Request:
    body = {"endpoint": dial_string, "app": app, "appArgs": ",".join(app_args), "channelId": channel_id}
    if originator is not None:
        body["originator"] = originator
    # 500 "Allocation failed": no such endpoint, no contact registered, no such technology.
    return _request("POST", "/channels/create", body=body, outcomes=_CREATE | {500: Outcome.UNAVAILABLE})


def set_variables(channel_id: str, variables: Mapping[str, str]) -> Request:
    body = {"variables": dict(variables)}
    return _request("POST", "/channels/{id}/variables", channel_id, body=body, outcomes=_ACTION)


def dial(channel_id: str, *, caller: str | None, timeout_s: int) -> Request:
    body: dict[str, Any] = {"timeout": timeout_s}
    if caller is not None:
        body["caller"] = caller
    return _request("POST", "/channels/{id}/dial", channel_id, body=body, outcomes=_ACTION)


def answer(channel_id: str) -> Request:
    return _request("POST", "/channels/{id}/answer", channel_id, outcomes=_ACTION)


def play(channel_id: str, playback_id: str, media: str) -> Request:
    route = "/channels/{id}/play/{playback}"
    return _request("POST", route, channel_id, playback_id, body={"media": media}, outcomes=_ACTION)


def hang_up(channel_id: str, q850: int) -> Request:
    return _request("DELETE", "/channels/{id}", channel_id, query={"reason_code": str(int(q850))}, outcomes=_RELEASE)


def continue_in_dialplan(channel_id: str) -> Request:
    return _request("POST", "/channels/{id}/continue", channel_id, outcomes=_ACTION)


# /bridges


def list_bridges() -> Request:
    return _request("GET", "/bridges")


def create_bridge(bridge_id: str, bridge_type: str) -> Request:
    # In the query: with these in the body, 22.10.1 answers 500 in place of 409 for an id that exists (measured).
    return _request("POST", "/bridges", query={"bridgeId": bridge_id, "type": bridge_type}, outcomes=_CREATE)


def destroy_bridge(bridge_id: str) -> Request:
    return _request("DELETE", "/bridges/{id}", bridge_id, outcomes=_RELEASE)


def add_to_bridge(bridge_id: str, channel_ids: Iterable[str]) -> Request:
    # A list: the comma-separated form of the query is one strange name in a body. And without the inhibition the
    # agent's extension takes the place of the origin number in the INVITE to the carrier (R11, measured), and phones
    # are told of every change in the bridge (M7).
    body = {"channel": list(channel_ids), "inhibitConnectedLineUpdates": True}
    return _request("POST", "/bridges/{id}/addChannel", bridge_id, body=body, outcomes=_ADD)


# /endpoints and dynamic configuration


def list_endpoints() -> Request:
    return _request("GET", "/endpoints/{tech}", "PJSIP")


_OBJECT = "/asterisk/config/dynamic/{class}/{type}/{id}"


def get_object(kind: str, name: str) -> Request:
    return _request("GET", _OBJECT, "res_pjsip", kind, name, outcomes=_RELEASE)


def put_object(kind: str, name: str, fields: Mapping[str, str]) -> Request:
    body = {"fields": [{"attribute": key, "value": value} for key, value in fields.items()]}
    return _request("PUT", _OBJECT, "res_pjsip", kind, name, body=body)


def delete_object(kind: str, name: str) -> Request:
    return _request("DELETE", _OBJECT, "res_pjsip", kind, name, outcomes=_RELEASE)
