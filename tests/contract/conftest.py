"""The contract suite runs on both: the fake and, with the marker `live`, a real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.worlds import FakeWorld, RealField, RealWorld, World


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["fake", pytest.param("real", marks=pytest.mark.live)]
)
async def field(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealField | None]:
    if request.param == "fake":
        yield None
        return
    real = RealField(tmp_path_factory.mktemp("field"))
    try:
        await real.start()
        yield real
    finally:
        await real.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def world(field: RealField | None) -> AsyncIterator[World]:
    opened: World = await RealWorld.open(field) if field is not None else await FakeWorld.open()
    yield opened
    await opened.close()
