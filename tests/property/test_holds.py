"""What can still be held: the formula against giving out the minutes one by one."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.holds import BLOCK_MINUTES, extended_to, free_minutes, shortfall
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


@given(pools, few, claims, months)
def test_what_is_free_is_what_can_be_given_out(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int], month: Period
) -> None:
    """D1, D2. The open claims of other months are met as well, or nothing is free."""
    free = free_minutes(held, grants_of(by_month, lasting), month)
    possible = model_of(by_month, lasting).free({"others": held}, month)
    unmet_elsewhere = shortfall(held, grants_of(by_month, lasting)) > 0
    if unmet_elsewhere:
        assert possible == -1
    else:
        assert free == possible


@given(pools, few, claims)
def test_a_shortfall_is_there_exactly_when_not_all_can_be_met(
    by_month: dict[Period, int], lasting: int, held: dict[Period, int]
) -> None:
    """I3."""
    can_be_met = model_of(by_month, lasting).free({"all": held}, MONTHS[-1]) >= 0
    assert (shortfall(held, grants_of(by_month, lasting)) == 0) == can_be_met


@given(pools, few, claims, claims, months)
def test_settling_a_claim_never_takes_what_another_needs(
    by_month: dict[Period, int], lasting: int, mine: dict[Period, int], others: dict[Period, int], month: Period
) -> None:
    """I3: as long as no more is due than is claimed, all others can still be met."""
    grants = grants_of(by_month, lasting)
    everyone = {since: mine.get(since, 0) + others.get(since, 0) for since in {*mine, *others}}
    if shortfall(everyone, grants):
        return
    settlement = settle(sum(mine.values()), mine, month, grants)
    assert settlement.beyond == 0
    taken = {take.grant.grant_id: take.minutes for take in settlement.takes}
    left = [
        Grant(grant.grant_id, grant.kind, grant.period, grant.unposted - taken.get(grant.grant_id, 0))
        for grant in grants
    ]
    assert all(grant.unposted >= 0 for grant in left)
    assert shortfall(others, left) == 0


@given(st.integers(0, 20), st.integers(0, 40), st.integers(-5, 400), st.integers(1, 30))
def test_an_extension_is_enough_and_within_what_is_free(held: int, until: int, free: int, open_legs: int) -> None:
    minutes = extended_to(held, until, free, open_legs)
    if minutes is None:
        assert until - held > max(0, free)
        return
    assert minutes >= max(held, until)
    assert minutes - held <= max(0, free)
    assert minutes == max(held, until) or minutes == held + BLOCK_MINUTES
