"""What only the fake can do: faults, delays and orders that a real Asterisk shows once in a thousand calls."""

from __future__ import annotations

import asyncio

import pytest

from callcontrol.engine.ports.pbx import ChannelEntered, ChannelLeft, Outcome, PbxSnapshot, PbxUnavailable
from tests.contract.recorder import Recorder
from tests.support.carrier import says_nothing
from tests.support.fake_asterisk import FakePbx

CUSTOMER = "cc-c1-customer"
DIAL = "PJSIP/+5511900000000@carrier"


async def opened() -> tuple[FakePbx, Recorder]:
    fake, told = FakePbx(), Recorder()
    await fake.connect(told)
    return fake, told


async def create(fake: FakePbx) -> Outcome:
    return await fake.create_channel(CUSTOMER, DIAL, app_args=("leg",), originator=None)


async def test_nothing_can_be_done_to_a_channel_before_its_arrival_was_told() -> None:
    fake, told = FakePbx(), Recorder()
    outcomes: list[Outcome] = []

    class Early(Recorder):
        async def on_connected(self, snapshot: PbxSnapshot) -> None:
            # Events wait until this returns.
            outcomes.append(await create(fake))
            outcomes.append(await fake.set_variables(CUSTOMER, {"A": "1"}))
            await super().on_connected(snapshot)

    told = Early()
    await fake.connect(told)
    await fake.settle()
    assert outcomes == [Outcome.DONE, Outcome.NOT_IN_STASIS]
    assert told.told == ["connected", "ChannelEntered"]
    assert await fake.set_variables(CUSTOMER, {"A": "1"}) is Outcome.DONE


async def test_an_event_overtakes_the_answer_to_its_request() -> None:
    fake, told = await opened()
    fake.delay_answers("create_channel", 3)
    asked = asyncio.create_task(create(fake))
    await fake.clock.advance(2.9)
    assert told.find(ChannelEntered)
    assert not asked.done()
    await fake.clock.advance(0.2)
    assert asked.result() is Outcome.DONE


@pytest.mark.parametrize("done", [False, True])
async def test_a_request_without_an_answer_was_done_or_not(done: bool) -> None:
    fake, _ = await opened()
    fake.fail_next("create_channel", Outcome.UNKNOWN, done=done)
    assert await create(fake) is Outcome.UNKNOWN
    assert (CUSTOMER in fake.channels) is done
    assert await create(fake) is (Outcome.EXISTS if done else Outcome.DONE)
    assert [request.outcome for request in fake.asked("create_channel")] == [
        Outcome.UNKNOWN,
        Outcome.EXISTS if done else Outcome.DONE,
    ]


async def test_an_asterisk_that_does_not_answer() -> None:
    fake, _ = await opened()
    fake.answering = False
    assert await create(fake) is Outcome.UNKNOWN
    assert await fake.channel_exists(CUSTOMER) is None
    with pytest.raises(PbxUnavailable):
        await fake.snapshot()
    assert fake.channels == {}


async def test_the_dialplans_limit_ends_a_call_that_nobody_takes() -> None:
    """D12."""
    fake, told = await opened()
    agent = fake.agent_dials("1001", "912345678")
    await fake.clock.advance(14.9)
    assert agent in fake.channels
    await fake.clock.advance(0.2)
    assert told.find(ChannelLeft)
    assert fake.ended[agent].sip_code == 603


async def test_events_that_were_on_their_way_are_lost_with_the_connection() -> None:
    fake, told = await opened()
    agent = fake.agent_dials("1001", "912345678")
    fake.lose_connection()
    await fake.settle()
    assert told.told == ["connected", "lost"]
    await fake.connect(told)
    assert told.snapshots[-1].channels[agent].in_app


async def test_a_carrier_that_says_nothing() -> None:
    fake, _ = await opened()
    fake.carrier[DIAL] = says_nothing()
    await create(fake)
    await fake.settle()
    await fake.set_variables(CUSTOMER, {"CONNECTEDLINE(num,i)": "+551130003000"})
    await fake.dial(CUSTOMER, caller=None, timeout_s=30)
    await fake.clock.advance(29)
    assert fake.channels[CUSTOMER].state == "Down"
    assert fake.channels[CUSTOMER].shown_number == "+551130003000"
    await fake.clock.advance(2)
    assert fake.ended[CUSTOMER].hangup_q850 == 19
