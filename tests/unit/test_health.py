"""`/healthz`, `/readyz`, `/metrics` over a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from callcontrol.metrics import Metrics
from callcontrol.web.health import CannotListen, health_app, listening


class Site:
    """The application, its switches, and a client on it."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.ari: str | None = None
        self.ledger: str | Exception | None = None
        self.hang = False
        self.held = 0
        self.app = health_app(
            version="1.2.3",
            checks={"ari": self.check_ari, "ledger": self.check_ledger},
            exposition=self.metrics.render,
            before_scrape=self.refresh,
            check_timeout_s=0.2,
        )
        self.port = 0

    async def check_ari(self) -> str | None:
        return self.ari

    async def check_ledger(self) -> str | None:
        if self.hang:
            await asyncio.Event().wait()
        if isinstance(self.ledger, Exception):
            raise self.ledger
        return self.ledger

    async def refresh(self) -> None:
        if self.hang:
            await asyncio.Event().wait()
        self.metrics.set_minutes_held(self.held)

    async def get(self, path: str) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{self.port}{path}") as response,
        ):
            json = response.content_type == "application/json"
            return response.status, await response.json() if json else await response.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with listening(site.app, "127.0.0.1", 0) as site.port:
        yield site


async def test_health_is_the_process_alone(site: Site) -> None:
    site.ari, site.hang = "disconnected", True
    assert await site.get("/healthz") == (200, {"status": "ok", "version": "1.2.3"})


async def test_ready(site: Site) -> None:
    body = {"ready": True, "reasons": {}, "checks": {"ari": "ok", "ledger": "ok"}}
    assert await site.get("/readyz") == (200, body)


async def test_not_ready_says_why_and_turns_back(site: Site) -> None:
    site.ari = "not connected to Asterisk"
    status, body = await site.get("/readyz")
    assert (status, body["ready"]) == (503, False)
    assert body["reasons"] == {"ari": "not connected to Asterisk"}
    assert body["checks"] == {"ari": "failed", "ledger": "ok"}
    site.ari, site.ledger = None, RuntimeError("disk full")
    assert (await site.get("/readyz"))[1]["reasons"] == {"ledger": "RuntimeError: disk full"}
    site.ledger = None
    assert (await site.get("/readyz"))[0] == 200


async def test_a_check_that_hangs_is_a_reason(site: Site) -> None:
    site.hang = True
    status, body = await site.get("/readyz")
    assert (status, body["reasons"]) == (503, {"ledger": "no answer within 0.2 s"})


async def test_metrics_are_refreshed_and_never_fail_for_it(site: Site) -> None:
    site.held = 5
    status, text = await site.get("/metrics")
    assert status == 200
    assert "callcontrol_minutes_held 5.0" in text
    site.held, site.hang = 6, True
    status, text = await site.get("/metrics")
    assert status == 200
    assert "callcontrol_minutes_held 5.0" in text


async def test_nothing_else_is_there(site: Site) -> None:
    assert (await site.get("/"))[0] == 404
    async with aiohttp.ClientSession() as client, client.post(f"http://127.0.0.1:{site.port}/metrics") as response:
        assert response.status == 405


async def test_a_taken_port_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            async with listening(Site().app, "127.0.0.1", port):
                pass
