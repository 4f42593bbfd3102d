"""Overdraft: minutes talked that nothing was left for, and how they are paid back (D4, D5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from callcontrol.domain.minutes import Period


class ExhaustionPolicy(StrEnum):
    """What an exhausted pool does to calls in progress (D4)."""

    CUT = "cut"
    """They end with their last held minute."""
    FINISH = "finish"
    """They go on, as overdraft up to a limit."""


def policy_of(limit: int) -> ExhaustionPolicy:
    """`cut` is a limit of nothing, and where nothing was contracted."""
    return ExhaustionPolicy.FINISH if limit else ExhaustionPolicy.CUT


def allowance(limit: int, outstanding: int) -> int:
    """Minutes that may still be overdrawn, `outstanding` being those talked and not paid back."""
    return max(0, limit - outstanding)


@dataclass(frozen=True, slots=True)
class Debt:
    """What of a month's overdraft is not paid back."""

    grant_id: int
    month: Period
    outstanding: int


def repayments(minutes: int, debts: Iterable[Debt]) -> list[tuple[Debt, int]]:
    """What an add-on of so many minutes pays back before it gives any: all debts, the oldest month first (D4)."""
    found = []
    for debt in sorted(debts, key=lambda debt: debt.month):
        paid = min(minutes, debt.outstanding)
        if paid > 0:
            found.append((debt, paid))
            minutes -= paid
    return found
