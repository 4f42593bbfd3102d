"""What is told, and what is not, when the connection or Asterisk itself goes away."""

from __future__ import annotations

import pytest

from callcontrol.engine.ports.pbx import ChannelDestroyed, ChannelEntered, DialProgressed, Outcome
from tests.contract.test_calls import CUSTOMER, dialled, talking
from tests.contract.worlds import Called, World, event

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_calls_go_on_and_the_snapshot_shows_them(world: World) -> None:
    agent = await talking(world)
    await world.lose_connection()
    await world.reconnect()
    snapshot = world.told.snapshots[-1]
    assert snapshot.asterisk_started_at == world.told.snapshots[0].asterisk_started_at
    assert {agent, CUSTOMER} <= set(snapshot.channels)
    assert set(snapshot.bridges["cc-c1-bridge"]) == {agent, CUSTOMER}
    assert [word for word in world.told.told if word in ("connected", "lost")] == ["connected", "lost", "connected"]


async def test_events_of_a_call_come_again_after_reconnecting(world: World) -> None:
    await dialled(world, Called.RINGS_FOR_EVER)
    await event(world, DialProgressed, CUSTOMER)
    await world.lose_connection()
    await world.reconnect()
    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    await event(world, ChannelDestroyed, CUSTOMER)


async def test_what_happened_meanwhile_is_lost(world: World) -> None:
    agent = await talking(world, Called.ANSWERS_AND_HANGS_UP)
    await world.lose_connection()
    await world.until_gone(CUSTOMER)
    await world.reconnect()
    assert CUSTOMER not in world.told.snapshots[-1].channels
    # The next event of the other leg would come after it, was it ever to come.
    assert await world.pbx.hang_up(agent, 16) is Outcome.DONE
    await world.until_gone(agent)
    assert world.told.find(ChannelDestroyed, lambda told: told.channel_id == CUSTOMER) is None


async def test_a_call_that_finds_nobody_is_the_dialplans(world: World) -> None:
    """D12."""
    await world.lose_connection()
    await world.agent_dials_unheard()
    await world.reconnect()
    waiting = [
        channel for channel in world.told.snapshots[-1].channels.values() if channel.name.startswith("PJSIP/1001-")
    ]
    assert [channel.in_app for channel in waiting] == [False]
    assert world.told.find(ChannelEntered) is None


async def test_asterisk_crashes_and_comes_back(world: World) -> None:
    await talking(world)
    await world.restart()
    before, after = world.told.snapshots
    assert after.asterisk_started_at > before.asterisk_started_at
    assert after.channels == {}
    assert after.bridges == {}
    assert [word for word in world.told.told if word in ("connected", "lost")] == ["connected", "lost", "connected"]
    # And it is an Asterisk like before.
    await dialled(world, Called.BUSY, "cc-c3-customer")
    await event(world, ChannelDestroyed, "cc-c3-customer")
