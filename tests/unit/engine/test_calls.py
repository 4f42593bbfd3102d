"""Whole calls through the engine, on the in-memory Asterisk and the real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.destinations import DestinationRule
from callcontrol.engine.ports.ledger import CallOpening, Hold, LedgerUnavailable
from callcontrol.engine.ports.pbx import Outcome
from tests.support.books import COMPANY
from tests.support.carrier import (
    Step,
    answers,
    answers_at_once,
    early_media_then_answers,
    refuses,
    rings_for_ever,
    says_nothing,
)
from tests.support.site import ANA, DIAL_STRING, NUMBER, Site, site


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def test_an_answered_call_is_billed_in_whole_minutes(s: Site) -> None:
    """R6, R7: 1:37 is 2."""
    s.pbx.carrier[DIAL_STRING] = answers(talks_s=97)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(1)
    assert s.pbx.channels[agent].heard == ["ringing"]
    await s.advance(120)
    [row] = await s.call_rows()
    assert (row.disposition, row.reason, row.billsec, row.billed_minutes) == (
        Disposition.ANSWERED,
        Reason.CUSTOMER_HUNG_UP,
        97,
        2,
    )
    await s.assert_clean()


async def test_the_customer_is_dialled_through_the_trunk_with_the_companys_number(s: Site) -> None:
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(0.1)
    [created] = s.pbx.asked("create_channel")
    assert created.arguments[0] == DIAL_STRING or DIAL_STRING in map(str, created.arguments)
    customer = s.pbx.channels[created.target]
    assert customer.variables["CONNECTEDLINE(num,i)"] == "+551130003000"
    await s.advance(200)


async def test_d5_both_legs_are_limited_before_the_invite(s: Site) -> None:
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(0.1)
    order = [(request.method, request.target) for request in s.pbx.requests]
    dialled = next(i for i, (method, _) in enumerate(order) if method == "dial")
    limited = {target for method, target in order[:dialled] if method == "set_variables"}
    assert limited == set(s.pbx.channels)
    await s.advance(200)


@pytest.mark.parametrize(
    ("script", "disposition", "reason", "agent_gets"),
    [
        (refuses(17), Disposition.BUSY, Reason.BUSY, 486),
        (refuses(21, rings=True), Disposition.FAILED, Reason.REJECTED, 403),
        (refuses(19), Disposition.FAILED, Reason.UNREACHABLE, 480),
        (refuses(1), Disposition.FAILED, Reason.INVALID_NUMBER, 404),
        (refuses(34), Disposition.FAILED, Reason.CONGESTION, 503),
        (rings_for_ever(), Disposition.NO_ANSWER, Reason.NO_ANSWER, 480),
        (says_nothing(), Disposition.NO_ANSWER, Reason.NO_ANSWER, 480),
    ],
    ids=["busy", "rejected", "unreachable", "invalid number", "congestion", "no answer", "silent carrier"],
)
async def test_an_unanswered_call_costs_nothing_and_the_agent_is_told(
    s: Site, script: object, disposition: Disposition, reason: Reason, agent_gets: int
) -> None:
    s.pbx.carrier[DIAL_STRING] = script  # type: ignore[assignment]
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(90)
    [row] = await s.call_rows()
    assert (row.disposition, row.reason, row.billed_minutes) == (disposition, reason, 0)
    assert s.pbx.ended[agent].sip_code == agent_gets
    assert s.pbx.ended[agent].played, "never silence"
    await s.assert_clean()


async def test_early_media_reaches_the_agent(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = early_media_then_answers(talks_s=5)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(1)
    assert s.pbx.channels[agent].heard == ["early media"]
    await s.advance(20)
    await s.assert_clean()


async def test_the_agent_cancels(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = rings_for_ever()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    s.pbx.phone_hangs_up(agent)
    await s.advance(5)
    [row] = await s.call_rows()
    assert (row.disposition, row.billed_minutes) == (Disposition.CANCELLED, 0)
    await s.assert_clean()


async def test_the_agent_hangs_up_in_the_call(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(60)
    s.pbx.phone_hangs_up(agent)
    await s.advance(2)
    [row] = await s.call_rows()
    assert (row.reason, row.billed_minutes) == (Reason.AGENT_HUNG_UP, 1)
    await s.assert_clean()


async def test_answered_and_no_second_long_is_one_minute(s: Site) -> None:
    """R7."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=0)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(10)
    [row] = await s.call_rows()
    assert (row.billsec, row.billed_minutes) == (0, 1)


async def test_a_voicemail_that_sends_nothing_lives_and_bills(s: Site) -> None:
    """D13: silence never ends a call. 70 s is 2 minutes."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=70)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(80)
    [row] = await s.call_rows()
    assert row.billed_minutes == 2


async def test_d1_the_last_minute_goes_to_one_of_two(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        s.pbx.default_script = answers_at_once(talks_s=10)
        s.pbx.agent_dials("1001", NUMBER)
        s.pbx.agent_dials("1002", "11977776666")
        await s.advance(40)
        assert len(s.pbx.asked("dial")) == 1
        assert sorted(str(row.disposition) for row in await s.call_rows()) == ["ANSWERED", "REFUSED"]
        assert s.notes.refused == ["pool_exhausted"]
        await s.assert_clean()


async def test_d4_cut_at_the_end_of_the_last_held_minute(tmp_path: Path) -> None:
    async with site(tmp_path, plan=2) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once()
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(150)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.POOL_EXHAUSTED, 2)
        assert 120 <= row.billsec <= 121
        await s.assert_clean()


async def test_d3_an_addon_bought_during_the_last_minute_saves_the_call(tmp_path: Path) -> None:
    async with site(tmp_path, plan=1) as s:
        s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=100)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(40)
        await s.books.addon(10, at=s.clock.now())
        await s.advance(80)
        [row] = await s.call_rows()
        assert (row.reason, row.billed_minutes) == (Reason.CUSTOMER_HUNG_UP, 2)
        await s.assert_clean()


@pytest.mark.parametrize(
    ("sip_username", "dialled", "reason"),
    [
        ("1003", NUMBER, Reason.FOLLOW_UP_MANAGER),  # R2
        ("nobody", NUMBER, Reason.UNKNOWN_AGENT),
        ("1001", "0900123456", Reason.DESTINATION_DENIED),  # D14
        ("1001", "0014155552671", Reason.DESTINATION_DENIED),
        ("1001", "12", Reason.UNDIALLABLE_NUMBER),
    ],
)
async def test_refused_before_dialling(s: Site, sip_username: str, dialled: str, reason: Reason) -> None:
    agent = s.pbx.agent_dials(sip_username, dialled)
    await s.advance(20)
    assert s.pbx.asked("create_channel") == []
    assert s.pbx.ended[agent].played
    assert [call.reason for call, _ in s.notes.closed] == [reason]
    if sip_username != "nobody":
        [row] = await s.call_rows()
        assert (row.disposition, row.reason) == (Disposition.REFUSED, reason)
    await s.assert_clean()


async def test_d14_the_companys_longest_prefix_decides_before_anything_is_held(s: Site) -> None:
    rules = (DestinationRule("+1", True), DestinationRule("+1900", False), DestinationRule("+55119", False))
    s.directory.callers["1001"] = replace(ANA, destinations=rules)
    for denied in ("0019005551234", NUMBER):
        s.pbx.agent_dials("1001", denied)
        await s.advance(20)
    assert s.pbx.asked("create_channel") == []
    s.pbx.default_script = answers_at_once(talks_s=30)
    s.pbx.agent_dials("1001", "0012125551234")
    await s.advance(60)
    assert [(row.number, row.disposition, row.reason, row.billed_minutes) for row in await s.call_rows()] == [
        ("+19005551234", Disposition.REFUSED, Reason.DESTINATION_DENIED, 0),
        ("+5511988887777", Disposition.REFUSED, Reason.DESTINATION_DENIED, 0),
        ("+12125551234", Disposition.ANSWERED, Reason.CUSTOMER_HUNG_UP, 1),
    ]
    await s.assert_clean()


@pytest.mark.parametrize("sip_username", ["1001", "1003", "nobody"])
async def test_d16_emergency_passes_for_anyone_without_minutes_or_directory(tmp_path: Path, sip_username: str) -> None:
    async with site(tmp_path, plan=0) as s:
        s.directory.answering = False
        s.pbx.default_script = answers_at_once(talks_s=600)
        s.pbx.agent_dials(sip_username, "190")
        await s.advance(700)
        [(call, cdr)] = s.notes.closed
        assert (call.disposition, cdr.billsec, cdr.billed_minutes) == (Disposition.ANSWERED, 600, 0)
        await s.assert_clean()


async def test_a_call_of_a_company_blocked_meanwhile_goes_on_and_is_billed(s: Site) -> None:
    """Who is talking is neither cut nor let off; nothing new is dialled until the company is re-activated."""
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=97)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    ana = s.directory.callers["1001"]
    s.directory.callers["1001"] = replace(ana, blocked=True)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(100)
    s.directory.callers["1001"] = ana
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(100)
    rows = await s.call_rows()
    assert sorted((row.reason, row.billed_minutes) for row in rows) == [
        (Reason.COMPANY_BLOCKED, 0),
        (Reason.CUSTOMER_HUNG_UP, 2),
        (Reason.CUSTOMER_HUNG_UP, 2),
    ]
    await s.assert_clean()


async def test_a_trunk_that_is_not_there_is_congestion(s: Site) -> None:
    s.pbx.unreachable.add(DIAL_STRING)
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(20)
    assert s.pbx.ended[agent].sip_code == 503
    await s.assert_clean()


@pytest.mark.parametrize("method", ["create_channel", "set_variables", "add_to_bridge", "dial"])
async def test_a_request_without_an_answer_leaves_nothing_behind(s: Site, method: str) -> None:
    """Done or not done, nobody knows: the call ends clean either way."""
    for done in (False, True):
        s.pbx.fail_next(method, Outcome.UNKNOWN, done=done)
        s.pbx.agent_dials("1001", NUMBER)
        await s.advance(30)
    assert [row.disposition for row in await s.call_rows()] == [Disposition.FAILED] * 2
    await s.assert_clean()


async def test_answers_that_events_overtake_change_nothing(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=30)
    for method in ("create_channel", "dial", "add_to_bridge", "answer"):
        s.pbx.delay_answers(method, 0.4)
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(60)
    [row] = await s.call_rows()
    assert row.disposition is Disposition.ANSWERED
    await s.assert_clean()


async def test_d7_duplicate_events_have_no_effect(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once(talks_s=10)
    seen = []
    tell = s.engine.on_event
    s.engine.on_event = lambda event: (seen.append(event), tell(event), tell(event))  # type: ignore[assignment,func-returns-value]
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(30)
    for event in seen:
        if event.channel_id.startswith("cc-"):
            tell(event)
    await s.advance(5)
    [row] = await s.call_rows()
    assert row.billed_minutes == 1
    assert (await s.books.minutes.usage(COMPANY, s.clock.now())).monthly_posted == 1
    await s.assert_clean()


async def test_a_draining_daemon_gives_new_calls_back_and_lets_others_go_on(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    assert await s.engine.drain(1.0)
    late = s.pbx.agent_dials("1002", NUMBER)
    await s.quiet()
    assert s.pbx.channels[late].in_fallback
    assert s.pbx.channels[late].variables["CC_FALLBACK"] == "1"
    assert len([c for c in s.pbx.channels.values() if c.up]) == 2


async def test_the_customer_hanging_up_by_hand(s: Site) -> None:
    s.pbx.carrier[DIAL_STRING] = answers_at_once()
    agent = s.pbx.agent_dials("1001", NUMBER)
    await s.advance(5)
    customer = s.pbx.customer_of(agent)
    assert customer is not None
    s.pbx.carrier_does(customer, Step.HANG_UP)
    await s.advance(2)
    await s.assert_clean()


async def test_r8_a_call_refused_because_the_ledger_was_silent_is_in_its_companys_list(
    s: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline passes before the ledger says that it cannot: whose call it was is known all the same (D11)."""
    silent = asyncio.Event()

    async def authorise(opening: CallOpening) -> Hold | None:
        await silent.wait()
        raise LedgerUnavailable("locked")

    with monkeypatch.context() as away:
        away.setattr(s.books.ledger, "authorise", authorise)
        agent = s.pbx.agent_dials("1001", NUMBER)
        await s.pbx.settle()
        await s.clock.advance(30)
        assert s.pbx.ended[agent].sip_code == 503
        silent.set()
        await s.quiet()
    await s.advance(10)
    [row] = await s.call_rows()
    assert (row.disposition, row.reason) == (Disposition.REFUSED, Reason.LEDGER_UNAVAILABLE)
    await s.assert_clean()
