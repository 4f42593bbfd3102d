"""D5: Asterisk itself ends a leg, whatever becomes of the daemon."""

from __future__ import annotations

import pytest

from callcontrol.engine.ports.pbx import ChannelDestroyed, ChannelLeft, DialStatus, Outcome
from tests.contract.test_calls import LIMIT, dialled, made_customer, progress, talking
from tests.contract.worlds import Called, World, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "cc-c1-customer"
OTHER = "cc-c2-customer"


async def test_a_limit_set_before_dialling_ends_a_leg_that_rings(world: World) -> None:
    await made_customer(world, Called.RINGS_FOR_EVER)
    assert await world.pbx.set_variables(CUSTOMER, {LIMIT: "1"}) is Outcome.DONE
    assert await world.pbx.dial(CUSTOMER, caller=None, timeout_s=30) is Outcome.DONE
    destroyed = await event(world, ChannelDestroyed, CUSTOMER)
    assert (destroyed.q850, destroyed.sip_code) == (16, None)


async def test_a_limit_set_in_mid_call_replaces_the_one_before(world: World) -> None:
    for leg in (CUSTOMER, OTHER):
        await made_customer(world, Called.RINGS_ONE_SECOND_THEN_ANSWERS, leg)
    # The first leg's limit would pass first, was it not replaced after the answer.
    assert await world.pbx.set_variables(CUSTOMER, {LIMIT: "3"}) is Outcome.DONE
    assert await world.pbx.set_variables(OTHER, {LIMIT: "4"}) is Outcome.DONE
    for leg in (CUSTOMER, OTHER):
        assert await world.pbx.dial(leg, caller=None, timeout_s=30) is Outcome.DONE
    for leg in (CUSTOMER, OTHER):
        await progress(world, leg, DialStatus.ANSWER)
    assert await world.pbx.set_variables(CUSTOMER, {LIMIT: "60"}) is Outcome.DONE
    await event(world, ChannelDestroyed, OTHER)
    assert await world.pbx.channel_exists(CUSTOMER) is True


async def test_a_limit_of_0_lifts_it(world: World) -> None:
    for leg, limit_s in ((CUSTOMER, "2"), (OTHER, "3")):
        await dialled(world, Called.RINGS_FOR_EVER, leg)
        assert await world.pbx.set_variables(leg, {LIMIT: limit_s}) is Outcome.DONE
    assert await world.pbx.set_variables(CUSTOMER, {LIMIT: "0"}) is Outcome.DONE
    await event(world, ChannelDestroyed, OTHER)
    assert await world.pbx.channel_exists(CUSTOMER) is True


async def test_the_limit_ends_one_leg_and_leaves_the_other(world: World) -> None:
    agent = await talking(world)
    assert await world.pbx.set_variables(agent, {LIMIT: "1"}) is Outcome.DONE
    await event(world, ChannelLeft, agent)
    assert await world.pbx.channel_exists(CUSTOMER) is True


async def test_the_limit_holds_with_nobody_connected(world: World) -> None:
    await talking(world)
    assert await world.pbx.set_variables(CUSTOMER, {LIMIT: "1"}) is Outcome.DONE
    await world.lose_connection()
    await world.until_gone(CUSTOMER)
    await world.reconnect()
    assert CUSTOMER not in world.told.snapshots[-1].channels
