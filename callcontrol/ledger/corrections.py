"""What an operator gives without a call, and takes out again because it was ordered by mistake.

A correction is a line that mirrors the one that granted too much. It takes out nothing that is used, and nothing that
the calls in progress need.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from callcontrol.domain.grants import Grant, GrantKind
from callcontrol.domain.holds import withdrawable
from callcontrol.domain.minutes import Minutes, Period
from callcontrol.engine.ports.minutes import (
    Cancellation,
    Gift,
    NotWithdrawable,
    PlanCorrection,
    UnknownOrder,
    Withdrawal,
)
from callcontrol.ledger import accounts, keys
from callcontrol.ledger.accounts import Account, add_entry, add_grant
from callcontrol.ledger.tables import adjustments, grants, plan_versions

Correction = Cancellation | PlanCorrection

_ORDERED = select(grants.c.id, grants.c.kind, grants.c.period, grants.c.granted, grants.c.posted).where(
    grants.c.company_id == bindparam("company"),
    grants.c.source_ref == bindparam("order"),
    grants.c.kind == bindparam("kind"),
)
_POOL = select(grants.c.id, grants.c.kind, grants.c.period, grants.c.granted, grants.c.posted).where(
    grants.c.company_id == bindparam("company"),
    grants.c.kind == GrantKind.MONTHLY.value,
    grants.c.period == bindparam("month"),
)
_GRANTING_LINES = text(
    "SELECT e.seq, e.minutes - (SELECT coalesce(sum(m.minutes), 0) FROM entries m"
    "  WHERE m.company_id = e.company_id AND m.grant_id = e.grant_id AND m.mirrors = e.seq) AS remaining"
    " FROM entries e WHERE e.company_id = :company AND e.grant_id = :grant AND e.kind IN ('grant', 'raise')"
    " ORDER BY e.seq DESC"
)
_SHRINK = update(grants).where(grants.c.id == bindparam("grant")).values(granted=grants.c.granted - bindparam("fewer"))
_INSERT_VERSION = insert(plan_versions)
_NOTE = insert(adjustments)


def give_courtesy(connection: Connection, gift: Gift) -> None:
    """Raises KeyReused, UnknownCompany, ValueError."""
    if gift.minutes < 1:
        raise ValueError("a courtesy has 1 minute or more")
    key = keys.order_key(gift.order_id)
    identity: keys.Identity = {"operation": "courtesy", "company": gift.company_id, "minutes": gift.minutes}
    if keys.begin(connection, key, identity, gift.at) is not None:
        return
    account = accounts.lock(connection, gift.company_id)
    accounts.renew(connection, account, gift.at)
    month = account.period_of(gift.at)
    grant_id = add_grant(connection, account, GrantKind.COURTESY, month, gift.minutes, at=gift.at, source_ref=key)
    add_entry(connection, account, "grant", gift.minutes, grant_id=grant_id, at=gift.at, operation_key=key)
    _note(connection, account, key, month, gift.minutes, gift)
    accounts.save(connection, account)
    keys.finish(connection, key, {"grant_id": grant_id})


def cancel_order(connection: Connection, cancellation: Cancellation) -> Withdrawal:
    """Raises UnknownOrder, NotWithdrawable, KeyReused, UnknownCompany, ValueError."""
    if cancellation.minutes is not None and cancellation.minutes < 1:
        raise ValueError("a cancellation has 1 minute or more")
    key = keys.order_key(cancellation.order_id)
    identity: keys.Identity = {
        "operation": "cancel",
        "company": cancellation.company_id,
        "of": cancellation.of_order,
        "minutes": cancellation.minutes,
    }
    done = keys.begin(connection, key, identity, cancellation.at)
    if done is not None:
        return _withdrawal(done)
    account = accounts.lock(connection, cancellation.company_id)
    accounts.renew(connection, account, cancellation.at)
    of_order = {"kind": cancellation.kind.value, "order": keys.order_key(cancellation.of_order)}
    ordered = connection.execute(_ORDERED, {"company": account.company_id, **of_order}).one_or_none()
    if ordered is None:
        raise UnknownOrder(
            f"the company has no {cancellation.kind} of the order {cancellation.of_order!r}: "
            "`callcontrol entries` shows its orders"
        )
    minutes = ordered.granted if cancellation.minutes is None else cancellation.minutes
    return _withdraw(connection, account, ordered, minutes, key, cancellation)


def correct_plan(connection: Connection, correction: PlanCorrection) -> Withdrawal:
    """Raises NotWithdrawable, KeyReused, UnknownCompany, ValueError."""
    if correction.minutes < 0:
        raise ValueError("a plan has 0 minutes or more")
    key = keys.order_key(correction.order_id)
    identity: keys.Identity = {
        "operation": "correct plan",
        "company": correction.company_id,
        "minutes": correction.minutes,
    }
    done = keys.begin(connection, key, identity, correction.at)
    if done is not None:
        return _withdrawal(done)
    account = accounts.lock(connection, correction.company_id)
    current = accounts.renew(connection, account, correction.at)
    pool = connection.execute(_POOL, {"company": account.company_id, "month": str(current)}).one_or_none()
    if pool is None or pool.granted <= correction.minutes:
        size = "no pool" if pool is None else f"a pool of {pool.granted} minutes"
        raise NotWithdrawable(f"{current} has {size}, nothing to correct down: order what is right with `plan set`")
    connection.execute(
        _INSERT_VERSION,
        {
            "company_id": account.company_id,
            "from_period": str(current),
            "minutes": correction.minutes,
            "operation_key": key,
            "at": correction.at,
        },
    )
    return _withdraw(connection, account, pool, pool.granted - correction.minutes, key, correction)


def _withdraw(
    connection: Connection, account: Account, row: Any, minutes: int, key: str, correction: Correction
) -> Withdrawal:
    """Take the minutes out of the grant of `row`, its last line first, and store the operation's result."""
    period = Period.parse(row.period)
    if row.granted == 0:
        raise NotWithdrawable("nothing of it is left: all of it has been withdrawn already")
    possible = _withdrawable(connection, account, row)
    if not 1 <= minutes <= possible:
        used = f"{row.posted} of its {row.granted} minutes are used"
        raise NotWithdrawable(
            f"{possible} minutes can be withdrawn, not {minutes}: {used}, {account.held} are held by calls"
        )
    connection.execute(_SHRINK, {"grant": row.id, "fewer": minutes})
    left = minutes
    for line in connection.execute(_GRANTING_LINES, {"company": account.company_id, "grant": row.id}).all():
        taken = min(left, line.remaining)
        if taken:
            add_entry(
                connection,
                account,
                "withdraw",
                taken,
                grant_id=row.id,
                at=correction.at,
                operation_key=key,
                mirrors=line.seq,
            )
            left -= taken
    _note(connection, account, key, period, minutes, correction)
    accounts.save(connection, account)
    result = Withdrawal(Minutes(minutes), Minutes(row.granted - minutes), period)
    stored = {"minutes": result.minutes, "granted": result.granted, "period": str(result.period)}
    keys.finish(connection, key, stored)
    return result


def _withdrawable(connection: Connection, account: Account, row: Any) -> int:
    period = Period.parse(row.period)
    claims = accounts.open_claims(connection, account).minutes
    known = accounts.unposted_grants(connection, account, oldest=min([period, *claims]))
    grant = Grant(row.id, GrantKind(row.kind), period, row.granted - row.posted)
    return withdrawable(grant, claims, known)


def _note(
    connection: Connection, account: Account, key: str, period: Period, minutes: int, asked: Gift | Correction
) -> None:
    connection.execute(
        _NOTE,
        {
            "operation_key": key,
            "company_id": account.company_id,
            "call_id": None,
            "period": str(period),
            "minutes": minutes,
            "reason": asked.reason,
            "actor": asked.actor,
            "at": asked.at,
        },
    )


def _withdrawal(stored: keys.Result) -> Withdrawal:
    return Withdrawal(Minutes(stored["minutes"]), Minutes(stored["granted"]), Period.parse(stored["period"]))
