"""A whole installation for the tests of one module, and what must be true of it when they are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import create_engine

from callcontrol.ledger.audit import audit
from lab.asterisk import AsteriskInstance
from lab.site import COMPANY, Site, SiteBuilder
from tests.support.waiting import until


@asynccontextmanager
async def installed(
    builder: SiteBuilder, *, companies: Iterable[str] = (COMPANY,), expected_errors: Iterable[str] = ()
) -> AsyncIterator[Site]:
    """Run it; afterwards no channel, bridge or hold may be left, the books must balance, and the daemon's log hold no
    error but those of `expected_errors` (names of events)."""
    async with builder as site:
        yield site
        await nothing_left(site, companies)
        code = await site.daemon.stop()
        assert code == 0, f"the daemon ended with code {code}:\n{site.daemon.log_tail()}"
        findings = await asyncio.to_thread(_audited, site.daemon.database)
        assert not findings, f"the books do not balance: {findings}"
        errors = [event for event in site.daemon.events() if event.get("level") in ("error", "critical")]
        unexpected = [event for event in errors if event["event"] not in set(expected_errors)]
        assert not unexpected, f"errors in the daemon's log: {unexpected}"


async def nothing_left(site: Site, companies: Iterable[str] = (COMPANY,), timeout_s: float = 15.0) -> None:
    """Every call is closed and settled, and nothing of it is in Asterisk."""
    left: dict[str, Any] = {}

    async def nothing() -> bool:
        nonlocal left
        left = await _left(site, companies)
        return not left

    try:
        await until(nothing, "nothing left over", timeout_s)
    except TimeoutError:
        raise AssertionError(f"left over after {timeout_s:g} s: {left}") from None


async def closed_call(site: Site, dialled: str, company: str = COMPANY, timeout_s: float = 10.0) -> dict[str, Any]:
    """The one call of the list to this number, once it is closed: the bill is committed a moment after the hang-up."""

    async def closed() -> list[dict[str, Any]] | None:
        rows = [row for row in await site.calls(company) if row["dialled"] == dialled]
        return rows if rows and all(row["disposition"] for row in rows) else None

    rows = await until(closed, f"the bill of the call to {dialled}", timeout_s)
    assert len(rows) == 1, f"one CDR for each call: {rows}"
    row: dict[str, Any] = rows[0]
    return row


async def ari_get(asterisk: AsteriskInstance, path: str) -> Any:
    """What ARI answers to a GET; None for 404."""
    async with (
        aiohttp.ClientSession(headers=asterisk.ari_headers) as client,
        client.get(asterisk.ari_url + path) as response,
    ):
        if response.status == 404:
            return None
        response.raise_for_status()
        return await response.json()


async def _left(site: Site, companies: Iterable[str]) -> dict[str, Any]:
    found = {
        "channels": [channel["name"] for channel in await ari_get(site.pbx, "/channels")],
        "bridges": [bridge["id"] for bridge in await ari_get(site.pbx, "/bridges")],
        "held": [name for name in companies if (await site.usage(name))["held"]],
        "open calls": [
            row["call_id"] for name in companies for row in await site.calls(name) if row["disposition"] is None
        ],
    }
    if not any(found.values()):
        samples = await site.daemon.metrics()
        found["metrics"] = [
            name
            for name, value in samples.items()
            if name.startswith(("callcontrol_minutes_held", "callcontrol_calls_active")) and value
        ]
    return {what: which for what, which in found.items() if which}


def _audited(database: Path) -> list[str]:
    engine = create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connection:
            return audit(connection)
    finally:
        engine.dispose()
