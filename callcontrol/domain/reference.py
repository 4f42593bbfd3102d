"""The specification of the minutes: what the ledger must do, said as simply as possible (I7).

Minute by minute, in memory, without a database. No counters, no formula for what can be held: every hold is tried by
giving out the minutes one by one. The ledger is tested against it, and `callcontrol replay` reads books with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from callcontrol.domain.minutes import Period, period_of

Source = tuple[str, str]
"""Where a minute came from: `("monthly", "2026-11")`, `("courtesy", "0")` and `("addon", "2")` (the first given, the
third bought), `("overdraft", "2026-11")`."""

Stock = dict[Period, int] | list[int]
"""Minutes of several sources of a kind: the pools by month, or the packs as they came."""


@dataclass
class Model:
    zone: ZoneInfo
    plans: list[tuple[Period, int]] = field(default_factory=list)
    pools: dict[Period, int] = field(default_factory=dict)
    """Minutes left of each month's pool."""
    addons: list[int] = field(default_factory=list)
    """Minutes left of each add-on, oldest first."""
    courtesies: list[int] = field(default_factory=list)
    """Minutes left of each refund of a month that was over, and of each gift, oldest first."""
    granted: dict[Period, int] = field(default_factory=dict)
    holds: dict[str, dict[Period, int]] = field(default_factory=dict)
    """Open call -> minutes claimed, by month."""
    posted: dict[str, list[Source]] = field(default_factory=dict)
    """Closed call -> where each of its billed minutes came from, in order, without those refunded."""
    belongs_to: dict[str, Period] = field(default_factory=dict)
    """Billed call -> its month (D2)."""
    limit: int = 0
    """Minutes that calls in progress may overdraw (D4): none with the policy `cut`."""
    owed: dict[Period, int] = field(default_factory=dict)
    """Overdrawn and not paid back, by the month of the calls."""
    graced: dict[str, int] = field(default_factory=dict)
    """Closed call -> overdrawn minutes of it that were beyond the limit (D5)."""

    def month(self, at: datetime) -> Period:
        return period_of(at, self.zone)

    def renew(self, at: datetime) -> Period:
        """Every month since the first plan has a pool, of the plan last ordered that applied by then (R3).

        The month that orders are about now: one that has begun is not left again, whatever the clock or the zone says.
        """
        if not self.plans:
            return self.month(at)
        month = min(self.pools, default=self.plans[0][0])
        while month <= self.month(at):
            if month not in self.pools:
                self.pools[month] = self.granted[month] = [size for since, size in self.plans if since <= month][-1]
            month = month.next()
        return max(self.month(at), *self.pools)

    def set_plan(self, size: int, at: datetime) -> Period:
        current = self.renew(at)
        more = size - self.granted.get(current, 0)
        if current in self.pools and more < 0:
            self.plans.append((current.next(), size))
            return current.next()
        self.plans.append((current, size))
        if current in self.pools:
            self.pools[current] += more
            self.granted[current] += more
        self.renew(at)
        return current

    def correct_plan(self, size: int, at: datetime) -> bool:
        """A pool that was ordered too large by mistake; False: part of the difference is used, or needed by a hold."""
        month = self.renew(at)
        if not self.withdraw(self.pools, month, self.granted[month] - size):
            return False
        self.granted[month] = size
        self.plans.append((month, size))
        return True

    def add_addon(self, size: int) -> None:
        """R4. It pays back what is owed first, the oldest month first (D4)."""
        for month in sorted(self.owed):
            paid = min(size, self.owed[month])
            self.owed[month] -= paid
            size -= paid
        self.addons.append(size)

    def withdraw(self, stock: Stock, which: Any, minutes: int) -> bool:
        """Correct an order; False, and nothing changed: that many are not left, or an open hold needs them."""
        drawn = self.drawn(self.holds)
        stock[which] -= minutes
        if stock[which] >= 0 and self.drawn(self.holds) == drawn:
            return True
        stock[which] += minutes
        return False

    def dial(self, call: str, at: datetime) -> tuple[int, bool] | None:
        """D1. (minutes held, nothing more can be), or None. A new call never draws on the overdraft (D4)."""
        self.renew(at)
        month = self.month(at)
        if self.free(self.holds, month) < 1:
            return None
        self.holds[call] = {month: 1}
        return 1, self.free(self.holds, month, self.allowance()) < 1

    def extend(self, call: str, until: int, at: datetime, answered_at: datetime | None) -> tuple[int, bool] | None:
        """The claim moves to the month of the answer, unless that month has too little for it."""
        self.renew(at)
        month = self.month(answered_at or at)
        held = sum(self.holds[call].values())
        missing = max(0, until - held)
        moved, unmoved = self._places(call, month)
        asked = self.holds | {call: moved, "more": {month: missing}}
        claims = moved if self.drawn(asked) <= self.drawn(self.holds) else unmoved
        legs = sum(len(claims) for claims in self.holds.values())
        self.holds[call] = claims
        free = self.free(self.holds, month, self.allowance())
        if free < missing:
            return None
        rich = self.free(self.holds, month) > 10 * legs
        more = max(missing, 5) if missing and rich else missing
        if more:
            claims[month] = claims.get(month, 0) + more
        return held + more, free == more

    def close(self, call: str, talked_s: int | None, cut: bool, at: datetime, answered_at: datetime | None) -> int:
        """Billed minutes; `talked_s` None: not answered."""
        claims = self.holds.get(call, {})
        self.posted[call] = []
        billed = 0
        if talked_s is not None and answered_at is not None:
            self.renew(at)
            month = self.month(answered_at)
            moved = self._places(call, month)[0]
            if self.drawn(self.holds | {call: moved}) <= self.drawn(self.holds):
                claims = moved
            billed = max(1, (talked_s + 59) // 60)
            if cut and claims:
                billed = min(billed, sum(claims.values()))
            self.bill(call, billed, month, {since: held for since, held in claims.items() if since < month})
        self.holds.pop(call, None)
        return billed

    def bill(self, call: str, minutes: int, month: Period, stayed: dict[Period, int]) -> None:
        """Post a call of this month. `stayed`: minutes it held in earlier months that this one could not take over."""
        self.belongs_to[call] = month
        self.posted[call] = []
        since = [earlier for earlier, held in sorted(stayed.items()) for _ in range(held)]
        for minute in range(minutes):
            self._post_one(call, since[minute] if minute < len(since) else month, month)

    def refund(self, call: str, minutes: int, current: Period) -> None:
        """D9: what was taken last goes back first; where the month is over, as courtesy; what is owed just shrinks."""
        courtesy = 0
        for _ in range(minutes):
            kind, which = self.posted[call].pop()
            if kind == "monthly" and Period.parse(which) >= current:
                self.pools[Period.parse(which)] += 1
            elif kind == "addon" and self.belongs_to[call] >= current:
                self.addons[int(which)] += 1
            elif kind == "courtesy" and self.belongs_to[call] >= current:
                self.courtesies[int(which)] += 1
            elif kind == "overdraft" and self.owed[Period.parse(which)]:
                self.owed[Period.parse(which)] -= 1
            else:
                courtesy += 1
        if courtesy:
            self.courtesies.append(courtesy)

    def allowance(self) -> int:
        return max(0, self.limit - sum(self.owed.values()))

    def free(self, holds: dict[str, dict[Period, int]], month: Period, allowance: int = 0) -> int:
        """How many more minutes of this month can be held, with `allowance` to overdraw or what is drawn anyway."""
        allowance = max(allowance, self.drawn(holds))
        count = 0
        while count < 200 and self._can_be_met(holds | {"more": {month: count + 1}}, allowance):
            count += 1
        return count

    def drawn(self, holds: dict[str, dict[Period, int]]) -> int:
        """How many minutes must be overdrawn to meet all these claims."""
        minutes = 0
        while not self._can_be_met(holds, minutes):
            minutes += 1
        return minutes

    def _can_be_met(self, holds: dict[str, dict[Period, int]], overdrawn: int) -> bool:
        """Give out a minute to every claim, the latest month first: it has the fewest pools to take from."""
        claims = [(since, minutes) for claims in holds.values() for since, minutes in claims.items()]
        pools, lasting = dict(self.pools), sum(self.courtesies) + sum(self.addons) + overdrawn
        for since, minutes in sorted(claims, reverse=True):
            for _ in range(minutes):
                usable = [pool for pool in pools if pool >= since and pools[pool] > 0]
                if usable:
                    pools[min(usable)] -= 1
                elif lasting:
                    lasting -= 1
                else:
                    return False
        return True

    def _places(self, call: str, month: Period) -> list[dict[Period, int]]:
        """Where the claims of an answered call may be: all in the month of its answer, or the earlier ones left."""
        claims = self.holds.get(call, {})
        earlier = sum(minutes for since, minutes in claims.items() if since < month)
        moved = {since: minutes for since, minutes in claims.items() if since >= month}
        if earlier:
            moved[month] = moved.get(month, 0) + earlier
        return [moved, dict(claims)]

    def _post_one(self, call: str, since: Period, month: Period) -> None:
        """R4, D9: the pools from this month on, then courtesy, then the oldest add-on, then overdraft."""
        source = self._take_one(since)
        if source is None:
            source = "overdraft", str(month)
            self.graced[call] = self.graced.get(call, 0) + (self.allowance() == 0)
            self.owed[month] = self.owed.get(month, 0) + 1
        self.posted[call].append(source)

    def _take_one(self, since: Period) -> Source | None:
        for pool in sorted(self.pools):
            if pool >= since and self.pools[pool] > 0:
                self.pools[pool] -= 1
                return "monthly", str(pool)
        for kind, packs in (("courtesy", self.courtesies), ("addon", self.addons)):
            for number, left in enumerate(packs):
                if left > 0:
                    packs[number] -= 1
                    return kind, str(number)
        return None
