"""Waiting for a fact that nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_PAUSE_S = 0.05


async def until(fact: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
    """Ask again until it is so. Raises TimeoutError, with the name of what was not."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await fact():  # noqa: ASYNC110 - asking is the only way
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise TimeoutError(f"not so after {timeout_s:g} s: {fact.__name__}") from None
