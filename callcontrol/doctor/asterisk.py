"""Checks of Asterisk over its REST interface.

Source: Asterisk's published REST model (rest-api/api-docs: asterisk.json, channels.json, endpoints.json).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from callcontrol.cel import CelFile
from callcontrol.config import Config
from callcontrol.doctor.check import Check
from callcontrol.doctor.requirements import MODULES, OLDEST_VERSION, TESTED_VERSIONS

_PROBE = "callcontrol-doctor"
"""Context, endpoint, auth and aor of what is made and removed again; no dialplan has such a context."""
_AT_ONCE = 8
_MOST_NAMED = 5
_SKEW = timedelta(seconds=2)


class _Ari:
    """Just enough of a client: a doctor's is not the daemon's, which would be down with what it depends on."""

    def __init__(self, client: aiohttp.ClientSession, base: str) -> None:
        self._client = client
        self._base = base

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and decoded body, or None where it is not JSON."""
        async with self._client.request(method, self._base + path, **options) as response:
            text = await response.text()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, None


async def check_all(config: Config) -> list[Check]:
    """All of them; only the first when Asterisk cannot be asked at all."""
    settings = config.asterisk
    authorization = aiohttp.encode_basic_auth(settings.ari_user, settings.ari_password)
    async with aiohttp.ClientSession(
        headers={"Authorization": authorization},
        timeout=aiohttp.ClientTimeout(total=settings.request_timeout_s),
        connector=aiohttp.TCPConnector(limit=_AT_ONCE),
    ) as client:
        ari = _Ari(client, f"{settings.ari_url}/ari")
        reached, info = await _reach(ari, config)
        if info is None:
            return [reached]
        checks: list[Callable[[], Awaitable[Check]]] = [
            lambda: modules(ari),
            lambda: cel(ari, config),
            lambda: softphones(ari),
            lambda: transfers(ari),
        ]
        found = [reached, version(info), systemname(info)]
        for check in checks:
            try:
                found.append(await check())
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                found.append(Check("ari", False, f"stopped answering: {_why(error)}"))
                break
        return found


async def _reach(ari: _Ari, config: Config) -> tuple[Check, dict[str, Any] | None]:
    """ARI answers and knows our user."""
    name, url, user = "ari", config.asterisk.ari_url, config.asterisk.ari_user
    try:
        status, info = await ari.ask("GET", "/asterisk/info")
    except TimeoutError:
        advice = "is Asterisk busy or hung? `asterisk -rx 'core show uptime'`"
        return Check(name, False, f"{url} does not answer within {config.asterisk.request_timeout_s:g} s", advice), None
    except (aiohttp.ClientError, OSError) as error:
        return Check(name, False, f"{url}: {_why(error)}", "does Asterisk run, and http.conf say enabled=yes?"), None
    if status in (401, 403):
        return Check(name, False, f"{url} refuses user {user!r}", "compare [asterisk] with ari.conf"), None
    if status != 200 or not isinstance(info, dict):
        advice = "load res_ari, res_ari_asterisk and res_websocket_client; see [asterisk] ari_url"
        return Check(name, False, f"{url}/ari answers {status}: ARI is not there", advice), None
    return Check(name, True, f"{url}, user {user}"), info


def _why(error: Exception) -> str:
    """The system's word for it: aiohttp's own repeats address and TLS settings."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__


def version(info: dict[str, Any]) -> Check:
    """A release that the live tests have passed on; never one with known holes."""
    name = "version"
    text = str(info.get("system", {}).get("version", ""))
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        return Check(name, None, f"{text or 'unknown'}: not a release that was tested", _tested())
    number = tuple(int(part) for part in match.groups())
    if number < OLDEST_VERSION:
        return Check(name, False, f"{text} has security faults in ARI", _tested())
    # A release candidate is not the release: 22.11.0-rc2.
    if match.group() not in TESTED_VERSIONS or text[match.end() :].startswith("-rc"):
        return Check(name, None, f"{text} was not tested with this version", _tested())
    return Check(name, True, text)


def _tested() -> str:
    return f"tested: {', '.join(TESTED_VERSIONS)}"


def systemname(info: dict[str, Any]) -> Check:
    """Unique ids of channels begin with it: bills are settled by those."""
    name = "systemname"
    value = info.get("config", {}).get("name") or ""
    advice = "[options] systemname = a name of this machine alone, in asterisk.conf"
    if not value:
        return Check(name, False, "not set: two PBXs, or one reinstalled, would make the same channel ids", advice)
    if value.lower() in ("asterisk", "localhost", "pbx", "server", "sip", "voip", "test"):
        return Check(name, None, f"{value!r} does not look unique", advice)
    return Check(name, True, value)


async def modules(ari: _Ari) -> Check:
    """Everything `asterisk-conf/modules.conf` calls needed is loaded and runs."""
    name = "modules"
    status, body = await ari.ask("GET", "/asterisk/modules")
    if status != 200:
        return Check(name, None, f"Asterisk does not list them ({status})", "see asterisk-conf/modules.conf")
    running = {module["name"] for module in body if module.get("status") == "Running"}
    missing = sorted(MODULES - running)
    if missing:
        return Check(name, False, f"not running: {', '.join(missing)}", "see asterisk-conf/modules.conf")
    return Check(name, True, f"{len(MODULES)} needed ones run")


async def cel(ari: _Ari, config: Config) -> Check:
    """A channel is made, leads nowhere, and must be found in the file: enabled, written, readable, in our form."""
    name, file = "cel", config.asterisk.cel_file
    channel = f"{_PROBE}-{secrets.token_hex(6)}"
    began = datetime.now(UTC)
    probe = {
        "endpoint": f"Local/probe@{_PROBE}/n",
        "extension": "probe",
        "context": _PROBE,
        "priority": "1",
        "channelId": channel,
    }
    status, _ = await ari.ask("POST", "/channels", params=probe)
    if status != 200:
        return Check(name, None, f"cannot be tried: making a channel answers {status}", "is the user read_only?")
    records = await CelFile(file).read(
        [channel], since=began - timedelta(hours=1), ended=[channel], wait_s=config.asterisk.cel_wait_s
    )
    record = records.get(channel)
    if record is None:
        return Check(name, False, await asyncio.to_thread(_why_no_record, config), _CEL_ADVICE)
    if record.started_at is None or record.ended_at is None:
        return Check(name, False, f"{file} lacks CHAN_START, HANGUP or CHAN_END", _CEL_ADVICE)
    if abs(record.started_at - began) > _SKEW + (datetime.now(UTC) - began):
        return Check(name, False, f"its clock differs from ours by {record.started_at - began}", "set both clocks")
    return Check(name, True, f"{file} is written")


_CEL_ADVICE = (
    "see asterisk-conf/cel.conf and cel_custom.conf, and `cel show status`: apps=all without APP_START and APP_END "
    "disables CEL; the folder must exist; [asterisk] cel_file must be that file"
)


def _why_no_record(config: Config) -> str:
    file = config.asterisk.cel_file
    try:
        with file.open("rb"):
            return f"{file} is there, but a new channel is not written to it"
    except FileNotFoundError:
        return f"{file} is not there" if file.parent.is_dir() else f"the folder {file.parent} is not there"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"


async def softphones(ari: _Ari) -> Check:
    """Agents' endpoints can be pushed: sorcery.conf maps auth, aor and endpoint to something that can be written."""
    name = "softphones"
    fields = {
        "auth": {"auth_type": "userpass", "username": _PROBE, "password": secrets.token_urlsafe(24)},
        "aor": {"max_contacts": "0"},
        "endpoint": {"context": _PROBE, "auth": _PROBE, "aors": _PROBE, "allow_transfer": "no"},
    }
    refused = None
    try:
        for kind, values in fields.items():
            body = {"fields": [{"attribute": key, "value": value} for key, value in values.items()]}
            status, answer = await ari.ask("PUT", f"/asterisk/config/dynamic/res_pjsip/{kind}/{_PROBE}", json=body)
            if status != 200:
                why = answer.get("message", status) if isinstance(answer, dict) else status
                refused = f"cannot be pushed over ARI: {kind}: {why}"
                break
    finally:
        for kind in reversed(fields):
            await ari.ask("DELETE", f"/asterisk/config/dynamic/res_pjsip/{kind}/{_PROBE}")
    if refused:
        return Check(name, False, refused, "map endpoint, auth and aor to astdb: asterisk-conf/sorcery.conf")
    return Check(name, True, "can be pushed over ARI")


async def transfers(ari: _Ari) -> Check:
    """A REFER with `Refer-Sub: false` kills Asterisk 22.10.1 where SIP transfers are handed to ARI."""
    name = "transfers"
    status, body = await ari.ask("GET", "/endpoints/PJSIP")
    if status != 200:
        return Check(name, None, f"Asterisk does not list its PJSIP endpoints ({status})")
    names = [endpoint["resource"] for endpoint in body]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def allows(endpoint: str) -> bool:
        async with gate:
            _, fields = await ari.ask("GET", f"/asterisk/config/dynamic/res_pjsip/endpoint/{quote(endpoint, safe='')}")
        return isinstance(fields, list) and {"attribute": "allow_transfer", "value": "true"} in fields

    open_to_it = [name for name, yes in zip(names, await asyncio.gather(*map(allows, names)), strict=True) if yes]
    if open_to_it:
        return Check(name, None, f"allowed by SIP for {_some(open_to_it)}", "allow_transfer=no on these endpoints")
    return Check(name, True, f"off on all {len(names)} PJSIP endpoints")


def _some(names: Iterable[str]) -> str:
    every = sorted(names)
    more = len(every) - _MOST_NAMED
    return ", ".join(every[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
