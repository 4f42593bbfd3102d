"""Announcements to an agent who is not, or no more to be, connected."""

from __future__ import annotations

import pytest

from callcontrol.engine.ports.pbx import ChannelLeft, Outcome, PlaybackEnded
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
