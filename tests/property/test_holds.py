"""What can still be held: the formula against giving out the minutes one by one."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.holds import BLOCK_MINUTES, Room, extended_to, free_minutes, room_for, shortfall, withdrawable
from callcontrol.domain.minutes import Period
from callcontrol.domain.reference import Model
from callcontrol.domain.settlement import settle

MONTHS = [Period(2026, 10), Period(2026, 11), Period(2026, 12), Period(2027, 1)]
months = st.sampled_from(MONTHS)
few = st.integers(0, 6)
pools = st.dictionaries(months, few)
claims = st.dictionaries(months, st.integers(1, 6))


def grants_of(by_month: dict[Period, int], lasting: int) -> list[Grant]:
    monthly = [Grant(number, GrantKind.MONTHLY, month, left) for number, (month, left) in enumerate(by_month.items())]
    return [
        *monthly,
        Grant(100, GrantKind.ADDON, MONTHS[0], lasting // 2),
        Grant(101, GrantKind.COURTESY, MONTHS[0], lasting - lasting // 2),
        Grant(102, GrantKind.OVERDRAFT, MONTHS[0], 9),
    ]


def model_of(by_month: dict[Period, int], lasting: int) -> Model:
    return Model(ZoneInfo("UTC"), pools=dict(by_month), addons=[lasting])


@given(pools, few, claims, months, few)
def test_what_is_free_is_what_can_be_given_out(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int], month: Period, allowance: int
) -> None:
    """D1, D2, D4: within the allowance, or without drawing more than the open claims do anyway."""
    free = free_minutes(held, grants_of(by_month, lasting), month, allowance)
    assert free == model_of(by_month, lasting).free({"others": held}, month, allowance)


@given(pools, few, claims)
def test_the_shortfall_is_what_must_be_overdrawn(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int]
) -> None:
    """I3."""
    assert shortfall(held, grants_of(by_month, lasting)) == model_of(by_month, lasting).drawn({"all": held})


@given(pools, few, claims, st.sampled_from([*MONTHS, None]))
def test_what_no_open_claim_needs_can_be_withdrawn(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int], month: Period | None
) -> None:
    grants = grants_of(by_month, lasting)
    grant = next((one for one in grants if one.period == month and one.kind is GrantKind.MONTHLY), grants[-3])
    minutes = withdrawable(grant, held, grants)
    needed = shortfall(held, grants)
    assert 0 <= minutes <= grant.unposted
    assert shortfall(held, _taken(grants, {grant.grant_id: minutes})) == needed
    if minutes < grant.unposted:
        assert shortfall(held, _taken(grants, {grant.grant_id: minutes + 1})) > needed


@given(pools, few, claims, claims, months, few, st.integers(0, 4))
def test_settling_a_claim_never_takes_what_another_needs(
    by_month: dict[Period, int],
    lasting: int,
    mine: dict[Period, int],
    others: dict[Period, int],
    month: Period,
    allowance: int,
    unused: int,
) -> None:
    """I3: as long as no more is due than is claimed, all others can still be met, and nothing is grace."""
    grants = grants_of(by_month, lasting)
    everyone = {since: mine.get(since, 0) + others.get(since, 0) for since in {*mine, *others}}
    if shortfall(everyone, grants) > allowance:
        return
    settlement = settle(max(0, sum(mine.values()) - unused), mine, month, grants, allowance)
    assert settlement.grace == 0
    left = _taken(grants, {take.grant.grant_id: take.minutes for take in settlement.takes})
    assert all(grant.unposted >= 0 for grant in left)
    assert shortfall(others, left) <= allowance - settlement.overdraft


def _taken(grants: list[Grant], minutes: dict[int, int]) -> list[Grant]:
    return [replace(grant, unposted=grant.unposted - minutes.get(grant.grant_id, 0)) for grant in grants]


@given(st.integers(0, 20), st.integers(0, 40), st.integers(0, 400), st.integers(0, 400), st.integers(1, 30))
def test_an_extension_is_enough_and_within_what_is_free(
    held: int, until: int, own: int, overdraft: int, open_legs: int
) -> None:
    """D4: a block comes from the company's own minutes only."""
    minutes = extended_to(held, until, Room(own, own + overdraft, open_legs))
    if minutes is None:
        assert until - held > own + overdraft
        return
    assert minutes >= max(held, until)
    assert minutes - held <= own + overdraft
    assert minutes == max(held, until) or (minutes == held + BLOCK_MINUTES and minutes - held <= own)


@given(pools, few, claims, months, few)
def test_room_is_what_is_free_with_and_without_overdrawing(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int], month: Period, allowance: int
) -> None:
    room = room_for(held, grants_of(by_month, lasting), month, allowance, 3)
    model = model_of(by_month, lasting)
    assert (room.own, room.open_legs) == (model.free({"others": held}, month), 3)
    assert room.in_all == model.free({"others": held}, month, allowance)
