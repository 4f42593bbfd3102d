"""Who is next: groups by how long they have waited, each by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.database.batch import Queued
from callcontrol.database.line import WaitingLine


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Line:
    """Operations told as numbers, in the order of their coming; each comes a second after the one before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.line = WaitingLine()
        self._future = loop.create_future()
        self._numbers = count()
        self._number_of: dict[Queued, int] = {}

    def put(self, key: Hashable) -> int:
        number = next(self._numbers)
        queued = Queued(lambda connection: None, self._future, submitted_at=float(number))
        self._number_of[queued] = number
        self.line.put(key, queued)
        return number

    def take(self, most: int = 64) -> tuple[Hashable, list[int]]:
        key, batch = self.line.take(most)
        return key, [self._number_of[queued] for queued in batch]

    def drop(self, before: float) -> set[int]:
        return {self._number_of[queued] for queued in self.line.drop(before)}


def test_the_longest_waiting_group_first_and_whole(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    for key in "abab":
        line.put(key)
    assert line.take() == ("a", [0, 2])
    assert line.take() == ("b", [1, 3])
    assert not line.line.ready


def test_nobody_else_works_on_a_group_and_the_rest_of_it_keeps_its_place(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    for key in "aaab":
        line.put(key)
    assert line.take(2) == ("a", [0, 1])
    assert line.take() == ("b", [3])
    assert not line.line.ready
    line.line.done("b")
    line.put("b")
    line.line.done("a")
    assert line.take() == ("a", [2])


def test_who_has_waited_too_long_is_dropped_but_for_those_worked_on(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    for key in "abbc":
        line.put(key)
    line.take()
    line.put("a")
    assert line.drop(2.0) == {1}
    assert len(line.line) == 3
    assert line.take() == ("b", [2])
    line.line.done("a")
    assert line.take() == ("c", [3])
    assert line.take() == ("a", [4])


@given(st.lists(st.sampled_from(["put a", "put b", "put c", "take", "done", "drop"]), max_size=60))
def test_everybody_gets_a_turn_once_and_a_group_in_order(steps: list[str]) -> None:
    loop = asyncio.new_event_loop()
    line, taken = Line(loop), {}
    waiting: dict[Hashable, list[int]] = {"a": [], "b": [], "c": []}
    for step in steps:
        ready = {key: numbers for key, numbers in waiting.items() if numbers and key not in taken}
        if step.startswith("put"):
            waiting[step[-1]].append(line.put(step[-1]))
        elif step == "take" and ready:
            first = min(ready, key=lambda key: ready[key][0])
            assert line.take(2) == (first, waiting[first][:2])
            taken[first] = None
            del waiting[first][:2]
        elif step == "done" and taken:
            key, _ = taken.popitem()
            line.line.done(key)
        elif step == "drop" and ready:
            before = min(numbers[0] for numbers in ready.values()) + 1
            expected = {numbers.pop(0) for numbers in ready.values() if numbers[0] < before}
            assert line.drop(before) == expected
        assert len(line.line) == sum(map(len, waiting.values()))
        assert line.line.ready == any(numbers and key not in taken for key, numbers in waiting.items())
    loop.close()
