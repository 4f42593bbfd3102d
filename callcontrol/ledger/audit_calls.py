"""The invariants of calls: settled once (I4), billed what was posted (I5) and by the rule (I9), nobody holds who may
not (I10) or is gone (I11), reports say what the ledger says (I12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from callcontrol.database import UtcDateTime
from callcontrol.domain.causes import Reason
from callcontrol.domain.rights import Role
from callcontrol.engine.ports.minutes import LiveCalls
from callcontrol.ledger.reports import USAGE

_SETTLES_WITHIN = timedelta(minutes=1)
"""A call so young may begin or end between the daemon's knowledge and the ledger's."""
_LONGEST_RECOVERY = timedelta(hours=2)
"""Beyond the longest call: ringing, the grace of Asterisk's own limit (D5), a daemon that was down for a while."""
_LONGEST_CALL_S = 24 * 3600
"""Of a call without terms of its own."""

ENTERED = (
    "CASE WHEN kind IN ('grant', 'raise', 'overdraft', 'grace', 'courtesy') THEN minutes"
    " WHEN kind = 'withdraw' THEN -minutes ELSE 0 END"
)
"""What an entry adds to its grant, in SQL."""
TAKEN = "CASE WHEN kind IN ('post', 'repay') THEN minutes WHEN kind = 'refund' THEN -minutes ELSE 0 END"
"""What an entry takes of it."""

# R7 and its cap in the database's words (whole seconds, rounded up): `due`.
_LEGS = text(
    "SELECT * FROM (SELECT l.leg_id, l.outcome, l.billsec, l.billed_minutes, c.reason,"
    "  (SELECT count(*) FROM operations o WHERE o.key IN ('post:' || l.leg_id, 'void:' || l.leg_id)) AS settled,"
    "  (SELECT count(*) FROM holds h WHERE h.leg_id = l.leg_id) AS open,"
    "  (SELECT coalesce(sum(e.minutes), 0) FROM entries e"
    "   WHERE e.call_id = l.call_id AND e.leg_id = l.leg_id AND e.kind = 'post') AS posted,"
    "  CASE WHEN l.answered_at IS NULL OR NOT c.billable THEN 0"
    "   WHEN l.billsec < 1 THEN 1 ELSE (l.billsec + 59) / 60 END AS due,"
    "  c.reason = :exhausted AS cut"
    "  FROM legs l JOIN calls c ON c.call_id = l.call_id"
    "  WHERE CAST(:company AS INTEGER) IS NULL OR c.company_id = :company) legs"
    " WHERE settled <> CASE WHEN outcome IS NULL THEN 0 ELSE 1 END OR (outcome IS NOT NULL AND open > 0)"
    " OR billed_minutes <> posted"
    " OR (outcome IS NOT NULL AND billed_minutes <> due AND NOT (cut AND billed_minutes < due)) ORDER BY leg_id"
)
_CALLS = text(
    "SELECT * FROM (SELECT c.call_id, c.billed_minutes AS billed, c.refunded_minutes AS refunded,"
    "  (SELECT coalesce(sum(l.billed_minutes), 0) FROM legs l WHERE l.call_id = c.call_id) AS by_legs,"
    "  (SELECT coalesce(sum(e.minutes), 0) FROM entries e WHERE e.call_id = c.call_id AND e.kind = 'post') AS posted,"
    "  (SELECT coalesce(sum(e.minutes), 0) FROM entries e"
    "   WHERE e.call_id = c.call_id AND e.mirrors IS NOT NULL) AS mirrored"
    "  FROM calls c WHERE CAST(:company AS INTEGER) IS NULL OR c.company_id = :company) calls"
    " WHERE billed <> by_legs OR billed <> posted OR refunded <> mirrored ORDER BY call_id"
)
# The few mirrors first: joined as they are, the database would look for them once for each entry.
_MIRRORS = text(
    "SELECT e.company_id, e.seq, e.minutes, m.mirrored"
    " FROM (SELECT company_id, mirrors, sum(minutes) AS mirrored FROM entries WHERE mirrors IS NOT NULL"
    "  AND (CAST(:company AS INTEGER) IS NULL OR company_id = :company) GROUP BY company_id, mirrors) m"
    " JOIN entries e ON e.company_id = m.company_id AND e.seq = m.mirrors"
    " WHERE m.mirrored > e.minutes OR e.kind NOT IN ('post', 'grant', 'raise')"
)
# The role is today's: one that was changed during a call is told as long as the call lasts.
_FOLLOW_UP = text(
    "SELECT h.leg_id, h.minutes FROM holds h JOIN legs l ON l.leg_id = h.leg_id JOIN calls c ON c.call_id = l.call_id"
    " JOIN users u ON u.id = c.user_id"
    " WHERE u.role = :role AND (CAST(:company AS INTEGER) IS NULL OR h.company_id = :company)"
)
_HELD = text(
    "SELECT h.leg_id, h.minutes, c.call_id, c.node, c.started_at, c.max_call_s FROM holds h"
    " JOIN legs l ON l.leg_id = h.leg_id JOIN calls c ON c.call_id = l.call_id"
    " WHERE CAST(:company AS INTEGER) IS NULL OR h.company_id = :company"
).columns(started_at=UtcDateTime)
_LISTED = text(
    "SELECT call_id FROM calls WHERE listed_at <> coalesce(answered_at, started_at)"
    " AND (CAST(:company AS INTEGER) IS NULL OR company_id = :company)"
)
_TOTALS = text(
    "SELECT c.company_id, sum(c.billed_minutes - c.refunded_minutes) AS reported,"
    " (SELECT coalesce(sum(CASE WHEN e.kind = 'post' THEN e.minutes"
    "   WHEN e.kind IN ('refund', 'courtesy') THEN -e.minutes ELSE 0 END), 0)"
    "  FROM entries e WHERE e.company_id = c.company_id) AS entered"
    " FROM calls c WHERE c.company_id IS NOT NULL AND (CAST(:company AS INTEGER) IS NULL OR c.company_id = :company)"
    " GROUP BY c.company_id"
)
_POOLS = text(
    f"SELECT e.company_id, g.period, sum({ENTERED}) AS granted, sum({TAKEN}) AS posted"
    " FROM (SELECT company_id, grant_id, kind, minutes FROM entries) e"
    " JOIN (SELECT id, period FROM grants WHERE kind = 'monthly') g ON g.id = e.grant_id"
    " WHERE (CAST(:company AS INTEGER) IS NULL OR e.company_id = :company)"
    " GROUP BY e.company_id, g.period"
)
Scope = dict[str, int | None]


def audit_calls(connection: Connection, scope: Scope, at: datetime | None, live: LiveCalls | None) -> Iterator[str]:
    """What is wrong with calls, their legs and their holds: one line each."""
    yield from _audit_legs(connection, scope)
    for call in connection.execute(_CALLS, scope):
        yield (
            f"I5: call {call.call_id}: billed {call.billed}, its legs {call.by_legs}, posted {call.posted};"
            f" refunded {call.refunded}, mirrored {call.mirrored}"
        )
    for line in connection.execute(_MIRRORS, scope):
        yield f"I5: entry {line.seq} of company {line.company_id}: {line.minutes} minutes, {line.mirrored} mirrored"
    for hold in connection.execute(_FOLLOW_UP, {**scope, "role": Role.FOLLOW_UP_MANAGER.value}):
        yield f"I10: leg {hold.leg_id} of a follow-up manager holds {hold.minutes} minutes"
    if at is not None:
        yield from _audit_presence(connection, scope, at, live)
    yield from _audit_reports(connection, scope)


def _audit_legs(connection: Connection, scope: Scope) -> Iterator[str]:
    for leg in connection.execute(_LEGS, {**scope, "exhausted": Reason.POOL_EXHAUSTED.value}):
        if leg.settled != (leg.outcome is not None):
            yield f"I4: leg {leg.leg_id}: settled {leg.settled} times, outcome {leg.outcome}"
        if leg.outcome is not None and leg.open:
            yield f"I3: leg {leg.leg_id} is settled and still holds"
        if leg.billed_minutes != leg.posted:
            yield f"I5: leg {leg.leg_id}: billed {leg.billed_minutes}, posted {leg.posted}"
        if leg.outcome is not None and leg.billed_minutes != leg.due and not (leg.cut and leg.billed_minutes < leg.due):
            yield f"I9: leg {leg.leg_id}: {leg.billsec} s billed as {leg.billed_minutes} minutes, R7 says {leg.due}"


def _audit_presence(connection: Connection, scope: Scope, at: datetime, live: LiveCalls | None) -> Iterator[str]:
    """I11: who holds is alive, or within the time that recovery may take."""
    for hold in connection.execute(_HELD, scope):
        limit = timedelta(seconds=hold.max_call_s or _LONGEST_CALL_S) + _LONGEST_RECOVERY
        gone = (
            live is not None
            and hold.node == live.node
            and hold.call_id not in live.call_ids
            and hold.started_at < live.at - _SETTLES_WITHIN
        )
        if gone or hold.started_at < at - limit:
            why = "its call is not there any more" if gone else "no call is that long"
            since = f"{hold.started_at:%Y-%m-%d %H:%M} UTC"
            yield f"I11: leg {hold.leg_id} holds {hold.minutes} minutes since {since}: {why}"


def _audit_reports(connection: Connection, scope: Scope) -> Iterator[str]:
    """I12: each total on its own axis, calls by the day of R8, pools by grant."""
    for call in connection.execute(_LISTED, scope):
        yield f"I12: call {call.call_id} is not listed by its answer, or else its start"
    for total in connection.execute(_TOTALS, scope):
        if total.reported != total.entered:
            name = f"company {total.company_id}"
            yield f"I12: {name}: {total.reported} minutes by its calls, {total.entered} by its entries"
    for pool in connection.execute(_POOLS, scope).all():
        shown = connection.execute(USAGE, {"company": pool.company_id, "month": pool.period}).one()
        if (shown.monthly_granted, shown.monthly_posted) != (pool.granted, pool.posted):
            yield (
                f"I12: company {pool.company_id}: its usage of {pool.period} shows {shown.monthly_posted} of"
                f" {shown.monthly_granted}, its entries say {pool.posted} of {pool.granted}"
            )
