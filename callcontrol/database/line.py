"""Who is next: operations in the order of their coming, a group's together and by one at a time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable

from callcontrol.database.batch import Queued


class WaitingLine:
    """The groups that wait, the longest-waiting first. Not safe for threads: whoever uses it has a lock.

    A group that was taken is taken again only after `done`, so that what comes later never overtakes what came first.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[tuple[int, Queued]]] = {}
        self._ready: list[tuple[int, Hashable]] = []
        """A heap of the groups that nobody works on, by the number of their first operation."""
        self._taken: set[Hashable] = set()
        self._count = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def ready(self) -> bool:
        return bool(self._ready)

    def put(self, key: Hashable, queued: Queued) -> None:
        self._count += 1
        self._length += 1
        group = self._waiting.setdefault(key, deque())
        group.append((self._count, queued))
        if len(group) == 1 and key not in self._taken:
            heapq.heappush(self._ready, (self._count, key))

    def take(self, most: int) -> tuple[Hashable, list[Queued]]:
        """The first group of those that are ready, `most` operations of it. IndexError: none is."""
        _, key = heapq.heappop(self._ready)
        group = self._waiting[key]
        batch = [group.popleft()[1] for _ in range(min(most, len(group)))]
        self._length -= len(batch)
        self._taken.add(key)
        return key, batch

    def done(self, key: Hashable) -> None:
        """What was taken of this group is stored, or has failed."""
        self._taken.discard(key)
        group = self._waiting[key]
        if group:
            heapq.heappush(self._ready, (group[0][0], key))
        else:
            del self._waiting[key]

    def drop(self, submitted_before: float) -> list[Queued]:
        """Remove who has waited since before that instant, whoever is being worked on apart."""
        dropped: list[Queued] = []
        for key in [key for _, key in self._ready]:
            group = self._waiting[key]
            while group and group[0][1].submitted_at < submitted_before:
                dropped.append(group.popleft()[1])
            if not group:
                del self._waiting[key]
        self._ready = [(group[0][0], key) for key, group in self._waiting.items() if key not in self._taken]
        heapq.heapify(self._ready)
        self._length -= len(dropped)
        return dropped
