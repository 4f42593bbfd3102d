"""A company's books read again on the specification: entry by entry, minute by minute (I7).

What was posted must be what the reference model posts for the same legs in the same order without any holds, and what
is left of every grant must be what the model has left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, select, text

from callcontrol.database import UtcDateTime
from callcontrol.domain.minutes import Period, period_of
from callcontrol.domain.reference import Model, Source
from callcontrol.engine.ports.minutes import Balance, Replay
from callcontrol.ledger.accounts import companies
from callcontrol.ledger.tables import adjustments

Stayed = dict[str, dict[Period, int]]
"""Leg -> the minutes it held at its settlement in months before its own (billing.md, Edges)."""

_AT_ONCE = 5_000
_ENTRIES = text(
    "SELECT e.seq, e.kind, e.minutes, e.grant_id, e.call_id, e.leg_id, e.operation_key, e.mirrors,"
    " g.kind AS grant_kind, g.period AS grant_period, l.period AS belongs_to, l.answered_at"
    " FROM entries e JOIN grants g ON g.id = e.grant_id LEFT JOIN legs l ON l.leg_id = e.leg_id"
    " WHERE e.company_id = :company AND e.seq > :after ORDER BY e.seq LIMIT :most"
).columns(answered_at=UtcDateTime)
_STORED = text("SELECT id, kind, period, granted, posted FROM grants WHERE company_id = :company ORDER BY id")
_REFUNDED_IN = select(adjustments.c.operation_key, adjustments.c.period).where(
    adjustments.c.company_id == bindparam("company")
)
_REFUNDED_LEGS = text("SELECT DISTINCT leg_id FROM entries WHERE company_id = :company AND mirrors IS NOT NULL")
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
    reader = _Reader(zone, refunded, refunded_in, stayed_claims(connection) if stayed is None else stayed)
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

    def __init__(self, zone: ZoneInfo, refunded: set[str], refunded_in: dict[str, Period], stayed: Stayed) -> None:
        self._zone = zone
        self._refunded = refunded
        self._refunded_in = refunded_in
        self._stayed = stayed
        self._model = Model(zone)
        self._sources: dict[int, Source] = {}
        self._owed: Counter[Source] = Counter()
        self._of_line: dict[int, Source] = {}
        """Of the lines that others mirror: where each took its minutes from."""
        self._entries = 0
        self._calls = 0
        self._differences: list[str] = []

    def read(self, lines: list[Any]) -> None:
        """All lines of one operation."""
        self._entries += len(lines)
        first = lines[0]
        if first.mirrors is not None:
            self._read_refund(lines)
        elif first.leg_id is not None:
            self._read_settlement(lines)
        else:
            for line in lines:
                self._read_grant(line)

    def compare(self, stored: Iterable[Any]) -> Replay:
        left = self._left()
        balances = []
        for grant in stored:
            source = self._sources.get(grant.id)
            name = f"{grant.kind} {grant.period}, grant {grant.id}"
            owed = grant.kind == "overdraft"
            is_left = grant.posted if owed else grant.granted - grant.posted
            rebuilt = 0 if source is None else (self._owed if owed else left)[source]
            balances.append(Balance(name, rebuilt, is_left))
            if rebuilt != is_left:
                word = "owed" if owed else "left"
                self._differences.append(f"{name}: {rebuilt} minutes {word} by the entries, {is_left} stored")
        return Replay(self._entries, self._calls, tuple(balances), tuple(self._differences))

    def give_up(self, line: Any) -> Replay:
        """Lines are missing or say what no operation of ours can: nothing after them means anything."""
        self._differences.append(f"entry {line.seq} ({line.operation_key}) cannot follow from the ones before it")
        return Replay(self._entries, self._calls, (), tuple(self._differences))

    def _read_grant(self, line: Any) -> None:
        model, month = self._model, Period.parse(line.grant_period)
        if line.grant_kind == "monthly":
            self._sources[line.grant_id] = "monthly", str(month)
            model.pools[month] = model.pools.get(month, 0) + line.minutes
        else:
            self._sources[line.grant_id] = "addon", str(len(model.addons))
            model.addons.append(line.minutes)

    def _read_settlement(self, lines: list[Any]) -> None:
        leg, month = lines[0].leg_id, self._month_of(lines[0])
        taken: Counter[Source] = Counter()
        for line in lines:
            if line.grant_kind == "overdraft":
                self._sources[line.grant_id] = "overdraft", line.grant_period
            if line.kind == "post":
                self._of_line[line.seq] = self._sources[line.grant_id]
                taken[self._sources[line.grant_id]] += line.minutes
        self._calls += 1
        self._model.bill(leg, taken.total(), month, self._stayed.get(leg, {}))
        expected = Counter(self._model.posted[leg])
        if taken != expected:
            self._differences.append(f"{lines[0].call_id}: posted {_words(taken)}, by the model {_words(expected)}")
            self._adopt(expected - taken, taken - expected)
            self._model.posted[leg] = list(taken.elements())
        if leg not in self._refunded:
            # A million calls are read one after the other, not kept.
            del self._model.posted[leg], self._model.belongs_to[leg]
            for line in lines:
                self._of_line.pop(line.seq, None)
        self._owed.update({source: minutes for source, minutes in taken.items() if source[0] == "overdraft"})

    def _read_refund(self, lines: list[Any]) -> None:
        model, first = self._model, lines[0]
        before = self._left()
        leg, minutes = first.leg_id, sum(line.minutes for line in lines)
        given: Counter[Source] = Counter()
        for line in lines:
            source = self._of_line[line.mirrors]
            if line.kind == "courtesy":
                source = self._sources[line.grant_id] = "courtesy", str(len(model.courtesies))
            given[source] += line.minutes
            if source[0] == "overdraft":
                self._owed[source] -= line.minutes
        was_owed = Counter(source for source in model.posted[leg] if source[0] == "overdraft")
        model.refund(leg, minutes, self._refunded_in[first.operation_key])
        expected = self._left() - before
        expected += was_owed - Counter(source for source in model.posted[leg] if source[0] == "overdraft")
        if given != expected:
            words = f"refunded to {_words(given)}, by the model {_words(expected)}"
            self._differences.append(f"{first.call_id}: {words}")
            self._adopt(given - expected, expected - given)

    def _adopt(self, more: Counter[Source], fewer: Counter[Source]) -> None:
        """Go on from what is stored, so that a difference is told once."""
        for source, minutes in more.items():
            self._change(source, minutes)
        for source, minutes in fewer.items():
            self._change(source, -minutes)

    def _change(self, source: Source, minutes: int) -> None:
        kind, which = source
        model = self._model
        if kind == "monthly":
            model.pools[Period.parse(which)] += minutes
        elif kind in ("addon", "courtesy"):
            packs = model.addons if kind == "addon" else model.courtesies
            packs.extend([0] * (int(which) + 1 - len(packs)))
            packs[int(which)] += minutes

    def _left(self) -> Counter[Source]:
        model = self._model
        left: Counter[Source] = Counter({("monthly", str(month)): minutes for month, minutes in model.pools.items()})
        left.update({("addon", str(number)): minutes for number, minutes in enumerate(model.addons)})
        left.update({("courtesy", str(number)): minutes for number, minutes in enumerate(model.courtesies)})
        return left

    def _month_of(self, line: Any) -> Period:
        if line.belongs_to is not None:
            return Period.parse(line.belongs_to)
        # Settled before the month was stored.
        return period_of(line.answered_at, self._zone)


def _words(minutes: Counter[Source]) -> str:
    told = [f"{count} {kind} {which}" for (kind, which), count in sorted(minutes.items()) if count]
    return ", ".join(told) or "nothing"
