"""The HTTP side of ARI: a pool of kept connections for requests, and the websocket's handshake."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Self

import aiohttp
import structlog
from yarl import URL

from callcontrol.ari.requests import Request
from callcontrol.ari.wire import error_words
from callcontrol.engine.ports.observer import AriObserver
from callcontrol.engine.ports.pbx import Outcome, PbxUnavailable

log = structlog.get_logger(__name__)

_IDLE_S = 10.0
"""Asterisk closes a connection that was idle for 15 s (`session_keep_alive`): a request sent into that moment would be
lost, so we let go of it before."""


class AriUnreachable(PbxUnavailable):
    """No answer from Asterisk, or not one that can be used; carries the reason in one line, never credentials."""


class CredentialsRefused(AriUnreachable):
    """Asterisk answered 401 or 403: user or password of ari.conf."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: there was none in time, or the connection broke: the request may or may not have been done."""

    status: int
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        return error_words(self.body)


class AriConnection:
    """Sends requests. Use as an async context manager, or call `close`."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        request_timeout_s: float = 5.0,
        connections: int = 16,
        observer: AriObserver | None = None,
    ) -> None:
        """`url`: Asterisk's HTTP server, with http.conf's prefix if it has one. `connections` counts the websocket."""
        self._base = url.rstrip("/").removesuffix("/ari") + "/ari"
        self._authorization = aiohttp.encode_basic_auth(user, password)
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s)
        self._connections = connections
        self._observer = observer
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def send(self, request: Request) -> Answer:
        """Never raises for what the network or Asterisk does: see Answer."""
        started = perf_counter()
        answer = await self._exchange(request)
        if self._observer is not None:
            self._observer.ari_request(request.method, request.route, answer.status, perf_counter() - started)
        return answer

    async def ask(self, request: Request) -> Outcome:
        """Send it and say what came of it."""
        answer = await self.send(request)
        outcome = outcome_of(request, answer)
        if outcome is Outcome.INVALID:
            log.error("ari.refused", method=request.method, path=request.path, status=answer.status, words=answer.words)
        return outcome

    async def get(self, request: Request) -> bytes:
        """The body of a 2xx answer. Raises AriUnreachable."""
        answer = await self.send(request)
        if answer.status in (401, 403):
            raise CredentialsRefused(f"{request.method} {request.route}: {answer.status} {answer.words}".rstrip())
        if not answer.ok:
            said = f"{answer.status} {answer.words}".rstrip() if answer.status else "no answer"
            raise AriUnreachable(f"{request.method} {request.route}: {said}")
        return answer.body

    async def open_events(self, app: str) -> aiohttp.ClientWebSocketResponse:
        """Register the application, with the events of its own channels only. Raises AriUnreachable."""
        try:
            async with asyncio.timeout(self._timeout.total):
                return await self._session().ws_connect(
                    URL(f"{self._base}/events").with_query(app=app, subscribeAll="false"),
                    autoping=False,
                    max_msg_size=16 * 1024 * 1024,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    headers={"Authorization": self._authorization},
                )
        except aiohttp.WSServerHandshakeError as error:
            kind = CredentialsRefused if error.status in (401, 403) else AriUnreachable
            raise kind(f"events: {error.status}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriUnreachable(f"events: {_brief(error)}") from error

    async def _exchange(self, request: Request) -> Answer:
        headers = {"Authorization": self._authorization}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        url = URL(self._base + request.path, encoded=True)
        try:
            async with self._session().request(request.method, url, data=request.body, headers=headers) as response:
                return Answer(response.status, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("ari.no_answer", method=request.method, path=request.path, error=_brief(error))
            return Answer(0)

    def _session(self) -> aiohttp.ClientSession:
        # Made at first use: it belongs to the loop that is running then.
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_S)
            self._http = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._http


def outcome_of(request: Request, answer: Answer) -> Outcome:
    """What an answer means for the one who asked."""
    if answer.ok:
        return Outcome.DONE
    if answer.status == 0:
        return Outcome.UNKNOWN
    outcome = request.outcomes.get(answer.status)
    if outcome is Outcome.NOT_IN_STASIS and answer.status == 409 and "stasis" not in answer.words.lower():
        # 409 also says "Channel cannot be dialed".
        return Outcome.INVALID
    if outcome is not None:
        return outcome
    return Outcome.UNKNOWN if answer.status >= 500 else Outcome.INVALID


def _brief(error: BaseException) -> str:
    return str(error) or type(error).__name__
