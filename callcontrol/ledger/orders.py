"""What an operator contracts: plans and add-ons, each order once (R12)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period
from callcontrol.domain.plans import applies_from
from callcontrol.engine.ports.minutes import Order
from callcontrol.ledger import accounts, keys
from callcontrol.ledger.accounts import Account, add_entry, add_grant
from callcontrol.ledger.overdraft import repay
from callcontrol.ledger.tables import grants, plan_versions

_INSERT_VERSION = insert(plan_versions)
_POOL = select(grants.c.id, grants.c.granted).where(
    grants.c.company_id == bindparam("company"),
    grants.c.kind == GrantKind.MONTHLY.value,
    grants.c.period == bindparam("month"),
)
_RAISE = update(grants).where(grants.c.id == bindparam("grant")).values(granted=bindparam("size"))


def set_plan(connection: Connection, order: Order) -> Period:
    """Up (or the first plan) from this month, down from the next. Raises KeyReused, UnknownCompany, ValueError."""
    if order.minutes < 0:
        raise ValueError("a plan has 0 minutes or more")
    key = keys.order_key(order.order_id)
    done = keys.begin(connection, key, _identity("plan", order), order.at)
    if done is not None:
        return Period.parse(done["period"])
    account = accounts.lock(connection, order.company_id)
    current = accounts.renew(connection, account, order.at)
    pool = connection.execute(_POOL, {"company": order.company_id, "month": str(current)}).one_or_none()
    period = applies_from(Minutes(order.minutes), Minutes(pool.granted) if pool else None, current)
    connection.execute(
        _INSERT_VERSION,
        {
            "company_id": order.company_id,
            "from_period": str(period),
            "minutes": order.minutes,
            "operation_key": key,
            "at": order.at,
        },
    )
    if pool is None:
        accounts.renew(connection, account, order.at)
    elif order.minutes > pool.granted:
        _raise_pool(connection, account, pool.id, pool.granted, order, key)
    accounts.save(connection, account)
    keys.finish(connection, key, {"period": str(period)})
    return period


def add_addon(connection: Connection, order: Order) -> None:
    """A pack that never expires, at once (R4); it pays back what is owed first (D4).
    Raises KeyReused, UnknownCompany, ValueError."""
    if order.minutes < 1:
        raise ValueError("an add-on has 1 minute or more")
    key = keys.order_key(order.order_id)
    if keys.begin(connection, key, _identity("addon", order), order.at) is not None:
        return
    account = accounts.lock(connection, order.company_id)
    accounts.renew(connection, account, order.at)
    month = account.period_of(order.at)
    grant_id = add_grant(connection, account, GrantKind.ADDON, month, order.minutes, at=order.at, source_ref=key)
    add_entry(connection, account, "grant", order.minutes, grant_id=grant_id, at=order.at, operation_key=key)
    repay(connection, account, grant_id, order.minutes, key, order.at)
    accounts.save(connection, account)
    keys.finish(connection, key, {"grant_id": grant_id})


def _raise_pool(connection: Connection, account: Account, grant_id: int, granted: int, order: Order, key: str) -> None:
    connection.execute(_RAISE, {"grant": grant_id, "size": order.minutes})
    add_entry(
        connection,
        account,
        "raise",
        order.minutes - granted,
        grant_id=grant_id,
        at=order.at,
        operation_key=key,
    )


def _identity(kind: str, order: Order) -> keys.Identity:
    """The order and its size; not when it was posted: that differs between honest repetitions."""
    return {"operation": kind, "company": order.company_id, "minutes": order.minutes}
