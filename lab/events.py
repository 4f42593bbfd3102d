"""What an Asterisk of the laboratory tells, as it happens (ARI's websocket, subscribed to everything)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp

Event = dict[str, Any]
_T = TypeVar("_T")


class EventStream:
    """Keeps every event, in order, and wakes whoever waits for one."""

    def __init__(self, ari_url: str, user: str, password: str) -> None:
        self._url = ari_url
        self._headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
        self._client: aiohttp.ClientSession | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self.listeners: list[Callable[[Event], None]] = []

    async def open(self) -> None:
        self._client = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=10))
        query = {"app": "lab", "subscribeAll": "true"}
        socket = await self._client.ws_connect(f"{self._url}/events", params=query, max_msg_size=0)
        self._reader = asyncio.create_task(self._read(socket), name="lab events")

    async def close(self) -> None:
        if self._reader:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._client:
            await self._client.close()
        self._client = self._reader = None

    async def wait_for(self, fact: Callable[[], _T | None], timeout_s: float, what: str) -> _T:
        """Look again after every event until `fact` returns something. TimeoutError says what was missing."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while (found := fact()) is None:
                    await self._news.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s") from None

    async def request(self, method: str, path: str, **body: Any) -> Any:
        """An ARI request. Raises RuntimeError with Asterisk's words when it is refused."""
        if self._client is None:
            raise RuntimeError("the events are not open")
        async with self._client.request(method, f"{self._url}{path}", json=body or None) as response:
            text = await response.text()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {text}")
            return json.loads(text) if text else None

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            event = json.loads(message.data)
            async with self._news:
                for listener in self.listeners:
                    listener(event)
                self._news.notify_all()
