"""One events websocket: reading it, and noticing that it is dead."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from time import monotonic
from typing import NoReturn

import aiohttp
import structlog

from callcontrol.ari import wire
from callcontrol.ari.translate import pbx_event
from callcontrol.engine.ports.observer import AriObserver
from callcontrol.engine.ports.pbx import PbxEvent

log = structlog.get_logger(__name__)


class ApplicationTaken(Exception):
    """Another process registered our application: this one is deaf, and coming back would only take it away again.

    Fatal: the daemon ends with an exit code that systemd does not restart.
    """


class StreamLost(Exception):
    """This websocket is of no more use; carries the reason in one line."""


class EventStream:
    """Events of one websocket, in Asterisk's order. Nothing of an old one can reach the one that follows it."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        *,
        heartbeat_s: float,
        backlog: int,
        observer: AriObserver | None,
    ) -> None:
        self._socket = socket
        self._heartbeat_s = heartbeat_s
        self._backlog = backlog
        self._observer = observer
        self._waiting: deque[PbxEvent] = deque()
        self._arrived = asyncio.Event()
        self.heard = monotonic()
        """`time.monotonic()` of the last frame of any kind."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def next(self) -> PbxEvent:
        """The next event that can move a call. For one consumer."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def read(self) -> NoReturn:
        """Only parse and enqueue: Asterisk drops a reader that is slow. Raises StreamLost, ApplicationTaken."""
        while True:
            message = await self._socket.receive()
            self.heard = monotonic()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
                case aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
                case aiohttp.WSMsgType.PONG | aiohttp.WSMsgType.BINARY:
                    pass
                case _:
                    raise StreamLost(f"the events websocket ended ({message.type.name}, {self._socket.close_code})")

    async def beat(self) -> NoReturn:
        """Ask for a sign of life now and then: a half-open socket tells nothing by itself. Raises StreamLost."""
        unanswered = False
        while True:
            before = self.heard
            await asyncio.sleep(self._heartbeat_s)
            for _ in range(3):
                # When it was us who slept, what Asterisk said meanwhile is read first: our own lag is no evidence.
                await asyncio.sleep(0)
            if self.heard != before:
                unanswered = False
            elif unanswered:
                raise StreamLost(f"the events websocket was silent for {2 * self._heartbeat_s:g} s")
            else:
                unanswered = True
            try:
                await self._socket.ping()
            except (aiohttp.ClientError, OSError) as error:
                raise StreamLost(f"the events websocket broke: {error}") from error

    def _take(self, text: str) -> None:
        try:
            event = wire.decode_event(text)
            translated = pbx_event(event)
            lag_s = (datetime.now(UTC) - event.at).total_seconds()
        except wire.WireError as error:
            # One event that cannot be read must not silence those behind it. Its text may hold telephone numbers.
            log.error("ari.malformed_event", error=str(error), length=len(text))
            self._count("malformed", 0.0)
            return
        self._count(event.type if event.type in wire.EVENT_TYPES else "other", max(0.0, lag_s))
        if isinstance(event, wire.ApplicationReplaced):
            raise ApplicationTaken(f"another process took the ARI application {event.application!r}")
        if translated is not None:
            self._waiting.append(translated)
            self._arrived.set()
            if len(self._waiting) > self._backlog:
                # Never drop one silently: starting again from a snapshot is better than a queue without end.
                raise StreamLost(f"{len(self._waiting)} events wait to be handled")

    def _count(self, event_type: str, lag_s: float) -> None:
        if self._observer is not None:
            self._observer.ari_event(event_type, lag_s)
