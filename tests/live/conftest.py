"""A whole installation for live tests, and what must be true after each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.prefix import AsteriskPrefix
from lab.site import Site, SiteBuilder

SiteFactory = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_site(asterisk_prefix: AsteriskPrefix, tmp_path: Path) -> AsyncIterator[SiteFactory]:
    """`await make_site(minutes=1, agents=("1001",), settings={...})`: a started Site that ends with the test."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Site:
            return await stack.enter_async_context(SiteBuilder(asterisk_prefix, tmp_path, **options))

        yield make


@pytest.fixture
async def site(make_site: SiteFactory) -> Site:
    """One company with 100 minutes and the agent 1001."""
    return await make_site()
