"""Refunds: which of a call's lines they mirror, and where the minutes go (D9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Period


@dataclass(frozen=True, slots=True)
class PostedLine:
    """A line that billed minutes of a call, as a refund sees it."""

    seq: int
    """The ledger's number of the line: a later line has a greater one."""
    grant_id: int
    kind: GrantKind
    pool: Period
    """The month of a monthly grant."""
    belongs_to: Period
    """The month of the call (D2)."""
    left: int
    """What of it earlier refunds have not taken back."""
    outstanding: int
    """What of its grant's posted minutes no add-on has paid back: the debt, where the grant is an overdraft (D4)."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Minutes of a line to be taken back: to the grant they were taken from, or as courtesy."""

    line: PostedLine
    minutes: int
    as_courtesy: bool


def refundable(lines: Iterable[PostedLine]) -> int:
    """What the call was billed, net of earlier refunds: no refund is of more."""
    return sum(line.left for line in lines)


def mirrors(minutes: int, lines: Iterable[PostedLine], current: Period) -> list[Mirror]:
    """What to take back in the month `current`: what was taken last goes back first, so add-ons before the pool."""
    found: list[Mirror] = []
    forgiven: dict[int, int] = {}
    for line in sorted(lines, key=lambda line: line.seq, reverse=True):
        taken = min(minutes, line.left)
        minutes -= taken
        owed = 0
        if line.kind is GrantKind.OVERDRAFT:
            # A debt shrinks in any month: those minutes were nobody's. Once paid back, they came out of an add-on (D4).
            owed = min(taken, line.outstanding - forgiven.get(line.grant_id, 0))
            forgiven[line.grant_id] = forgiven.get(line.grant_id, 0) + owed
        parts = ((owed, False), (taken - owed, _is_over(line, current)))
        found += [Mirror(line, part, as_courtesy) for part, as_courtesy in parts if part > 0]
    return found


def _is_over(line: PostedLine, current: Period) -> bool:
    """Whether the minutes would be lost, or out of place, where they were taken from.

    A pool ends with its month (R3). Minutes of an add-on are courtesy once the call's month is over, like the rest of
    that month. Those of an overdraft that was paid back cannot be owed again.
    """
    if line.kind is GrantKind.OVERDRAFT:
        return True
    return (line.pool if line.kind is GrantKind.MONTHLY else line.belongs_to) < current
