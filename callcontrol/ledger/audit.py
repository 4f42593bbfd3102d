"""The ledger's invariants, checked on what is stored: every counter is rebuilt from what is append-only.

Numbers are those of the rule book (I1-I9). Each finding is one line that names its invariant and where it is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, text

from callcontrol.domain.causes import Reason
from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.holds import shortfall
from callcontrol.domain.minutes import Period, Seconds, billed_minutes

_GRANTS = text(
    "SELECT g.id, g.company_id, g.kind, g.period, g.granted, g.posted,"
    " coalesce(sum(CASE WHEN e.kind NOT IN ('post', 'refund') THEN e.minutes END), 0) AS entered,"
    " coalesce(sum(CASE e.kind WHEN 'post' THEN e.minutes WHEN 'refund' THEN -e.minutes END), 0) AS taken"
    " FROM grants g LEFT JOIN entries e ON e.grant_id = g.id AND e.company_id = g.company_id"
    " GROUP BY g.id, g.company_id, g.kind, g.period, g.granted, g.posted ORDER BY g.id"
)
_ACCOUNTS = text(
    "SELECT a.company_id, a.held, a.next_seq, a.renewed_through,"
    " (SELECT coalesce(sum(h.minutes), 0) FROM holds h WHERE h.company_id = a.company_id) AS open,"
    " (SELECT count(*) FROM entries e WHERE e.company_id = a.company_id) AS entries,"
    " (SELECT coalesce(max(e.seq), 0) FROM entries e WHERE e.company_id = a.company_id) AS last_seq"
    " FROM accounts a ORDER BY a.company_id"
)
_HOLDS = text("SELECT company_id, period, sum(minutes) AS minutes FROM holds GROUP BY company_id, period")
_TRAIL = text(
    "SELECT t.leg_id, t.period, sum(t.minutes) AS traced, coalesce(max(h.minutes), 0) AS held"
    " FROM hold_trail t LEFT JOIN holds h ON h.leg_id = t.leg_id AND h.period = t.period"
    " GROUP BY t.leg_id, t.period HAVING sum(t.minutes) <> coalesce(max(h.minutes), 0)"
    " UNION ALL"
    " SELECT h.leg_id, h.period, 0, h.minutes FROM holds h"
    " WHERE NOT EXISTS (SELECT 1 FROM hold_trail t WHERE t.leg_id = h.leg_id AND t.period = h.period)"
)
# Moving a claim at settlement adds and takes the same: what is left is what was released, negative.
_BEYOND = text(
    "SELECT c.company_id, l.billed_minutes AS billed,"
    " coalesce((SELECT -sum(t.minutes) FROM hold_trail t"
    " WHERE t.leg_id = l.leg_id AND t.operation_key = 'post:' || l.leg_id), 0) AS held"
    " FROM legs l JOIN calls c ON c.call_id = l.call_id WHERE l.outcome = 'posted'"
)
_LEGS = text(
    "SELECT l.leg_id, l.outcome, l.billsec, l.billed_minutes, l.answered_at, c.billable, c.reason, c.disposition,"
    " (SELECT count(*) FROM operations o WHERE o.key IN ('post:' || l.leg_id, 'void:' || l.leg_id)) AS settled,"
    " (SELECT count(*) FROM holds h WHERE h.leg_id = l.leg_id) AS open,"
    " (SELECT coalesce(sum(e.minutes), 0) FROM entries e"
    " WHERE e.leg_id = l.leg_id AND e.kind = 'post') AS posted"
    " FROM legs l JOIN calls c ON c.call_id = l.call_id ORDER BY l.leg_id"
)
_CALLS = text(
    "SELECT c.call_id, c.billed_minutes AS billed,"
    " (SELECT coalesce(sum(l.billed_minutes), 0) FROM legs l WHERE l.call_id = c.call_id) AS by_legs,"
    " (SELECT coalesce(sum(e.minutes), 0) FROM entries e WHERE e.call_id = c.call_id AND e.kind = 'post') AS posted"
    " FROM calls c ORDER BY c.call_id"
)


def audit(connection: Connection) -> list[str]:
    """What is wrong with the books; an empty list: nothing. Read in one transaction."""
    return [
        *_audit_grants(connection),
        *_audit_accounts(connection),
        *_audit_holds(connection),
        *_audit_legs(connection),
        *_audit_calls(connection),
    ]


def _audit_grants(connection: Connection) -> Iterator[str]:
    months: dict[int, list[Period]] = {}
    for grant in connection.execute(_GRANTS):
        name = f"grant {grant.id} ({grant.kind} {grant.period}) of company {grant.company_id}"
        if not 0 <= grant.posted <= grant.granted:
            yield f"I1: {name}: {grant.posted} of {grant.granted} posted"
        if grant.granted != grant.entered:
            yield f"I2: {name}: granted {grant.granted}, by its entries {grant.entered}"
        if grant.posted != grant.taken:
            yield f"I2: {name}: posted {grant.posted}, by its entries {grant.taken}"
        if grant.kind == GrantKind.MONTHLY:
            months.setdefault(grant.company_id, []).append(Period.parse(grant.period))
    for company_id, periods in months.items():
        ordered = sorted(periods)
        for earlier, later in pairwise(ordered):
            if earlier.next() != later:
                yield f"I8: company {company_id}: monthly grants of {earlier} and then {later}"


def _audit_accounts(connection: Connection) -> Iterator[str]:
    for account in connection.execute(_ACCOUNTS):
        name = f"company {account.company_id}"
        if account.held != account.open:
            yield f"I3: {name}: {account.held} minutes held, by its open holds {account.open}"
        if not account.entries == account.last_seq == account.next_seq - 1:
            yield f"I6: {name}: {account.entries} entries, the last is {account.last_seq}, next {account.next_seq}"


def _audit_holds(connection: Connection) -> Iterator[str]:
    for hold in connection.execute(_TRAIL):
        yield f"I3: leg {hold.leg_id} holds {hold.held} minutes of {hold.period}, by its trail {hold.traced}"
    claims: dict[int, dict[Period, int]] = {}
    for hold in connection.execute(_HOLDS):
        claims.setdefault(hold.company_id, {})[Period.parse(hold.period)] = hold.minutes
    beyond: dict[int, int] = {}
    for leg in connection.execute(_BEYOND):
        beyond[leg.company_id] = beyond.get(leg.company_id, 0) + max(0, leg.billed - leg.held)
    grants: dict[int, list[Grant]] = {}
    for row in connection.execute(_GRANTS):
        grant = Grant(row.id, GrantKind(row.kind), Period.parse(row.period), row.granted - row.posted)
        grants.setdefault(row.company_id, []).append(grant)
    for company_id, by_month in claims.items():
        # What was talked beyond a hold may have used what others had claimed: D5's grace, and nothing else.
        unmet = shortfall(by_month, grants.get(company_id, []))
        if unmet > beyond.get(company_id, 0):
            yield f"I3: company {company_id}: {unmet} minutes of open holds cannot be met"


def _audit_legs(connection: Connection) -> Iterator[str]:
    for leg in connection.execute(_LEGS):
        if leg.settled != (leg.outcome is not None):
            yield f"I4: leg {leg.leg_id}: settled {leg.settled} times, outcome {leg.outcome}"
        if leg.outcome is not None and leg.open:
            yield f"I3: leg {leg.leg_id} is settled and still holds"
        if leg.billed_minutes != leg.posted:
            yield f"I5: leg {leg.leg_id}: billed {leg.billed_minutes}, posted {leg.posted}"
        if leg.outcome is not None:
            yield from _audit_rounding(leg)


def _audit_rounding(leg: Any) -> Iterator[str]:
    """I9: R7 for every leg, capped only where we cut for exhaustion."""
    due = billed_minutes(Seconds(leg.billsec)) if leg.answered_at is not None and leg.billable else 0
    cut = leg.reason == Reason.POOL_EXHAUSTED
    if leg.billed_minutes != due and not (cut and leg.billed_minutes < due):
        yield f"I9: leg {leg.leg_id}: {leg.billsec} s billed as {leg.billed_minutes} minutes"


def _audit_calls(connection: Connection) -> Iterator[str]:
    for call in connection.execute(_CALLS):
        if not call.billed == call.by_legs == call.posted:
            yield f"I5: call {call.call_id}: billed {call.billed}, its legs {call.by_legs}, posted {call.posted}"
