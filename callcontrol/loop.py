"""The event loop of the daemon: uvloop where there is one, else Python's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_on_fast_loop(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`. A call is some hundred small turns of the loop (docs/performance.md)."""
    try:
        import uvloop
    except ImportError:  # it is only made for CPython, and not for every system
        return asyncio.run(main)
    return uvloop.run(main)
