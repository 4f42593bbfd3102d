"""Life with Asterisk: connect, snapshot, live; and again after every loss."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import NoReturn

import structlog

from callcontrol.ari import requests
from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.pbx import AriPbx
from callcontrol.ari.stream import ApplicationTaken, EventStream, StreamLost
from callcontrol.engine.ports.observer import AriObserver
from callcontrol.engine.ports.pbx import PbxListener, PbxUnavailable

log = structlog.get_logger(__name__)

__all__ = ["ApplicationTaken", "AriSession"]


class AriSession:
    """Keeps one events websocket, and tells a PbxListener. The listener's calls never overlap."""

    def __init__(
        self,
        connection: AriConnection,
        listener: PbxListener,
        *,
        app: str = "callcontrol",
        heartbeat_s: float = 5.0,
        backoff: Backoff | None = None,
        backlog: int = 100_000,
        observer: AriObserver | None = None,
    ) -> None:
        """`heartbeat_s`: after so much silence Asterisk is asked for a sign of life; without one within as much
        again the connection is given up. `backlog`: so many waiting events mean that we will not catch up."""
        self._connection = connection
        self._pbx = AriPbx(connection, app=app)
        self._listener = listener
        self._app = app
        self._heartbeat_s = heartbeat_s
        self._backoff = backoff or Backoff()
        self._backlog = backlog
        self._observer = observer
        self._stream: EventStream | None = None
        self._live = False
        self._told = False
        self._rest_heard = 0.0

    @property
    def connected(self) -> bool:
        """Reconciled, events flowing, and Asterisk heard on both ways lately. False while it is silent (`/readyz`)."""
        return self._live and monotonic() - self.last_heard <= 3 * self._heartbeat_s

    @property
    def last_heard(self) -> float:
        """`time.monotonic()` of the last sign of life: the older one of REST's and the websocket's. 0: never."""
        return min(self._rest_heard, self._stream.heard) if self._stream else 0.0

    async def run(self) -> NoReturn:
        """Until cancelled. Raises ApplicationTaken. Each on_connected is followed by one on_disconnected, always."""
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._one_life()
            except (StreamLost, PbxUnavailable) as lost:
                if self._live:
                    attempt = 1
                log.warning("ari.lost" if self._live else "ari.not_connected", reason=str(lost), attempt=attempt)
            finally:
                self._end()
            await asyncio.sleep(self._backoff.pause_s(attempt))

    async def _one_life(self) -> None:
        socket = await self._connection.open_events(self._app)
        try:
            self._stream = EventStream(
                socket, heartbeat_s=self._heartbeat_s, backlog=self._backlog, observer=self._observer
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stream.read(), name="ari-read")
                tasks.create_task(self._stream.beat(), name="ari-heartbeat")
                tasks.create_task(self._beat_rest(), name="ari-rest-heartbeat")
                tasks.create_task(self._tell(self._stream), name="ari-tell")
        except ExceptionGroup as group:
            raise _worst(group) from None
        finally:
            # From here on nothing of this socket is read, so what Asterisk tells an old one of ours is moot:
            # ApplicationReplaced, when we came back before it had noticed that we were gone.
            await socket.close()

    async def _tell(self, stream: EventStream) -> NoReturn:
        """The filter, the snapshot, what came meanwhile, and then live."""
        await self._connection.get(requests.filter_events(self._app))
        snapshot = await self._pbx.snapshot()
        self._rest_heard = monotonic()
        self._told = True
        try:
            await self._listener.on_connected(snapshot)
        except Exception as error:
            log.exception("ari.reconciliation_failed")
            raise StreamLost(f"reconciliation failed: {error}") from error
        self._live = True
        if self._observer is not None:
            self._observer.ari_connected(True)
        log.info("ari.live", asterisk_started_at=snapshot.asterisk_started_at.isoformat(), buffered=stream.waiting)
        while True:
            event = await stream.next()
            try:
                self._listener.on_event(event)
            except Exception:
                # A defect in handling one event must not stop those of other calls.
                log.exception("ari.listener_failed", kind=type(event).__name__, channel_id=event.channel_id)

    async def _beat_rest(self) -> NoReturn:
        """Requests have another way than events, which may be stuck alone."""
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if (await self._connection.send(requests.ping())).ok:
                self._rest_heard = monotonic()

    def _end(self) -> None:
        was_live, self._live = self._live, False
        told, self._told = self._told, False
        self._stream = None
        if was_live and self._observer is not None:
            self._observer.ari_connected(False)
        if told:
            self._listener.on_disconnected()


def _worst(group: ExceptionGroup[Exception]) -> Exception:
    """Of what ended a life at once: what is fatal, then what nobody expected, then a mere loss."""

    def rank(error: Exception) -> int:
        return 0 if isinstance(error, ApplicationTaken) else 2 if isinstance(error, StreamLost | PbxUnavailable) else 1

    return min(group.exceptions, key=rank)
