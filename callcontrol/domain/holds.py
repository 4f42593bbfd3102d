"""Holds: claims of legs on the company's minutes as a whole, and how many more can be met (D1, D2).

A claim is of a month: that of the leg's answer, or of its start while it is not answered. A claim of November may use
what is left of November's pool, December's pool once there is one, and everything that never expires; a claim of
December not November's pool. What later claims may use, earlier ones may use too, so the claims can all be
met exactly if, for each month, the claims of it and later ones fit into the pools of it and later ones plus the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.minutes import Period

RICH_PER_LEG = 10
"""A company is rich while more of its own minutes than this are free for each of its open legs."""
BLOCK_MINUTES = 5
"""What a leg of a rich company is given at a time: fewer commits. Near the end each minute is asked for."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one more claim of a month finds."""

    own: int
    """Minutes that are free without overdrawing more than the open claims do anyway."""
    in_all: int
    """Those, and what a call in progress may overdraw (D4)."""
    open_legs: int


def room_for(
    claims: Mapping[Period, int], grants: Iterable[Grant], claimed_in: Period, allowance: int, open_legs: int
) -> Room:
    """`allowance`: how much may be overdrawn in all; the rest as in `free_minutes`."""
    have = _Unposted.of(grants)
    balance, drawn = _balance(claims, have, claimed_in), _shortfall(claims, have)
    return Room(balance + drawn, balance + max(drawn, allowance), open_legs)


def free_minutes(claims: Mapping[Period, int], grants: Iterable[Grant], claimed_in: Period, allowance: int = 0) -> int:
    """How many more minutes a leg may claim in this month with every open claim still met.

    `claims` are the minutes held by open legs, by the month of the claim; `grants` all that have something unposted.
    `allowance`: how much may be overdrawn in all, by the open claims and by this one (D4). Where the open ones need
    more than that already (the limit was lowered, minutes were talked beyond a hold, D5), this one adds nothing to it.
    """
    return room_for(claims, grants, claimed_in, allowance, 0).in_all


def shortfall(claims: Mapping[Period, int], grants: Iterable[Grant]) -> int:
    """Minutes of open claims that the grants cannot meet: they count on the overdraft."""
    return _shortfall(claims, _Unposted.of(grants))


def withdrawable(grant: Grant, claims: Mapping[Period, int], grants: Iterable[Grant]) -> int:
    """What of a grant is neither posted nor needed to meet the open claims. `grant` is one of `grants`."""
    month = grant.period if grant.kind is GrantKind.MONTHLY else max([grant.period, *claims])
    return min(grant.unposted, free_minutes(claims, grants, month))


def extended_to(held: int, until_minute: int, room: Room) -> int | None:
    """Minutes the leg shall hold in all: at least `until_minute`, a block while the company is rich; None: too few.

    What may be overdrawn makes nobody rich: a block of it would take the last minutes of the company's own, which new
    calls could still have. Where so much is held already nothing is added: a daemon that dies and comes back again and
    again asks each time.
    """
    missing = until_minute - held
    if missing <= 0:
        return held
    if missing > room.in_all:
        return None
    if room.own > RICH_PER_LEG * room.open_legs:
        return max(until_minute, held + BLOCK_MINUTES)
    return until_minute


@dataclass(frozen=True, slots=True)
class _Unposted:
    """What there is to meet claims with: of pools by month, and of what never expires."""

    pools: dict[Period, int]
    lasting: int

    @classmethod
    def of(cls, grants: Iterable[Grant]) -> _Unposted:
        pools: dict[Period, int] = {}
        lasting = 0
        for grant in grants:
            if grant.kind is GrantKind.MONTHLY:
                pools[grant.period] = pools.get(grant.period, 0) + grant.unposted
            elif grant.kind is not GrantKind.OVERDRAFT:
                lasting += grant.unposted
        return cls(pools, lasting)


def _shortfall(claims: Mapping[Period, int], have: _Unposted) -> int:
    return max([0, *(-_balance(claims, have, month) for month in claims)])


def _balance(claims: Mapping[Period, int], have: _Unposted, claimed_in: Period) -> int:
    """What there is beyond the open claims for one more claim of this month; negative: not all can be met."""
    # A new claim of this month weighs on the balance of this month and of every earlier one.
    months = {period for period in (*claims, *have.pools, claimed_in) if period <= claimed_in}
    return min(have.lasting + _since(have.pools, month) - _since(claims, month) for month in months)


def _since(minutes: Mapping[Period, int], month: Period) -> int:
    return sum(count for period, count in minutes.items() if period >= month)
