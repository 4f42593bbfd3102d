"""Grants of minutes and the order in which they burn (R1, R4, D2, D9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from callcontrol.domain.minutes import Period


class GrantKind(StrEnum):
    """Where minutes come from, in the order in which they burn."""

    MONTHLY = "monthly"
    COURTESY = "courtesy"
    """Refunds of a month that is over (D9), and what an operator gives away."""
    ADDON = "addon"
    OVERDRAFT = "overdraft"
    """Minutes talked that nothing was left for (D4, D5): granted as they are posted, paid back by the next add-on."""


_BURN_ORDER = list(GrantKind)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as settlement sees it: what of it is not posted yet."""

    grant_id: int
    """Ids grow: of two grants of a kind, the smaller id is the older one."""
    kind: GrantKind
    period: Period
    """The month of a monthly grant; for the others, the month in which they were given."""
    unposted: int


@dataclass(frozen=True, slots=True)
class Take:
    """Minutes to be posted to one grant."""

    grant: Grant
    minutes: int


def burn_order(grants: Iterable[Grant], claimed_in: Period) -> list[Grant]:
    """The grants a leg whose claim is of this month may use, first to burn first.

    Its own month's pool, then the pools of later months (a call that runs over midnight of day 1, D2), courtesy,
    add-ons oldest first (R4). Never the pool of an earlier month: what was unused there is lost (R3).
    Overdraft is not here: it is what remains when these have nothing.
    """
    usable = [
        grant
        for grant in grants
        if grant.kind is not GrantKind.OVERDRAFT and (grant.kind is not GrantKind.MONTHLY or grant.period >= claimed_in)
    ]
    return sorted(usable, key=_burns_at)


def take(minutes: int, grants: Iterable[Grant], claimed_in: Period) -> tuple[list[Take], int]:
    """What to post to which grant, and the minutes that no grant had left."""
    takes = []
    for grant in burn_order(grants, claimed_in):
        taken = min(minutes, grant.unposted)
        if taken > 0:
            takes.append(Take(grant, taken))
            minutes -= taken
    return takes, minutes


def _burns_at(grant: Grant) -> tuple[int, Period, int]:
    # Add-ons burn oldest first whatever their month says: ids alone tell.
    month = grant.period if grant.kind is GrantKind.MONTHLY else Period(1, 1)
    return _BURN_ORDER.index(grant.kind), month, grant.grant_id
