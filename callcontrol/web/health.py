"""`/healthz`, `/readyz` and `/metrics`: for whoever watches the daemon, not for its users.

Health is about this process: that it answers at all shows a living event loop. Readiness is about its work: each
check says what is wrong, and a check that does not answer in time is wrong too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else the reason in one line."""

_CHECK_TIMEOUT_S = 2.0
_SHUTDOWN_TIMEOUT_S = 1.0


class CannotListen(Exception):
    """The address is taken or not ours; says which."""


def health_app(
    *,
    version: str,
    checks: Mapping[str, Check],
    exposition: Callable[[], tuple[bytes, str]],
    before_scrape: Callable[[], Awaitable[None]] | None = None,
    check_timeout_s: float = _CHECK_TIMEOUT_S,
) -> web.Application:
    """The three routes. `exposition` gives the metrics and their content type; `before_scrape` may refresh gauges
    that cost a query, and its failure costs only their freshness."""

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": version}, headers=_FRESH)

    async def readyz(request: web.Request) -> web.Response:
        outcomes = await asyncio.gather(*(_outcome(check, check_timeout_s) for check in checks.values()))
        reasons = {name: reason for name, reason in zip(checks, outcomes, strict=True) if reason is not None}
        body = {
            "ready": not reasons,
            "reasons": reasons,
            "checks": {name: "failed" if name in reasons else "ok" for name in checks},
        }
        return web.json_response(body, status=503 if reasons else 200, headers=_FRESH)

    async def metrics(request: web.Request) -> web.Response:
        if before_scrape is not None:
            try:
                async with asyncio.timeout(check_timeout_s):
                    await before_scrape()
            except Exception as error:
                log.warning("metrics.stale", error=repr(error))
        body, content_type = exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


_FRESH = {"Cache-Control": "no-store"}


async def _outcome(check: Check, timeout_s: float) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            return await check()
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve while the block runs; gives the port, which matters for port 0. Raises CannotListen."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            # asyncio's own text repeats the address; a name that does not resolve has a code of another table.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise CannotListen(f"cannot listen on {host}:{port}: {why}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
