"""The ledger's invariants, checked on what is stored: every counter is rebuilt from what is append-only.

Numbers are those of the rule book (I1-I12). Each finding is one line that names its invariant and where it is broken.
Here are those of grants, accounts and holds; `audit_calls` and `audit_totals` have those of calls, `replay` compares
with the specification (I7). Queries return what is wrong, so that a million calls are not read into Python; but for I7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection, text

from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.holds import shortfall
from callcontrol.domain.minutes import Period
from callcontrol.domain.overdraft import allowance
from callcontrol.engine.ports.minutes import LiveCalls
from callcontrol.ledger.audit_calls import ENTERED, TAKEN, audit_calls
from callcontrol.ledger.audit_totals import audit_totals
from callcontrol.ledger.replay import replay, stayed_claims

_GRANTS = text(
    "SELECT g.id, g.company_id, g.kind, g.period, g.granted, g.posted, g.repaid,"
    " coalesce(e.entered, 0) AS entered, coalesce(e.taken, 0) AS taken, coalesce(e.paid, 0) AS paid"
    " FROM grants g LEFT JOIN (SELECT company_id, grant_id,"
    f" sum({ENTERED}) AS entered, sum({TAKEN}) AS taken, sum(CASE kind WHEN 'repaid' THEN minutes ELSE 0 END) AS paid"
    "  FROM entries GROUP BY company_id, grant_id) e ON e.grant_id = g.id AND e.company_id = g.company_id"
    " WHERE CAST(:company AS INTEGER) IS NULL OR g.company_id = :company ORDER BY g.id"
)
_ACCOUNTS = text(
    "SELECT a.company_id, a.held, a.next_seq, a.overdrawn, a.overdraft_limit,"
    " (SELECT coalesce(sum(g.posted - g.repaid), 0) FROM grants g"
    "  WHERE g.company_id = a.company_id AND g.kind = 'overdraft') AS owed,"
    " coalesce((SELECT p.limit_minutes FROM policy_versions p WHERE p.company_id = a.company_id"
    "  ORDER BY p.id DESC LIMIT 1), 0) AS ordered_limit,"
    " (SELECT coalesce(sum(h.minutes), 0) FROM holds h WHERE h.company_id = a.company_id) AS open,"
    " (SELECT count(*) FROM entries e WHERE e.company_id = a.company_id) AS entries,"
    " (SELECT coalesce(max(e.seq), 0) FROM entries e WHERE e.company_id = a.company_id) AS last_seq"
    " FROM accounts a WHERE CAST(:company AS INTEGER) IS NULL OR a.company_id = :company ORDER BY a.company_id"
)
_HOLDS = text(
    "SELECT company_id, period, sum(minutes) AS minutes FROM holds"
    " WHERE CAST(:company AS INTEGER) IS NULL OR company_id = :company GROUP BY company_id, period"
)
_TRAIL = text(
    "SELECT t.leg_id, t.period, sum(t.minutes) AS traced, coalesce(max(h.minutes), 0) AS held"
    " FROM hold_trail t LEFT JOIN holds h ON h.leg_id = t.leg_id AND h.period = t.period"
    " WHERE CAST(:company AS INTEGER) IS NULL OR t.company_id = :company"
    " GROUP BY t.leg_id, t.period HAVING sum(t.minutes) <> coalesce(max(h.minutes), 0)"
    " UNION ALL"
    " SELECT h.leg_id, h.period, 0, h.minutes FROM holds h"
    " WHERE (CAST(:company AS INTEGER) IS NULL OR h.company_id = :company)"
    " AND NOT EXISTS (SELECT 1 FROM hold_trail t WHERE t.leg_id = h.leg_id AND t.period = h.period)"
)
# The greatest limit in force since the oldest open hold began: lowering it in mid-call takes nothing that was held.
_LIMIT = text(
    "SELECT coalesce(max(p.limit_minutes), 0) FROM policy_versions p WHERE p.company_id = :company AND p.id >="
    " (SELECT coalesce(max(q.id), 0) FROM policy_versions q WHERE q.company_id = :company AND q.after_trail <"
    "  (SELECT min(t.id) FROM hold_trail t JOIN holds h ON h.leg_id = t.leg_id WHERE h.company_id = :company))"
)
# Moving a claim at settlement adds and takes the same: what is left is what was released, negative.
_BEYOND = text(
    "SELECT sum(beyond) FROM (SELECT l.billed_minutes -"
    "  coalesce((SELECT -sum(t.minutes) FROM hold_trail t"
    "   WHERE t.leg_id = l.leg_id AND t.operation_key = 'post:' || l.leg_id), 0) AS beyond"
    "  FROM legs l JOIN calls c ON c.call_id = l.call_id"
    "  WHERE l.outcome = 'posted' AND c.company_id = :company) legs WHERE beyond > 0"
)


def audit(
    connection: Connection,
    at: datetime | None = None,
    company_id: int | None = None,
    live: LiveCalls | None = None,
) -> list[str]:
    """What is wrong with the books of a company, or of all; an empty list: nothing. Read in one transaction.

    `at`: now, by which the age of holds is judged (I11); None: it is not. `live`: what the daemon has in its hands.
    """
    scope = {"company": company_id}
    return [
        *_audit_grants(connection, scope),
        *_audit_accounts(connection, scope),
        *_audit_holds(connection, scope),
        *audit_calls(connection, scope, at, live),
        *audit_totals(connection, scope),
        *_audit_postings(connection, scope),
    ]


def _audit_grants(connection: Connection, scope: dict[str, int | None]) -> Iterator[str]:
    months: dict[int, list[Period]] = {}
    for grant in connection.execute(_GRANTS, scope):
        name = f"grant {grant.id} ({grant.kind} {grant.period}) of company {grant.company_id}"
        if not 0 <= grant.posted <= grant.granted:
            yield f"I1: {name}: {grant.posted} of {grant.granted} posted"
        if not 0 <= grant.repaid <= (grant.posted if grant.kind == GrantKind.OVERDRAFT else 0):
            yield f"I1: {name}: {grant.repaid} of {grant.posted} paid back"
        if grant.granted != grant.entered:
            yield f"I2: {name}: granted {grant.granted}, by its entries {grant.entered}"
        if grant.posted != grant.taken:
            yield f"I2: {name}: posted {grant.posted}, by its entries {grant.taken}"
        if grant.repaid != grant.paid:
            yield f"I2: {name}: paid back {grant.repaid}, by its entries {grant.paid}"
        if grant.kind == GrantKind.MONTHLY:
            months.setdefault(grant.company_id, []).append(Period.parse(grant.period))
    for company_id, periods in months.items():
        ordered = sorted(periods)
        for earlier, later in pairwise(ordered):
            if earlier.next() != later:
                yield f"I8: company {company_id}: monthly grants of {earlier} and then {later}"


def _audit_accounts(connection: Connection, scope: dict[str, int | None]) -> Iterator[str]:
    for account in connection.execute(_ACCOUNTS, scope):
        name = f"company {account.company_id}"
        if account.held != account.open:
            yield f"I3: {name}: {account.held} minutes held, by its open holds {account.open}"
        if account.overdrawn != account.owed:
            yield f"I2: {name}: {account.overdrawn} minutes overdrawn, by its grants {account.owed}"
        if account.overdraft_limit != account.ordered_limit:
            yield f"I2: {name}: may overdraw {account.overdraft_limit}, by its orders {account.ordered_limit}"
        if not account.entries == account.last_seq == account.next_seq - 1:
            yield f"I6: {name}: {account.entries} entries, the last is {account.last_seq}, next {account.next_seq}"


def _audit_holds(connection: Connection, scope: dict[str, int | None]) -> Iterator[str]:
    for hold in connection.execute(_TRAIL, scope):
        yield f"I3: leg {hold.leg_id} holds {hold.held} minutes of {hold.period}, by its trail {hold.traced}"
    claims: dict[int, dict[Period, int]] = {}
    for hold in connection.execute(_HOLDS, scope):
        claims.setdefault(hold.company_id, {})[Period.parse(hold.period)] = hold.minutes
    if not claims:
        return
    grants: dict[int, list[Grant]] = {}
    owed: Counter[int] = Counter()
    for row in connection.execute(_GRANTS, scope):
        if row.kind == GrantKind.OVERDRAFT:
            owed[row.company_id] += row.posted - row.repaid
        grant = Grant(row.id, GrantKind(row.kind), Period.parse(row.period), row.granted - row.posted)
        grants.setdefault(row.company_id, []).append(grant)
    for company_id, by_month in claims.items():
        known = grants.get(company_id, [])
        # D4: what may be overdrawn meets them too, less what is owed already.
        limit = connection.execute(_LIMIT, {"company": company_id}).scalar_one()
        unmet = shortfall(by_month, known) - allowance(limit, owed[company_id])
        if unmet <= 0:
            continue
        # What was talked beyond a hold may have used what others had claimed: D5's grace, and nothing else.
        beyond = connection.execute(_BEYOND, {"company": company_id}).scalar() or 0
        if unmet > beyond:
            yield f"I3: company {company_id}: {unmet} minutes of open holds cannot be met"


def _audit_postings(connection: Connection, scope: dict[str, int | None]) -> Iterator[str]:
    """I7: what was posted is the replay without holds on the reference model."""
    stayed = stayed_claims(connection)
    for account in connection.execute(_ACCOUNTS, scope).all():
        for difference in replay(connection, account.company_id, stayed).differences:
            yield f"I7: company {account.company_id}: {difference}"
