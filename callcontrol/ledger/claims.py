"""Placing, moving and releasing a leg's claims, each with its line in the hold trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, text

from callcontrol.domain.holds import Room, free_minutes, room_for, shortfall
from callcontrol.domain.minutes import Period
from callcontrol.ledger.accounts import Account, open_claims, unposted_grants
from callcontrol.ledger.tables import hold_trail, holds

_HELD = select(holds.c.period, holds.c.minutes).where(holds.c.leg_id == bindparam("leg_id")).order_by(holds.c.period)
_ADD = text(
    "INSERT INTO holds (leg_id, period, company_id, minutes) VALUES (:leg_id, :period, :company_id, :minutes)"
    " ON CONFLICT (leg_id, period) DO UPDATE SET minutes = holds.minutes + excluded.minutes"
)
_REMOVE = delete(holds).where(holds.c.leg_id == bindparam("leg_id"), holds.c.period == bindparam("period"))
_TRAIL = insert(hold_trail)


@dataclass(frozen=True, slots=True)
class Claimant:
    """The leg whose claims change, and the operation that changes them."""

    leg_id: str
    operation_key: str
    at: datetime


def held_by(connection: Connection, leg_id: str) -> dict[Period, int]:
    """The leg's open claims, oldest month first."""
    rows = connection.execute(_HELD, {"leg_id": leg_id})
    return {Period.parse(row.period): row.minutes for row in rows}


def place(connection: Connection, account: Account, claimant: Claimant, period: Period, minutes: int) -> None:
    connection.execute(
        _ADD,
        {
            "leg_id": claimant.leg_id,
            "period": str(period),
            "company_id": account.company_id,
            "minutes": minutes,
        },
    )
    _trail(connection, account, claimant, period, minutes)


def release(connection: Connection, account: Account, claimant: Claimant, period: Period, minutes: int) -> None:
    """Release a whole claim; `minutes` is what it was."""
    connection.execute(_REMOVE, {"leg_id": claimant.leg_id, "period": str(period)})
    _trail(connection, account, claimant, period, -minutes)


def move_to(
    connection: Connection,
    account: Account,
    claimant: Claimant,
    held: dict[Period, int],
    period: Period,
    *,
    leaving: int = 0,
) -> tuple[dict[Period, int], Room]:
    """Move what the leg claimed before it was answered to the month of its answer, if that month can meet it and has
    `leaving` more minutes free after it, without overdrawing.

    Held at 23:59:50 and answered at 00:00:05: the call belongs to the new month (D2), so its first minute is to come
    from there; where that has nothing, the minute already held stays good.
    Returns the claims as they are now, and what more of this month finds.
    """
    claims = open_claims(connection, account)
    earlier = {month: minutes for month, minutes in held.items() if month < period}
    grants = unposted_grants(connection, account, oldest=min([period, *claims.minutes]))
    moving = sum(earlier.values())
    stays = held, room_for(claims.minutes, grants, period, account.allowance, claims.legs)
    if not moving:
        return stays
    without = {month: minutes - earlier.get(month, 0) for month, minutes in claims.minutes.items()}
    moved = {**without, period: without.get(period, 0) + moving}
    drawn = shortfall(claims.minutes, grants)
    if free_minutes(without, grants, period, drawn) < moving + leaving:
        return stays
    for month, minutes in earlier.items():
        release(connection, account, claimant, month, minutes)
    place(connection, account, claimant, period, moving)
    room = room_for(moved, grants, period, account.allowance, claims.legs)
    return {period: held.get(period, 0) + moving}, room


def _trail(connection: Connection, account: Account, claimant: Claimant, period: Period, minutes: int) -> None:
    account.held += minutes
    connection.execute(
        _TRAIL,
        {
            "company_id": account.company_id,
            "leg_id": claimant.leg_id,
            "period": str(period),
            "minutes": minutes,
            "operation_key": claimant.operation_key,
            "at": claimant.at,
        },
    )
