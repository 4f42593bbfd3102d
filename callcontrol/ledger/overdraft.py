"""What a company may overdraw, and how the next add-on pays it back (D4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Period
from callcontrol.domain.overdraft import Debt, repayments
from callcontrol.engine.ports.minutes import PolicyOrder
from callcontrol.ledger import accounts, keys
from callcontrol.ledger.accounts import Account, add_entry
from callcontrol.ledger.tables import grants, hold_trail, policy_versions

_INSERT_VERSION = insert(policy_versions)
_LAST_TRAIL = select(func.coalesce(func.max(hold_trail.c.id), 0))
_DEBTS = select(grants.c.id, grants.c.period, (grants.c.posted - grants.c.repaid).label("outstanding")).where(
    grants.c.company_id == bindparam("company"), grants.c.kind == GrantKind.OVERDRAFT.value
)
_TAKE = update(grants).where(grants.c.id == bindparam("grant")).values(posted=grants.c.posted + bindparam("taken"))
_REPAY = update(grants).where(grants.c.id == bindparam("grant")).values(repaid=grants.c.repaid + bindparam("paid"))


def set_policy(connection: Connection, order: PolicyOrder) -> None:
    """In force at once, for what is held from now on. Raises KeyReused, UnknownCompany, ValueError."""
    if order.limit_minutes < 0:
        raise ValueError("a limit has 0 minutes or more")
    key = keys.order_key(order.order_id)
    identity: keys.Identity = {"operation": "policy", "company": order.company_id, "limit": order.limit_minutes}
    if keys.begin(connection, key, identity, order.at) is not None:
        return
    account = accounts.lock(connection, order.company_id)
    connection.execute(
        _INSERT_VERSION,
        {
            "company_id": order.company_id,
            "limit_minutes": order.limit_minutes,
            "from_seq": account.next_seq,
            "after_trail": connection.execute(_LAST_TRAIL).scalar_one(),
            "operation_key": key,
            "actor": order.actor,
            "at": order.at,
        },
    )
    account.overdraft_limit = order.limit_minutes
    accounts.save(connection, account)
    keys.finish(connection, key, {"limit": order.limit_minutes})


def repay(connection: Connection, account: Account, addon_id: int, minutes: int, key: str, at: datetime) -> None:
    """An add-on of so many minutes pays back what is owed, of both marks, the oldest month first, before it is used."""
    if not account.overdrawn:
        return
    rows = connection.execute(_DEBTS, {"company": account.company_id})
    debts = [Debt(row.id, Period.parse(row.period), row.outstanding) for row in rows]
    for debt, paid in repayments(minutes, debts):
        connection.execute(_TAKE, {"grant": addon_id, "taken": paid})
        add_entry(connection, account, "repay", paid, grant_id=addon_id, at=at, operation_key=key)
        connection.execute(_REPAY, {"grant": debt.grant_id, "paid": paid})
        add_entry(connection, account, "repaid", paid, grant_id=debt.grant_id, at=at, operation_key=key)
        account.overdrawn -= paid
