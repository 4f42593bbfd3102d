"""Refunds: lines that mirror the lines of a closed call, each request once (D9)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period
from callcontrol.domain.refunds import Mirror, PostedLine, mirrors, refundable
from callcontrol.engine.ports.minutes import NotRefundable, Refund, RefundRequest, UnknownCall
from callcontrol.ledger import accounts, keys, totals
from callcontrol.ledger.accounts import Account, add_entry, add_grant
from callcontrol.ledger.tables import adjustments, calls, grants

_FIND = select(
    calls.c.company_id,
    calls.c.user_id,
    calls.c.agent_id,
    calls.c.direction,
    calls.c.listed_at,
    calls.c.disposition,
    calls.c.billed_minutes,
).where(calls.c.call_id == bindparam("call"))
_LINES = text(
    "SELECT e.seq, e.grant_id, e.leg_id, g.kind, g.period, coalesce(l.period, g.period) AS belongs_to,"
    " g.posted - g.repaid AS outstanding,"
    " e.minutes - (SELECT coalesce(sum(m.minutes), 0) FROM entries m"
    "  WHERE m.company_id = e.company_id AND m.call_id = e.call_id AND m.mirrors = e.seq) AS remaining"
    " FROM entries e JOIN grants g ON g.id = e.grant_id JOIN legs l ON l.leg_id = e.leg_id"
    " WHERE e.company_id = :company AND e.call_id = :call AND e.kind = 'post'"
)
_GIVE_BACK = update(grants).where(grants.c.id == bindparam("grant")).values(posted=grants.c.posted - bindparam("back"))
_REFUNDED = (
    update(calls)
    .where(calls.c.call_id == bindparam("call"))
    .values(refunded_minutes=calls.c.refunded_minutes + bindparam("back"))
)
_NOTE = insert(adjustments)


def refund(connection: Connection, request: RefundRequest) -> Refund:
    """Give back `request.minutes` of a call, or all. Raises UnknownCall, NotRefundable, KeyReused, ValueError."""
    if request.minutes is not None and request.minutes < 1:
        raise ValueError("a refund has 1 minute or more")
    key = keys.adjust_key(request.request_id)
    identity = {"operation": "refund", "call": request.call_id, "minutes": request.minutes}
    done = keys.begin(connection, key, identity, request.at)
    if done is not None:
        return _refund(done)
    call = connection.execute(_FIND, {"call": request.call_id}).one_or_none()
    if call is None:
        raise UnknownCall(f"there is no call {request.call_id!r}")
    if call.disposition is None:
        raise NotRefundable(f"call {request.call_id} is still in progress: refund it when it is over")
    if call.billed_minutes == 0:
        raise NotRefundable(f"call {request.call_id} was not billed")
    account = accounts.lock(connection, call.company_id)
    current = accounts.renew(connection, account, request.at)
    rows = connection.execute(_LINES, {"company": account.company_id, "call": request.call_id}).all()
    legs = {row.seq: row.leg_id for row in rows}
    lines = [_line(row) for row in rows]
    billed = refundable(lines)
    if billed == 0:
        raise NotRefundable(f"all billed minutes of call {request.call_id} have been refunded already")
    minutes = billed if request.minutes is None else request.minutes
    if not 1 <= minutes <= billed:
        raise NotRefundable(f"call {request.call_id} has {billed} billed minutes left to refund, not {minutes}")
    found = mirrors(minutes, lines, current)
    for mirror in found:
        if not mirror.as_courtesy:
            _give_back(connection, account, request, mirror, legs[mirror.line.seq], key)
    _give_courtesy(connection, account, request, found, legs, key, current)
    _note(connection, account, request, minutes, key, current)
    totals.refund(connection, account, call, Minutes(minutes))
    accounts.save(connection, account)
    given = tuple(
        (GrantKind.COURTESY.value if mirror.as_courtesy else mirror.line.kind.value, mirror.minutes) for mirror in found
    )
    result = Refund(request.call_id, Minutes(minutes), given, Minutes(billed - minutes))
    keys.finish(connection, key, _stored(result))
    return result


def _give_back(
    connection: Connection, account: Account, request: RefundRequest, mirror: Mirror, leg_id: str, key: str
) -> None:
    connection.execute(_GIVE_BACK, {"grant": mirror.line.grant_id, "back": mirror.minutes})
    if mirror.line.kind is GrantKind.OVERDRAFT:
        account.overdrawn -= mirror.minutes
    add_entry(
        connection,
        account,
        "refund",
        mirror.minutes,
        grant_id=mirror.line.grant_id,
        at=request.at,
        operation_key=key,
        call_id=request.call_id,
        leg_id=leg_id,
        mirrors=mirror.line.seq,
    )


def _give_courtesy(
    connection: Connection,
    account: Account,
    request: RefundRequest,
    found: list[Mirror],
    legs: dict[int, str],
    key: str,
    current: Period,
) -> None:
    """One courtesy grant for the refund. The old month's lines stay as they are: what they took is gone with it (R3),
    and a call that still runs over midnight must not find it there again (D2)."""
    over = [mirror for mirror in found if mirror.as_courtesy]
    if not over:
        return
    minutes = sum(mirror.minutes for mirror in over)
    grant_id = add_grant(connection, account, GrantKind.COURTESY, current, minutes, at=request.at, source_ref=key)
    for mirror in over:
        add_entry(
            connection,
            account,
            "courtesy",
            mirror.minutes,
            grant_id=grant_id,
            at=request.at,
            operation_key=key,
            call_id=request.call_id,
            leg_id=legs[mirror.line.seq],
            mirrors=mirror.line.seq,
        )


def _note(
    connection: Connection, account: Account, request: RefundRequest, minutes: int, key: str, current: Period
) -> None:
    connection.execute(_REFUNDED, {"call": request.call_id, "back": minutes})
    connection.execute(
        _NOTE,
        {
            "operation_key": key,
            "company_id": account.company_id,
            "call_id": request.call_id,
            "period": str(current),
            "minutes": minutes,
            "reason": request.reason,
            "actor": request.actor,
            "at": request.at,
        },
    )


def _line(row: Any) -> PostedLine:
    pool, belongs_to = Period.parse(row.period), Period.parse(row.belongs_to)
    return PostedLine(row.seq, row.grant_id, GrantKind(row.kind), pool, belongs_to, row.remaining, row.outstanding)


def _stored(result: Refund) -> keys.Result:
    return {
        "call_id": result.call_id,
        "minutes": result.minutes,
        "given_to": [list(given) for given in result.given_to],
        "left": result.left,
    }


def _refund(stored: keys.Result) -> Refund:
    given = tuple((kind, minutes) for kind, minutes in stored["given_to"])
    return Refund(stored["call_id"], Minutes(stored["minutes"]), given, Minutes(stored["left"]))
