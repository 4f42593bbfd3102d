"""Samples the stacks of a process by its CPU time (setitimer(2), ITIMER_PROF).

Python runs the handler in the main thread, whoever spent the time: each thread's own CPU clock tells how much it spent
since it was last looked at, and its stack, as it stands, what for. The other threads are seen where they let go of the
interpreter, so of them only the sums are exact.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

import msgspec

PERIOD_S = 0.001
START, STOP = signal.SIGUSR1, signal.SIGUSR2

Frame = tuple[str, str]
"""File and function."""

_DEEPEST = 80


class Sample(msgspec.Struct):
    """One stack, innermost frame first, and the milliseconds of CPU time that were spent in it."""

    thread: str
    stack: list[Frame]
    ms: float


class Sampler:
    """From START to STOP; then it writes its samples to `file` as JSON."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._spent: Counter[tuple[str, tuple[Frame, ...]]] = Counter()
        self._main = threading.main_thread().ident
        self._seen_s: dict[int, float] = {}

    def start(self, _signal: int, _frame: FrameType | None) -> None:
        self._spent.clear()
        self._seen_s = {ident: _cpu_s(ident) for ident in sys._current_frames()}
        signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples = [Sample(thread, list(stack), ms) for (thread, stack), ms in self._spent.items()]
        unfinished = self._file.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(samples))
        unfinished.rename(self._file)

    def take(self, _signal: int, frame: FrameType | None) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, top in sys._current_frames().items():
            now_s = _cpu_s(ident)
            spent_s = now_s - self._seen_s.get(ident, 0.0)
            self._seen_s[ident] = now_s
            if spent_s > 0:
                self._note(names.get(ident, "?"), frame if ident == self._main else top, spent_s * 1000)

    def _note(self, thread: str, frame: FrameType | None, ms: float) -> None:
        stack: list[Frame] = []
        while frame is not None and len(stack) < _DEEPEST:
            stack.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        self._spent[thread, tuple(stack)] += ms  # type: ignore[assignment]  # a Counter adds fractions too


def install(file: str) -> None:
    """In the main thread, before the program begins."""
    sampler = Sampler(Path(file))
    signal.signal(signal.SIGPROF, sampler.take)
    signal.signal(START, sampler.start)
    signal.signal(STOP, sampler.stop)


def _cpu_s(ident: int) -> float:
    """CPU time of a thread that lives: it cannot end while we hold the interpreter."""
    return time.clock_gettime(time.pthread_getcpuclockid(ident))
