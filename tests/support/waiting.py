"""Waiting for a fact that nobody announces: a row in another process's database, a line in its file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

LOOK_AGAIN_S = 0.05


@overload
async def until(fact: Callable[[], Awaitable[T | None]], what: str, timeout_s: float = 15.0) -> T: ...
@overload
async def until(fact: Callable[[], T | None], what: str, timeout_s: float = 15.0) -> T: ...
async def until(fact: Callable[[], Any], what: str, timeout_s: float = 15.0) -> Any:
    """Ask again and again until `fact` gives something true. TimeoutError says what was missing."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = fact()
                if isinstance(found, Awaitable):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {timeout_s:g} s") from None
