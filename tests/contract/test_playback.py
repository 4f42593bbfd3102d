"""Announcements to an agent who is not, or no more to be, connected."""

from __future__ import annotations

import pytest

from callcontrol.engine.ports.pbx import ChannelLeft, Outcome, PlaybackEnded
from tests.contract.test_calls import BRIDGE, CUSTOMER, LIMIT, talking
from tests.contract.worlds import MISSING_SOUND, SOUND, World, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAYBACK = "cc-c1-announcement"


async def test_a_sound_in_early_media_and_then_the_final_response(world: World) -> None:
    agent = await world.agent_dials()
    assert await world.pbx.play(agent, PLAYBACK, SOUND) is Outcome.DONE
    await world.agent_saw(agent, "PROGRESS")
    ended = await event(world, PlaybackEnded, agent)
    assert ended.playback_id == PLAYBACK
    assert (await world.pbx.snapshot()).channels[agent].state == "Ring"
    assert await world.pbx.hang_up(agent, 17) is Outcome.DONE
    assert await world.agent_got(agent) == 486


async def test_a_tone_plays_until_the_channel_ends(world: World) -> None:
    agent = await world.agent_dials()
    assert await world.pbx.play(agent, PLAYBACK, "tone:busy") is Outcome.DONE
    await world.agent_saw(agent, "PROGRESS")
    assert await world.pbx.hang_up(agent, 17) is Outcome.DONE
    await event(world, ChannelLeft, agent)
    assert [type(told) for told in world.told.of(agent)][-2:] == [PlaybackEnded, ChannelLeft]
    assert await world.agent_got(agent) == 486


async def test_a_sound_that_is_not_there_ends_as_well(world: World) -> None:
    agent = await world.agent_dials()
    assert await world.pbx.play(agent, PLAYBACK, MISSING_SOUND) is Outcome.DONE
    await event(world, PlaybackEnded, agent)
    assert await world.pbx.channel_exists(agent) is True


async def test_d4_what_sounds_in_a_call_holds_no_hang_up_up(world: World) -> None:
    """A tone never ends by itself, so what is asked for meanwhile is done while it sounds."""
    agent = await talking(world)
    assert await world.pbx.play(agent, "cc-c1-warning1", "tone:busy") is Outcome.DONE
    assert await world.pbx.hang_up(agent, 16) is Outcome.DONE
    await event(world, ChannelLeft, agent)
    assert (await world.pbx.snapshot()).bridges[BRIDGE] == (CUSTOMER,), "one party leaving does not end a bridge"
    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    await world.until_gone(CUSTOMER)
    assert await world.pbx.destroy_bridge(BRIDGE) is Outcome.DONE


async def test_d4_the_limit_ends_a_call_in_which_something_sounds(world: World) -> None:
    agent = await talking(world)
    assert await world.pbx.set_variables(agent, {LIMIT: "1"}) is Outcome.DONE
    assert await world.pbx.play(agent, "cc-c1-warning1", "tone:busy") is Outcome.DONE
    await event(world, ChannelLeft, agent)
    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    await world.until_gone(CUSTOMER)
    assert await world.pbx.destroy_bridge(BRIDGE) is Outcome.DONE


async def test_d4_a_sound_in_a_call_ends_by_itself_and_the_call_goes_on(world: World) -> None:
    agent = await talking(world)
    for number in (1, 2):
        assert await world.pbx.play(agent, f"cc-c1-warning{number}", SOUND) is Outcome.DONE
        name = f"cc-c1-warning{number}"
        await event(world, PlaybackEnded, agent, lambda ended, name=name: ended.playback_id == name)  # type: ignore[misc]
    assert set((await world.pbx.snapshot()).bridges[BRIDGE]) == {agent, CUSTOMER}
    for channel in (agent, CUSTOMER):
        assert await world.pbx.hang_up(channel, 16) is Outcome.DONE
        await world.until_gone(channel)
    assert await world.pbx.destroy_bridge(BRIDGE) is Outcome.DONE
