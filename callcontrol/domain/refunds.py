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
    found = []
    for line in sorted(lines, key=lambda line: line.seq, reverse=True):
        taken = min(minutes, line.left)
        if taken > 0:
            found.append(Mirror(line, taken, _is_over(line, current)))
            minutes -= taken
    return found


def _is_over(line: PostedLine, current: Period) -> bool:
    """Whether the minutes would be lost, or out of place, where they were taken from.

    An overdraft's minutes were never anybody's: taking them back makes the debt smaller in any month. A pool ends with
    its month (R3). Minutes of an add-on are courtesy once the call's month is over, like the rest of that month.
    """
    if line.kind is GrantKind.OVERDRAFT:
        return False
    return (line.pool if line.kind is GrantKind.MONTHLY else line.belongs_to) < current
