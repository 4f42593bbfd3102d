"""A company's books read again on the specification: entry by entry, minute by minute (I7).

What was posted must be what the reference model posts for the same legs in the same order without any holds, and what
is left of every grant must be what the model has left.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, select, text

from callcontrol.database import UtcDateTime
from callcontrol.domain.minutes import Period, period_of
from callcontrol.domain.reference import Model, Source, Stock
from callcontrol.engine.ports.minutes import Balance, Replay
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.tables import adjustments, policy_versions

Stayed = dict[str, dict[Period, int]]
"""Leg -> the minutes it held at its settlement in months before its own (billing.md, Edges)."""

Change = dict[Source, int]
"""Minutes more (or fewer, negative) that are left of each source; of an overdraft, that are owed."""

_AT_ONCE = 5_000
_ENTRIES = text(
    "SELECT e.seq, e.kind, e.minutes, e.grant_id, e.call_id, e.leg_id, e.operation_key, e.mirrors,"
    " g.kind AS grant_kind, g.period AS grant_period, l.period AS belongs_to, l.answered_at"
    " FROM entries e JOIN grants g ON g.id = e.grant_id LEFT JOIN legs l ON l.leg_id = e.leg_id"
    " WHERE e.company_id = :company AND e.seq > :after ORDER BY e.seq LIMIT :most"
).columns(answered_at=UtcDateTime)
_STORED = text("SELECT id, kind, period, granted, posted, repaid FROM grants WHERE company_id = :company ORDER BY id")
_REFUNDED_IN = select(adjustments.c.operation_key, adjustments.c.period).where(
    adjustments.c.company_id == bindparam("company")
)
_REFUNDED_LEGS = text(
    "SELECT DISTINCT leg_id FROM entries WHERE company_id = :company AND mirrors IS NOT NULL AND leg_id IS NOT NULL"
)
_LIMITS = (
    select(policy_versions.c.from_seq, policy_versions.c.limit_minutes)
    .where(policy_versions.c.company_id == bindparam("company"))
    .order_by(policy_versions.c.id)
)
_TIME_ZONE = select(companies.c.time_zone).where(companies.c.id == bindparam("company"))
_STAYED = text(
    "SELECT t.leg_id, t.period, -sum(t.minutes) AS held FROM hold_trail t JOIN legs l ON l.leg_id = t.leg_id"
    " WHERE t.operation_key = 'post:' || t.leg_id AND t.period < l.period"
    " AND NOT EXISTS (SELECT 1 FROM hold_trail moved WHERE moved.leg_id = t.leg_id"
    "  AND moved.operation_key = t.operation_key AND moved.minutes > 0)"
    " GROUP BY t.leg_id, t.period"
)


def stayed_claims(connection: Connection) -> Stayed:
    """Of all companies: they are few, and finding them reads the whole trail."""
    stayed: Stayed = {}
    for row in connection.execute(_STAYED):
        stayed.setdefault(row.leg_id, {})[Period.parse(row.period)] = row.held
    return stayed


def replay(connection: Connection, company_id: int, stayed: Stayed | None = None) -> Replay:
    """Read all entries of a company again and compare: what each settlement took, and what is left in the end."""
    zone = ZoneInfo(connection.execute(_TIME_ZONE, {"company": company_id}).scalar_one())
    refunded_in = {
        row.operation_key: Period.parse(row.period) for row in connection.execute(_REFUNDED_IN, {"company": company_id})
    }
    refunded = {row.leg_id for row in connection.execute(_REFUNDED_LEGS, {"company": company_id})}
    limits = [(row.from_seq, row.limit_minutes) for row in connection.execute(_LIMITS, {"company": company_id})]
    reader = _Reader(zone, refunded, refunded_in, stayed_claims(connection) if stayed is None else stayed, limits)
    for _, lines in groupby(_entries(connection, company_id), key=lambda entry: entry.operation_key):
        operation = list(lines)
        try:
            reader.read(operation)
        except (LookupError, ValueError):
            return reader.give_up(operation[0])
    stored = connection.execute(_STORED, {"company": company_id}).all()
    return reader.compare(stored)


def _entries(connection: Connection, company_id: int) -> Iterator[Any]:
    after = 0
    while rows := connection.execute(_ENTRIES, {"company": company_id, "after": after, "most": _AT_ONCE}).all():
        yield from rows
        after = rows[-1].seq


class _Reader:
    """The model, and which of its sources each stored grant is."""

    def __init__(
        self,
        zone: ZoneInfo,
        refunded: set[str],
        refunded_in: dict[str, Period],
        stayed: Stayed,
        limits: list[tuple[int, int]],
    ) -> None:
        self._zone = zone
        self._refunded = refunded
        self._refunded_in = refunded_in
        self._stayed = stayed
        self._limits = deque(limits)
        """Of the policies still to come: from which entry on, and how much may be overdrawn (D4)."""
        self._model = Model(zone)
        self._sources: dict[int, Source] = {}
        self._of_line: dict[int, Source] = {}
        """Of the lines that others mirror: where each took its minutes from."""
        self._entries = 0
        self._calls = 0
        self._differences: list[str] = []

    def read(self, lines: list[Any]) -> None:
        """All lines of one operation."""
        self._entries += len(lines)
        first = lines[0]
        while self._limits and self._limits[0][0] <= first.seq:
            self._model.limit = self._limits.popleft()[1]
        if first.leg_id is None:
            self._read_order(lines)
        elif first.mirrors is None:
            self._read_settlement(lines)
        else:
            self._read_refund(lines)

    def compare(self, stored: Iterable[Any]) -> Replay:
        left = self._left()
        balances = []
        for grant in stored:
            source = self._sources.get(grant.id)
            name = f"{grant.kind} {grant.period}, grant {grant.id}"
            owed = grant.kind == "overdraft"
            is_left = grant.posted - grant.repaid if owed else grant.granted - grant.posted
            rebuilt = 0 if source is None else left.get(source, 0)
            balances.append(Balance(name, rebuilt, is_left))
            if rebuilt != is_left:
                word = "owed" if owed else "left"
                self._differences.append(f"{name}: {rebuilt} minutes {word} by the entries, {is_left} stored")
        return Replay(self._entries, self._calls, tuple(balances), tuple(self._differences))

    def give_up(self, line: Any) -> Replay:
        """Lines are missing or say what no operation of ours can: nothing after them means anything."""
        self._differences.append(f"entry {line.seq} ({line.operation_key}) cannot follow from the ones before it")
        return Replay(self._entries, self._calls, (), tuple(self._differences))

    def _read_order(self, lines: list[Any]) -> None:
        """What was contracted, given or corrected; an add-on may pay back what is owed."""
        model, before = self._model, self._left()
        changes: Change = {}
        for line in lines:
            if line.kind in ("grant", "raise"):
                self._grant(line)
            source = self._sources[line.grant_id]
            if line.kind == "withdraw":
                model.withdraw(*self._stock(source), line.minutes)
            taken = line.kind in ("withdraw", "repay", "repaid")
            changes[source] = changes.get(source, 0) + (-line.minutes if taken else line.minutes)
        self._compare(lines[0].operation_key, changes, _change(before, self._left()))

    def _grant(self, line: Any) -> None:
        model, month = self._model, Period.parse(line.grant_period)
        if line.grant_kind == "monthly":
            self._sources[line.grant_id] = "monthly", str(month)
            model.pools[month] = model.pools.get(month, 0) + line.minutes
        elif line.grant_kind == "addon":
            self._sources[line.grant_id] = "addon", str(len(model.addons))
            model.add_addon(line.minutes)
        else:
            self._sources[line.grant_id] = "courtesy", str(len(model.courtesies))
            model.courtesies.append(line.minutes)

    def _read_settlement(self, lines: list[Any]) -> None:
        model, leg, month = self._model, lines[0].leg_id, self._month_of(lines[0])
        taken: Counter[Source] = Counter()
        graced = 0
        for line in lines:
            if line.grant_kind == "overdraft":
                self._sources[line.grant_id] = "overdraft", line.grant_period
            if line.kind == "grace":
                graced += line.minutes
            if line.kind == "post":
                self._of_line[line.seq] = self._sources[line.grant_id]
                taken[self._sources[line.grant_id]] += line.minutes
        self._calls += 1
        model.bill(leg, taken.total(), month, self._stayed.get(leg, {}))
        expected = Counter(model.posted[leg])
        if taken != expected:
            self._differences.append(f"{lines[0].call_id}: posted {_words(taken)}, by the model {_words(expected)}")
            self._adopt(_spent(taken), _spent(expected))
            model.posted[leg] = list(taken.elements())
        by_model = model.graced.pop(leg, 0)
        if graced != by_model:
            self._differences.append(f"{lines[0].call_id}: {graced} minutes marked grace, by the model {by_model}")
        if leg not in self._refunded:
            # A million calls are read one after the other, not kept.
            del model.posted[leg], model.belongs_to[leg]
            for line in lines:
                self._of_line.pop(line.seq, None)

    def _read_refund(self, lines: list[Any]) -> None:
        model, first = self._model, lines[0]
        before = self._left()
        changes: Change = {}
        for line in lines:
            source = self._of_line[line.mirrors]
            if line.kind == "courtesy":
                source = self._sources[line.grant_id] = "courtesy", str(len(model.courtesies))
            back = -line.minutes if source[0] == "overdraft" else line.minutes
            changes[source] = changes.get(source, 0) + back
        model.refund(first.leg_id, sum(line.minutes for line in lines), self._refunded_in[first.operation_key])
        self._compare(first.call_id, changes, _change(before, self._left()))

    def _compare(self, what: str, changes: Change, expected: Change) -> None:
        changes = {source: minutes for source, minutes in changes.items() if minutes}
        if changes != expected:
            self._differences.append(f"{what}: changed {_words(changes)}, by the model {_words(expected)}")
            self._adopt(changes, expected)

    def _adopt(self, changes: Change, expected: Change) -> None:
        """Go on from what is stored, so that a difference is told once."""
        for source, minutes in _change(expected, changes).items():
            stock, which = self._stock(source)
            if isinstance(stock, list):
                stock.extend([0] * (which + 1 - len(stock)))
                stock[which] += minutes
            else:
                stock[which] = stock.get(which, 0) + minutes

    def _stock(self, source: Source) -> tuple[Stock, Any]:
        """Where the model keeps it."""
        kind, which = source
        model = self._model
        if kind in ("monthly", "overdraft"):
            return (model.pools if kind == "monthly" else model.owed), Period.parse(which)
        return (model.addons if kind == "addon" else model.courtesies), int(which)

    def _left(self) -> Change:
        model = self._model
        return {
            **{("monthly", str(month)): minutes for month, minutes in model.pools.items()},
            **{("overdraft", str(month)): minutes for month, minutes in model.owed.items()},
            **{("addon", str(number)): minutes for number, minutes in enumerate(model.addons)},
            **{("courtesy", str(number)): minutes for number, minutes in enumerate(model.courtesies)},
        }

    def _month_of(self, line: Any) -> Period:
        if line.belongs_to is not None:
            return Period.parse(line.belongs_to)
        # Settled before the month was stored.
        return period_of(line.answered_at, self._zone)


def _change(before: Change, after: Change) -> Change:
    changes = {source: after.get(source, 0) - before.get(source, 0) for source in {**before, **after}}
    return {source: minutes for source, minutes in changes.items() if minutes}


def _spent(taken: Counter[Source]) -> Change:
    """What a call's minutes change: fewer are left, or more are owed."""
    return {source: minutes if source[0] == "overdraft" else -minutes for source, minutes in taken.items()}


def _words(minutes: Mapping[Source, int]) -> str:
    told = [f"{count} {kind} {which}" for (kind, which), count in sorted(minutes.items()) if count]
    return ", ".join(told) or "nothing"
