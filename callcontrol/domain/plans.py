"""Plans: how many minutes a company's monthly pool has, by the month from which each order applies (R3, R12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callcontrol.domain.minutes import Minutes, Period


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One order of the operator: from this month on, the pool has `minutes`."""

    from_period: Period
    minutes: Minutes


def plan_for(versions: Sequence[PlanVersion], period: Period) -> PlanVersion | None:
    """The version of a month: the last ordered of those that apply by then. `versions` in the order they came.

    So an order up takes back an order down that was still to come, and a month that nobody touched is filled in
    later with the plan it had, not with today's.
    """
    applying = [version for version in versions if version.from_period <= period]
    return applying[-1] if applying else None


def applies_from(ordered: Minutes, pool: Minutes | None, current: Period) -> Period:
    """R12: the first plan, and more than this month's `pool`, at once; less, from next month."""
    return current.next() if pool is not None and ordered < pool else current
