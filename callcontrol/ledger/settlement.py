"""The end of a call: its CDR, its minutes and its place in the totals in one transaction, once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from callcontrol.database import UtcDateTime
from callcontrol.domain.causes import Disposition
from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period, Seconds, billsec
from callcontrol.domain.settlement import Settlement, minutes_due, settle
from callcontrol.engine.ports.ledger import CallClosing, Cdr, Posting
from callcontrol.ledger import accounts, claims, keys, totals
from callcontrol.ledger.accounts import Account, add_entry, add_grant
from callcontrol.ledger.calls import find_leg, insert_closing
from callcontrol.ledger.claims import Claimant
from callcontrol.ledger.tables import calls, grants, legs

_POST = update(grants).where(grants.c.id == bindparam("grant")).values(posted=grants.c.posted + bindparam("taken"))
_RAISE = update(grants).where(grants.c.id == bindparam("grant")).values(granted=grants.c.granted + bindparam("more"))
_OVERDRAFT = select(grants.c.id).where(
    grants.c.company_id == bindparam("company"),
    grants.c.kind == GrantKind.OVERDRAFT.value,
    grants.c.period == bindparam("month"),
)
_CLOSE_LEG = (
    update(legs)
    .where(legs.c.leg_id == bindparam("leg"))
    .values(
        answered_at=bindparam("answered", type_=UtcDateTime),
        billsec=bindparam("seconds"),
        billed_minutes=bindparam("billed"),
        outcome=bindparam("how"),
        period=bindparam("month"),
    )
)
_CLOSE_CALL = (
    update(calls)
    .where(calls.c.call_id == bindparam("call"))
    .values(
        rang_at=bindparam("rang", type_=UtcDateTime),
        answered_at=bindparam("answered", type_=UtcDateTime),
        ended_at=bindparam("ended", type_=UtcDateTime),
        listed_at=bindparam("listed", type_=UtcDateTime),
        disposition=bindparam("how"),
        reason=bindparam("why"),
        q850=bindparam("cause"),
        sip_code=bindparam("sip"),
        billsec=bindparam("seconds"),
        billed_minutes=bindparam("billed"),
        estimated=bindparam("guessed"),
        clock_step_s=bindparam("step_s"),
    )
)


def close(connection: Connection, closing: CallClosing) -> Cdr:
    """Post or void the call and store its CDR; the first close is the one that counts (D7)."""
    leg_id = keys.customer_leg(closing.call_id)
    leg = find_leg(connection, leg_id)
    if leg is None:
        insert_closing(connection, closing)
        leg = find_leg(connection, leg_id)
        assert leg is not None
    if leg.outcome is not None:
        first = keys.post_key(leg_id) if leg.outcome == "posted" else keys.void_key(leg_id)
        return _cdr(keys.result_of(connection, first))
    # An answer that was stored is a fact, whoever closes the call without knowing of it (R6).
    answered_at = closing.answered_at or leg.answered_at
    bills = answered_at is not None and leg.billable
    key = keys.post_key(leg_id) if bills else keys.void_key(leg_id)
    done = keys.begin(connection, key, {"operation": "close", "leg": leg_id}, closing.ended_at)
    if done is not None:
        return _cdr(done)
    seconds = billsec(answered_at, closing.ended_at, closing.clock_step_s) if answered_at else Seconds(0)
    billed = Minutes(0)
    postings: tuple[Posting, ...] = ()
    belongs_to: Period | None = None
    account = None if leg.company_id is None else accounts.lock(connection, leg.company_id)
    if account is not None and leg.billable:
        claimant = Claimant(leg_id, key, closing.ended_at)
        held = claims.held_by(connection, leg_id)
        if answered_at is not None:
            held, belongs_to, billed, postings = _post(
                connection, account, claimant, closing, answered_at, seconds, held
            )
        for month, minutes in held.items():
            claims.release(connection, account, claimant, month, minutes)
        accounts.save(connection, account)
    disposition = closing.disposition if closing.answered_at or not answered_at else Disposition.ANSWERED
    cdr = Cdr(closing.call_id, disposition, seconds, billed, postings)
    if account is not None:
        totals.count(connection, account, leg, answered_at or leg.started_at, cdr)
    _store(connection, closing, cdr, leg_id, answered_at, leg.started_at, belongs_to)
    keys.finish(connection, key, _stored(cdr))
    return cdr


def _post(
    connection: Connection,
    account: Account,
    claimant: Claimant,
    closing: CallClosing,
    answered_at: datetime,
    seconds: Seconds,
    held: dict[Period, int],
) -> tuple[dict[Period, int], Period, Minutes, tuple[Posting, ...]]:
    """The claims as they are now, the month the leg belongs to, its minutes and where they came from."""
    accounts.renew(connection, account, max(closing.ended_at, answered_at))
    belongs_to = account.period_of(answered_at)
    if any(month < belongs_to for month in held):
        held, _ = claims.move_to(connection, account, claimant, held, belongs_to)
    due = minutes_due(seconds, sum(held.values()), cut_for_exhaustion=closing.cut_for_exhaustion)
    available = accounts.unposted_grants(connection, account, oldest=min([belongs_to, *held]))
    settlement = settle(due, held, belongs_to, available, account.allowance)
    _post_takes(connection, account, claimant, closing.call_id, settlement)
    postings = [Posting(take.grant.kind.value, take.minutes) for take in settlement.takes]
    if settlement.beyond:
        _post_overdraft(connection, account, claimant, closing.call_id, belongs_to, settlement)
        postings.append(Posting(GrantKind.OVERDRAFT.value, settlement.beyond))
    return held, belongs_to, due, tuple(postings)


def _post_takes(
    connection: Connection, account: Account, claimant: Claimant, call_id: str, settlement: Settlement
) -> None:
    for take in settlement.takes:
        _post_to(connection, account, claimant, call_id, take.grant.grant_id, take.minutes)


def _post_overdraft(
    connection: Connection, account: Account, claimant: Claimant, call_id: str, month: Period, settlement: Settlement
) -> None:
    """Minutes talked that nothing was left for are granted as they are posted, in the open: `overdraft` within the
    company's limit (D4), `grace` beyond it (D5)."""
    known = connection.execute(_OVERDRAFT, {"company": account.company_id, "month": str(month)}).scalar_one_or_none()
    grant_id = known or add_grant(
        connection,
        account,
        GrantKind.OVERDRAFT,
        month,
        0,
        at=claimant.at,
        source_ref=f"grant:overdraft:{month}",
    )
    connection.execute(_RAISE, {"grant": grant_id, "more": settlement.beyond})
    account.overdrawn += settlement.beyond
    for kind, minutes in (("overdraft", settlement.overdraft), ("grace", settlement.grace)):
        if minutes:
            add_entry(
                connection,
                account,
                kind,
                minutes,
                grant_id=grant_id,
                at=claimant.at,
                operation_key=claimant.operation_key,
                call_id=call_id,
                leg_id=claimant.leg_id,
            )
    _post_to(connection, account, claimant, call_id, grant_id, settlement.beyond)


def _post_to(
    connection: Connection, account: Account, claimant: Claimant, call_id: str, grant_id: int, minutes: int
) -> None:
    connection.execute(_POST, {"grant": grant_id, "taken": minutes})
    add_entry(
        connection,
        account,
        "post",
        minutes,
        grant_id=grant_id,
        at=claimant.at,
        operation_key=claimant.operation_key,
        call_id=call_id,
        leg_id=claimant.leg_id,
    )


def _store(
    connection: Connection,
    closing: CallClosing,
    cdr: Cdr,
    leg_id: str,
    answered_at: datetime | None,
    started_at: datetime,
    belongs_to: Period | None,
) -> None:
    """`belongs_to`: the month of a billed leg, None where nothing is billed."""
    billing = {"answered": answered_at, "seconds": cdr.billsec, "billed": cdr.billed_minutes}
    how = {"how": "voided", "month": None} if belongs_to is None else {"how": "posted", "month": str(belongs_to)}
    connection.execute(_CLOSE_LEG, {"leg": leg_id, **how, **billing})
    connection.execute(
        _CLOSE_CALL,
        {
            "call": closing.call_id,
            "rang": closing.rang_at,
            "ended": closing.ended_at,
            "listed": answered_at or started_at,
            "how": cdr.disposition.value,
            "why": closing.reason.value,
            "cause": closing.q850,
            "sip": closing.sip_code,
            "guessed": closing.estimated,
            "step_s": closing.clock_step_s,
            **billing,
        },
    )


def _stored(cdr: Cdr) -> dict[str, object]:
    return {
        "call_id": cdr.call_id,
        "disposition": cdr.disposition.value,
        "billsec": cdr.billsec,
        "billed_minutes": cdr.billed_minutes,
        "postings": [[posting.grant_kind, posting.minutes] for posting in cdr.postings],
    }


def _cdr(stored: keys.Result) -> Cdr:
    return Cdr(
        stored["call_id"],
        Disposition(stored["disposition"]),
        Seconds(stored["billsec"]),
        Minutes(stored["billed_minutes"]),
        tuple(Posting(kind, minutes) for kind, minutes in stored["postings"]),
    )
