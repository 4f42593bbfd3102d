"""Before and during a call: the first minute is held before dialling (D1), more while it lasts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from callcontrol.domain.holds import extended_to, room_for
from callcontrol.engine.ports.ledger import CallOpening, Hold
from callcontrol.ledger import accounts, claims, keys
from callcontrol.ledger.calls import find_leg, insert_opening
from callcontrol.ledger.claims import Claimant


class NothingLeft(Exception):
    """No minute can be held. Undoes the operation, so that the same key may succeed after a recharge."""


def authorise(connection: Connection, opening: CallOpening) -> Hold:
    """Store the call and hold its first minute. Raises NothingLeft, KeyReused."""
    leg_id = keys.customer_leg(opening.call_id)
    key = keys.hold_key(leg_id, 1)
    identity = _identity(leg_id, 1, opening.terms.company_id)
    done = keys.begin(connection, key, identity, opening.started_at)
    if done is not None:
        return Hold(**done)
    if not insert_opening(connection, opening):
        raise NothingLeft(f"call {opening.call_id} was closed before it was authorised")
    hold = Hold(0, last=False)
    if opening.terms.billable and opening.terms.company_id is not None:
        claimant = Claimant(leg_id, key, opening.started_at)
        hold = _hold_first_minute(connection, opening.terms.company_id, claimant)
    keys.finish(connection, key, _stored(hold))
    return hold


def extend(connection: Connection, call_id: str, until_minute: int, at: datetime) -> Hold:
    """Hold at least `until_minute` minutes for a call that was answered, overdrawing where the company may (D4).
    Raises NothingLeft, also for a call that is not open."""
    leg_id = keys.customer_leg(call_id)
    key = keys.hold_key(leg_id, until_minute)
    leg = find_leg(connection, leg_id)
    if leg is None or leg.outcome is not None or not leg.billable:
        raise NothingLeft(f"call {call_id} holds nothing")
    done = keys.begin(connection, key, _identity(leg_id, until_minute, leg.company_id), at)
    if done is not None:
        return Hold(**done)
    account = accounts.lock(connection, leg.company_id)
    accounts.renew(connection, account, at)
    belongs_to = account.period_of(leg.answered_at or at)
    claimant = Claimant(leg_id, key, at)
    held_in = claims.held_by(connection, leg_id)
    held = sum(held_in.values())
    _, room = claims.move_to(connection, account, claimant, held_in, belongs_to, leaving=max(0, until_minute - held))
    minutes = extended_to(held, until_minute, room)
    if minutes is None:
        raise NothingLeft(f"{room.in_all} minutes are free")
    if minutes > held:
        claims.place(connection, account, claimant, belongs_to, minutes - held)
    accounts.save(connection, account)
    hold = Hold(minutes, last=room.in_all - (minutes - held) <= 0)
    keys.finish(connection, key, _stored(hold))
    return hold


def _hold_first_minute(connection: Connection, company_id: int, claimant: Claimant) -> Hold:
    account = accounts.lock(connection, company_id)
    accounts.renew(connection, account, claimant.at)
    period = account.period_of(claimant.at)
    open_claims = accounts.open_claims(connection, account)
    grants = accounts.unposted_grants(connection, account, oldest=min([period, *open_claims.minutes]))
    room = room_for(open_claims.minutes, grants, period, account.allowance, open_claims.legs)
    # A new call draws on no overdraft, but once it is answered it may (D4).
    if room.own < 1:
        raise NothingLeft(f"{room.own} minutes are free")
    claims.place(connection, account, claimant, period, 1)
    accounts.save(connection, account)
    return Hold(1, last=room.in_all == 1)


def _identity(leg_id: str, minute: int, company_id: int | None) -> keys.Identity:
    """A hold is the leg's and the minute held until; what was decided on top of that is the result."""
    return {"operation": "hold", "leg": leg_id, "minute": minute, "company": company_id}


def _stored(hold: Hold) -> dict[str, int | bool]:
    return {"minutes": hold.minutes, "last": hold.last}
