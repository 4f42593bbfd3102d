"""The other side of the wire: a small ARI server whose every misbehaviour a test chooses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

CHANNEL = {
    "id": "a1",
    "name": "PJSIP/1001-00000001",
    "state": "Ring",
    "creationtime": "2026-11-22T12:00:00.000+0000",
    "dialplan": {"app_name": "Stasis", "app_data": "callcontrol,outbound,190"},
}
AT = "2026-11-22T12:00:00.000+0000"


def entered(channel_id: str) -> dict[str, Any]:
    channel = {**CHANNEL, "id": channel_id}
    return {"type": "StasisStart", "timestamp": AT, "args": ["outbound", "190"], "channel": channel}


class Peer:
    def __init__(self) -> None:
        self.requests: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.answers_pings = True
        self.answers_rest = True
        self.status = 200
        self.news = asyncio.Condition()
        self.url = ""
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{tail:.*}", self._rest)
        self._server = TestServer(app)

    async def start(self) -> None:
        await self._server.start_server()
        self.url = str(self._server.make_url("/"))

    async def stop(self) -> None:
        for socket in self.sockets:
            await socket.close()
        await self._server.close()

    async def until(self, fact: Any, what: str, within_s: float = 10) -> None:
        try:
            async with asyncio.timeout(within_s), self.news:
                await self.news.wait_for(fact)
        except TimeoutError:
            raise TimeoutError(f"{what}; requests: {self.requests}") from None

    async def tell(self, event: dict[str, Any] | str, socket: int = -1) -> None:
        await self.sockets[socket].send_str(event if isinstance(event, str) else json.dumps(event))

    async def drop(self) -> None:
        await self.sockets[-1].close()

    async def _note(self, what: str) -> None:
        async with self.news:
            self.requests.append(what)
            self.news.notify_all()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        await self._note(f"GET /ari/events?{request.query_string}")
        if self.status != 200:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.PING:
                await self._note("ping")
                if self.answers_pings:
                    await socket.pong(message.data)
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        await self._note(f"{request.method} {request.path}")
        if not self.answers_rest:
            return web.Response(status=503)
        if request.path.endswith("/asterisk/info"):
            return web.json_response({"status": {"startup_time": "2026-11-22T11:00:00.000+0000"}})
        if request.path.endswith("/channels"):
            return web.json_response([CHANNEL])
        return web.json_response([])
