"""What an ended leg is billed, and where its minutes come from (R7, D2, D4, D5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from callcontrol.domain.grants import Grant, Take, take
from callcontrol.domain.minutes import Minutes, Period, Seconds, billed_minutes


@dataclass(frozen=True, slots=True)
class Settlement:
    """`takes` in burn order, and the minutes that nothing was left for."""

    takes: tuple[Take, ...]
    overdraft: int
    """Within what the company may overdraw (D4)."""
    grace: int
    """Beyond it: nobody was there to end the call (D5)."""

    @property
    def beyond(self) -> int:
        return self.overdraft + self.grace


def minutes_due(seconds: Seconds, held: int, *, cut_for_exhaustion: bool) -> Minutes:
    """R7; but a call that we cut because nothing was left pays for no more than what it held (D4)."""
    due = billed_minutes(seconds)
    # Nothing held: the hold's row is missing, which is no reason to bill nothing.
    return Minutes(min(due, held)) if cut_for_exhaustion and held else due


def settle(
    due: int, held: Mapping[Period, int], belongs_to: Period, grants: Sequence[Grant], allowance: int = 0
) -> Settlement:
    """Take `due` minutes for a leg answered in the month `belongs_to` that claimed `held`, by month.

    Its claims are met first, the oldest first, each from what a claim of its month may use; what was talked beyond
    them comes from what is available, and the rest is overdraft, of which `allowance` minutes are within the limit.
    """
    left = {grant.grant_id: grant for grant in grants}
    taken: dict[int, int] = {}
    beyond = due
    for month, minutes in [*sorted(held.items()), (belongs_to, due)]:
        if not beyond:
            break
        # A claim made after the month of the answer (the answer was not yet stored) may use the older pool as well.
        takes, _ = take(min(minutes, beyond), left.values(), min(month, belongs_to))
        for one in takes:
            beyond -= one.minutes
            taken[one.grant.grant_id] = taken.get(one.grant.grant_id, 0) + one.minutes
            left[one.grant.grant_id] = replace(one.grant, unposted=one.grant.unposted - one.minutes)
    takes_made = tuple(Take(left[grant_id], minutes) for grant_id, minutes in taken.items())
    return Settlement(takes_made, min(beyond, allowance), max(0, beyond - allowance))
