"""A lane: work of one call towards one neighbour, one piece after the other, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


class Lane:
    """Runs work in the order it was put in; has a task only while there is work.

    Order matters: a hang-up must reach Asterisk after the create it undoes, a void the ledger after the hold.
    """

    def __init__(self, name: str, on_idle: Callable[[], None], context: Mapping[str, str]) -> None:
        """`context`: ids that every log line of this lane's work carries."""
        self._name = name
        self._on_idle = on_idle
        self._context = context
        self._waiting: deque[Work] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._task is None

    def put(self, work: Work) -> None:
        self._waiting.append(work)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def abandon(self) -> None:
        """Drop what waits and stop what runs: the process is about to end and recovery will do the rest."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        structlog.contextvars.bind_contextvars(**self._context)  # a task has a context of its own
        try:
            while self._waiting:
                work = self._waiting.popleft()
                try:
                    await work()
                except Exception:
                    # A defect of ours must not stop the work behind it: a hang-up may wait there.
                    log.exception("lane.work_failed", lane=self._name)
        finally:
            self._task = None
            self._on_idle()
