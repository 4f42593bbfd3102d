"""A PbxListener that keeps what it is told and lets a test wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from callcontrol.engine.ports.pbx import PbxEvent, PbxSnapshot

E = TypeVar("E", bound=PbxEvent)


class Recorder:
    def __init__(self) -> None:
        self.events: list[PbxEvent] = []
        self.snapshots: list[PbxSnapshot] = []
        self.told: list[str] = []
        """`connected`, `lost` and types of events, in order."""
        self._news = asyncio.Event()

    async def on_connected(self, snapshot: PbxSnapshot) -> None:
        self.snapshots.append(snapshot)
        self._tell("connected")

    def on_event(self, event: PbxEvent) -> None:
        self.events.append(event)
        self._tell(type(event).__name__)

    def on_disconnected(self) -> None:
        self._tell("lost")

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self._news.set()

    def of(self, channel_id: str) -> list[PbxEvent]:
        return [event for event in self.events if event.channel_id == channel_id]

    def find(self, kind: type[E], matches: Callable[[E], bool] = lambda _: True) -> E | None:
        return next((event for event in self.events if isinstance(event, kind) and matches(event)), None)

    async def until(self, fact: Callable[[], object], within_s: float, what: str) -> None:
        """Look again after each thing told. Raises TimeoutError that says what was missing."""
        try:
            async with asyncio.timeout(within_s):
                while not fact():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {within_s:g} s; told: {self.told}") from None
