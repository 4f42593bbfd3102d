"""A call's requests and events, in the order the engine uses them: on the fake and on the real Asterisk."""

from __future__ import annotations

import pytest

from callcontrol.domain.causes import AGENT_ANSWERS, Reason
from callcontrol.engine.ports.pbx import (
    ChannelDestroyed,
    ChannelEntered,
    ChannelLeft,
    DialProgressed,
    DialStatus,
    Outcome,
)
from tests.contract.worlds import NOT_REGISTERED, Called, World, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

BRIDGE = "cc-c1-bridge"
CUSTOMER = "cc-c1-customer"
ARGS = ("leg", "customer", "c1")
LIMIT = "TIMEOUT(absolute)"


async def made_customer(world: World, called: Called, channel_id: str = CUSTOMER) -> str:
    """A channel to the carrier, in the application and not dialled."""
    dial_string = world.dial_string(called)
    assert await world.pbx.create_channel(channel_id, dial_string, app_args=ARGS, originator=None) is Outcome.DONE
    await event(world, ChannelEntered, channel_id)
    return channel_id


async def dialled(world: World, called: Called, channel_id: str = CUSTOMER, *, timeout_s: int = 30) -> str:
    await made_customer(world, called, channel_id)
    assert await world.pbx.dial(channel_id, caller=None, timeout_s=timeout_s) is Outcome.DONE
    return channel_id


async def progress(world: World, channel_id: str, status: DialStatus) -> DialProgressed:
    return await event(world, DialProgressed, channel_id, lambda told: told.status is status)


async def talking(world: World, called: Called = Called.RINGS_ONE_SECOND_THEN_ANSWERS) -> str:
    """Agent and customer in a bridge, answered. Returns the agent's channel."""
    agent = await world.agent_dials()
    assert await world.pbx.create_bridge(BRIDGE) is Outcome.DONE
    await made_customer(world, called)
    assert (
        await world.pbx.set_variables(CUSTOMER, {LIMIT: "600", "CONNECTEDLINE(num,i)": "+551130003000"}) is Outcome.DONE
    )
    assert await world.pbx.set_variables(agent, {LIMIT: "600"}) is Outcome.DONE
    assert await world.pbx.add_to_bridge(BRIDGE, (agent, CUSTOMER)) is Outcome.DONE
    assert await world.pbx.dial(CUSTOMER, caller=None, timeout_s=30) is Outcome.DONE
    await progress(world, CUSTOMER, DialStatus.ANSWER)
    assert await world.pbx.answer(agent) is Outcome.DONE
    return agent


def kinds(world: World, channel_id: str) -> list[str]:
    return [type(told).__name__ for told in world.told.of(channel_id)]


async def test_a_call_from_the_agents_invite_to_the_last_bridge(world: World) -> None:
    agent = await talking(world)
    await world.agent_saw(agent, "RINGING")
    await world.agent_saw(agent, "ANSWER")
    arrival = world.told.find(ChannelEntered, lambda told: told.channel_id == agent)
    assert arrival is not None
    assert (arrival.endpoint, arrival.app_args[0]) == ("1001", "outbound")

    snapshot = await world.pbx.snapshot()
    assert set(snapshot.bridges[BRIDGE]) == {agent, CUSTOMER}
    for channel_id in (agent, CUSTOMER):
        assert (snapshot.channels[channel_id].state, snapshot.channels[channel_id].in_app) == ("Up", True)
    assert snapshot.channels[CUSTOMER].app_args == ARGS
    assert snapshot.channels[agent].app_args == arrival.app_args

    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (16, None)
    assert kinds(world, CUSTOMER) == [
        *("ChannelEntered", "DialProgressed", "DialProgressed"),
        *("ChannelLeft", "ChannelDestroyed"),
    ]
    times = [told.at for told in world.told.of(CUSTOMER)]
    assert times == sorted(times)
    assert all(at.utcoffset() is not None for at in times)

    # One party leaving does not end a bridge: the other is ours to hang up.
    assert agent in (await world.pbx.snapshot()).bridges[BRIDGE]
    assert await world.pbx.hang_up(agent, 16) is Outcome.DONE
    await event(world, ChannelLeft, agent)
    await world.until_gone(agent)
    assert await world.pbx.hang_up(agent, 16) is Outcome.GONE
    assert await world.pbx.destroy_bridge(BRIDGE) is Outcome.DONE
    assert await world.pbx.destroy_bridge(BRIDGE) is Outcome.GONE


async def test_the_customer_hangs_up(world: World) -> None:
    agent = await talking(world, Called.ANSWERS_AND_HANGS_UP)
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (16, None)
    assert await world.pbx.channel_exists(agent) is True


async def test_the_agent_hangs_up(world: World) -> None:
    agent = await talking(world)
    await world.agent_hangs_up(agent)
    await event(world, ChannelLeft, agent)
    assert await world.pbx.channel_exists(CUSTOMER) is True


async def test_the_agent_gives_up_while_it_rings(world: World) -> None:
    agent = await world.agent_dials()
    await dialled(world, Called.RINGS_FOR_EVER)
    await progress(world, CUSTOMER, DialStatus.RINGING)
    await world.agent_hangs_up(agent)
    await event(world, ChannelLeft, agent)
    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (16, None)


@pytest.mark.parametrize(
    ("called", "q850", "sip_code"),
    [
        (Called.BUSY, 17, 486),
        (Called.NO_SUCH_NUMBER, 1, 404),
        (Called.REJECTS, 21, 403),
        (Called.CONGESTED, 34, 503),
    ],
)
async def test_a_refusal_carries_both_causes(world: World, called: Called, q850: int, sip_code: int) -> None:
    await dialled(world, called)
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (q850, sip_code)
    assert kinds(world, CUSTOMER)[-2:] == ["ChannelLeft", "ChannelDestroyed"]
    assert world.told.find(DialProgressed, lambda told: told.status is DialStatus.ANSWER) is None


async def test_nobody_answers_within_the_ring_timeout(world: World) -> None:
    await dialled(world, Called.RINGS_FOR_EVER, timeout_s=1)
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (19, 480)


async def test_early_media_reaches_the_agent(world: World) -> None:
    agent = await talking(world, Called.EARLY_MEDIA_FOR_TWO_SECONDS_THEN_ANSWERS)
    await world.agent_saw(agent, "PROGRESS")
    statuses = [told.status for told in world.told.of(CUSTOMER) if isinstance(told, DialProgressed)]
    assert statuses == [DialStatus.PROGRESS, DialStatus.ANSWER]


async def test_a_leg_that_was_made_and_never_dialled(world: World) -> None:
    await made_customer(world, Called.RINGS_FOR_EVER)
    assert await world.pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (16, 603)


async def test_dialling_twice_ends_the_leg(world: World) -> None:
    """Why a dial without an answer is never sent again. With early media it stays Down; one that rings refuses."""
    await dialled(world, Called.EARLY_MEDIA_FOR_TWO_SECONDS_THEN_ANSWERS)
    assert await world.pbx.dial(CUSTOMER, caller=None, timeout_s=30) is Outcome.DONE
    await event(world, ChannelDestroyed, CUSTOMER)


async def test_an_endpoint_that_is_not_there(world: World) -> None:
    pbx = world.pbx
    assert await pbx.create_channel(CUSTOMER, NOT_REGISTERED, app_args=ARGS, originator=None) is Outcome.UNAVAILABLE
    assert await pbx.channel_exists(CUSTOMER) is False


async def test_an_endpoint_that_is_not_there_after_an_id_that_was(world: World) -> None:
    """Asterisk answers 409 for both on one connection."""
    pbx = world.pbx
    await made_customer(world, Called.RINGS_FOR_EVER)
    for _ in range(3):
        assert await pbx.create_channel(CUSTOMER, NOT_REGISTERED, app_args=ARGS, originator=None) is not Outcome.DONE
        outcome = await pbx.create_channel("cc-c2-customer", NOT_REGISTERED, app_args=ARGS, originator=None)
        assert outcome is Outcome.UNAVAILABLE


async def test_ids_are_taken_while_they_live(world: World) -> None:
    pbx, dial_string = world.pbx, world.dial_string(Called.RINGS_FOR_EVER)
    await made_customer(world, Called.RINGS_FOR_EVER)
    assert await pbx.create_channel(CUSTOMER, dial_string, app_args=ARGS, originator=None) is Outcome.EXISTS
    assert await pbx.create_bridge(BRIDGE) is Outcome.DONE
    assert await pbx.create_bridge(BRIDGE) is Outcome.EXISTS

    assert await pbx.hang_up(CUSTOMER, 16) is Outcome.DONE
    await event(world, ChannelDestroyed, CUSTOMER)
    assert await pbx.create_channel(CUSTOMER, dial_string, app_args=ARGS, originator=None) is Outcome.DONE


async def test_everything_about_a_channel_that_is_gone(world: World) -> None:
    pbx = world.pbx
    assert await pbx.channel_exists("nobody") is False
    assert await pbx.set_variables("nobody", {LIMIT: "5"}) is Outcome.GONE
    assert await pbx.dial("nobody", caller=None, timeout_s=5) is Outcome.GONE
    assert await pbx.answer("nobody") is Outcome.GONE
    assert await pbx.play("nobody", "p1", "tone:busy") is Outcome.GONE
    assert await pbx.hang_up("nobody", 16) is Outcome.GONE
    assert await pbx.continue_in_dialplan("nobody") is Outcome.GONE
    assert await pbx.add_to_bridge("no-bridge", ("nobody",)) is Outcome.GONE
    assert await pbx.destroy_bridge("no-bridge") is Outcome.GONE


async def test_a_bridge_takes_all_channels_or_none(world: World) -> None:
    await made_customer(world, Called.RINGS_FOR_EVER)
    assert await world.pbx.create_bridge(BRIDGE) is Outcome.DONE
    assert await world.pbx.add_to_bridge(BRIDGE, (CUSTOMER, "nobody")) is Outcome.GONE
    assert (await world.pbx.snapshot()).bridges[BRIDGE] == ()


async def test_a_channel_in_the_dialplan_is_not_ours(world: World) -> None:
    pbx = world.pbx
    agent = await world.agent_dials()
    assert await pbx.create_bridge(BRIDGE) is Outcome.DONE
    assert await pbx.set_variables(agent, {"CC_FALLBACK": "1"}) is Outcome.DONE
    assert await pbx.continue_in_dialplan(agent) is Outcome.DONE
    await event(world, ChannelLeft, agent)
    assert await pbx.channel_exists(agent) is True
    snapshot = (await pbx.snapshot()).channels[agent]
    assert (snapshot.in_app, snapshot.app_args) == (False, ())
    assert await pbx.set_variables(agent, {LIMIT: "5"}) is Outcome.NOT_IN_STASIS
    assert await pbx.answer(agent) is Outcome.NOT_IN_STASIS
    assert await pbx.play(agent, "p1", "tone:busy") is Outcome.NOT_IN_STASIS
    assert await pbx.dial(agent, caller=None, timeout_s=5) is Outcome.NOT_IN_STASIS
    assert await pbx.continue_in_dialplan(agent) is Outcome.NOT_IN_STASIS
    assert await pbx.add_to_bridge(BRIDGE, (agent,)) is Outcome.NOT_IN_STASIS
    assert await pbx.hang_up(agent, 16) is Outcome.DONE


async def test_what_a_channel_is_in_no_state_for(world: World) -> None:
    await made_customer(world, Called.RINGS_ONE_SECOND_THEN_ANSWERS)
    assert await world.pbx.answer(CUSTOMER) is Outcome.INVALID
    assert await world.pbx.play(CUSTOMER, "p1", "tone:busy") is Outcome.INVALID
    assert await world.pbx.dial(CUSTOMER, caller=None, timeout_s=30) is Outcome.DONE
    await progress(world, CUSTOMER, DialStatus.ANSWER)
    assert await world.pbx.dial(CUSTOMER, caller=None, timeout_s=30) is Outcome.INVALID
    assert await world.pbx.answer(CUSTOMER) is Outcome.DONE


ANSWERS = sorted(AGENT_ANSWERS.items())


@pytest.mark.parametrize(("reason", "q850", "sip_code"), [(reason, a.q850, a.sip_code) for reason, a in ANSWERS])
async def test_the_sip_code_an_unanswered_agent_gets(world: World, reason: Reason, q850: int, sip_code: int) -> None:
    agent = await world.agent_dials()
    assert await world.pbx.hang_up(agent, q850) is Outcome.DONE
    assert await world.agent_got(agent) == sip_code
