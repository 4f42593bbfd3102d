"""D10 on a real Asterisk and a real daemon: the wall clock of both is set while calls go on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.prefix import AsteriskPrefix
from tests.support.installation import Installation, Talk, installation
from tests.support.waiting import until
from tests.support.wall_clock import SettableWallClock

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

STEP_S = 1800.0
"""Less than the hour for which the laboratory's customers stay."""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> SettableWallClock:
    return SettableWallClock(tmp_path_factory.mktemp("clock") / "ahead")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(
    asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory, clock: SettableWallClock
) -> AsyncIterator[Installation]:
    async with installation(clock.of(asterisk_prefix), tmp_path_factory.mktemp("steps")) as running:
        # A call may outlive a step forwards by as much as its limit, which goes by the same clock.
        await running.have_daemon({"calls": {"grace_s": 7200}}, clock.environment)
        yield running


async def check(lab: Installation, talk: Talk, step_s: float) -> None:
    """Billed as Asterisk's record says, less the step; flagged, and shown as recorded."""
    row = await lab.closed(talk)
    recorded = lab.cel.call(row)
    assert recorded.answered is not None
    ends = [end for end in (recorded.agent_ended, recorded.customer_ended) if end is not None]
    talked_s = min(ends, key=lambda end: abs(end - recorded.answered - step_s)) - recorded.answered - step_s
    assert 0 <= talked_s < 60
    assert row["billsec"] in {int(max(0.0, talked_s - 0.2)), int(talked_s + 0.2)}, f"{talked_s:.3f} s"
    assert row["billed_minutes"] == 1
    [listed] = [call for call in await lab.daemon.json("calls", "padaria") if call["dialled"] == talk.dialled]
    assert listed["clock_step_s"] == pytest.approx(step_s, abs=0.05)


async def both_stepped(lab: Installation, clock: SettableWallClock, step_s: float, times: int) -> None:
    clock.step(step_s)
    direction = "forward" if step_s > 0 else "backward"

    async def noticed() -> bool:
        metrics = await lab.daemon.metrics()
        return metrics[f'callcontrol_clock_steps_total{{direction="{direction}"}}'] == times

    await until(noticed, "the step in the daemon's metrics")


async def test_calls_while_the_clock_is_set_forwards_and_back(lab: Installation, clock: SettableWallClock) -> None:
    forwards, both = await lab.talk("1001"), await lab.talk("1002")
    for talk in (forwards, both):
        await lab.answered(talk)
    await both_stepped(lab, clock, STEP_S, 1)
    after = await lab.talk("1003")
    await lab.agent_hangs_up(forwards)
    await both_stepped(lab, clock, -2 * STEP_S, 1)
    await lab.customer_hangs_up(both)
    await lab.agent_hangs_up(after)
    await check(lab, forwards, STEP_S)
    await check(lab, both, -STEP_S)
    await check(lab, after, -2 * STEP_S)
    await lab.assert_clean()


async def test_the_clock_is_set_while_the_daemon_is_dead(lab: Installation, clock: SettableWallClock) -> None:
    """One call lives on, one ended before, one after; all three are billed from their seconds of talk."""
    lives, before, after = [await lab.talk(extension) for extension in ("1001", "1002", "1003")]
    for talk in (lives, before, after):
        await lab.answered(talk)
    await lab.daemon.kill()
    await lab.agent_hangs_up(before)
    clock.step(-STEP_S)
    await lab.agent_hangs_up(after)
    await lab.start_daemon()
    await lab.agent_hangs_up(lives)
    await check(lab, before, 0)
    await check(lab, after, -STEP_S)
    await check(lab, lives, -STEP_S)
    await lab.assert_clean()


async def test_a_step_and_kill_9_at_once(lab: Installation, clock: SettableWallClock) -> None:
    """Whether the daemon has noted the step or not, it counts once."""
    talk = await lab.talk("1001")
    await lab.answered(talk)
    for step_s in (STEP_S, -STEP_S / 2):
        clock.step(step_s)
        await lab.kill_and_start()
    await lab.customer_hangs_up(talk)
    await check(lab, talk, STEP_S / 2)
    await lab.assert_clean()
