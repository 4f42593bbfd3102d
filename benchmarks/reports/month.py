"""A month of a company, filled at once: the rows that its calls would have left, so that the audit finds it clean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, insert, select, update

from callcontrol.directory.tables import agents, companies, contacts, users
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.days import ONE_DAY, day_starts_at
from callcontrol.domain.minutes import Seconds, billed_minutes
from callcontrol.domain.searching import folded
from callcontrol.ledger.keys import customer_leg, hold_key, post_key, void_key
from callcontrol.ledger.tables import accounts, calls, entries, grants, hold_trail, legs, operations

ZONE = ZoneInfo("America/Sao_Paulo")
FIRST_DAY = date(2026, 11, 1)
DAYS = 30
MONTH = "2026-11"
BEGAN_AT = day_starts_at(FIRST_DAY, ZONE)
POOL_MINUTES = 10_000_000
"""Enough for a million calls."""

_AT_ONCE = 10_000
_ENDS = [
    (0.68, Disposition.ANSWERED, Reason.CUSTOMER_HUNG_UP),
    (0.84, Disposition.NO_ANSWER, Reason.NO_ANSWER),
    (0.93, Disposition.BUSY, Reason.BUSY),
    (0.97, Disposition.CANCELLED, Reason.CANCELLED),
    (0.99, Disposition.FAILED, Reason.CONGESTION),
    (1.00, Disposition.REFUSED, Reason.DESTINATION_DENIED),
]

Rows = dict[Table, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Call:
    call_id: str
    agent_id: int
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    disposition: Disposition
    reason: Reason
    number: str
    internal: bool

    @property
    def billsec(self) -> int:
        return 0 if self.answered_at is None else (self.ended_at - self.answered_at) // timedelta(seconds=1)

    @property
    def billed(self) -> int:
        return 0 if self.answered_at is None or self.internal else billed_minutes(Seconds(self.billsec))


def add_company(connection: Connection, company_id: int, agent_count: int, contact_count: int = 1_000) -> None:
    """With agents, half of them with a user, and contacts; without minutes."""
    connection.execute(
        insert(companies).values(
            id=company_id,
            slug=f"company-{company_id}",
            name=f"Company {company_id}",
            time_zone=ZONE.key,
            area_code="11",
            blocked=False,
            max_call_minutes=180,
            bill_inbound=False,
            auto_answer=False,
            recording=False,
            created_at=BEGAN_AT,
        )
    )
    who = [(company_id * 100_000 + number, f"{company_id}-{number}") for number in range(agent_count)]
    common = {"company_id": company_id, "created_at": BEGAN_AT}
    connection.execute(
        insert(agents),
        [
            {**common, "id": id_, "extension": f"{id_ % 100_000:05}", "sip_username": name, "name": f"Ramal {name}",
             "token_encrypted": "-", "email": f"{name}@example.com"}
            for id_, name in who
        ],
    )  # fmt: skip
    connection.execute(
        insert(users),
        [
            {
                **common,
                "id": id_,
                "email": f"{name}@example.com",
                "name": f"Pessoa {name}",
                "role": "agent",
                "rights": [],
            }
            for id_, name in who[::2]
        ],
    )
    connection.execute(
        insert(contacts),
        [
            {"company_id": company_id, "number": _number(which), "name": f"Contato {which}", "contact_company": "",
             "folded": folded(f"Contato {which}")}
            for which in range(contact_count)
        ],
    )  # fmt: skip


def fill(connection: Connection, company_id: int, call_count: int, agent_count: int) -> None:
    """A month of `call_count` calls of a company that has this month's pool and nothing else, in one transaction."""
    grant_id = connection.execute(
        select(grants.c.id).where(grants.c.company_id == company_id, grants.c.kind == "monthly")
    ).scalar_one()
    seq = connection.execute(select(accounts.c.next_seq).where(accounts.c.company_id == company_id)).scalar_one()
    posted = 0
    for some in _in_chunks(_month(company_id, call_count, agent_count)):
        rows: Rows = {table: [] for table in (calls, legs, operations, hold_trail, entries)}
        for call in some:
            _add(rows, company_id, call)
            if call.billed:
                rows[entries].append(_posting(company_id, call, seq, grant_id))
                seq, posted = seq + 1, posted + call.billed
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)
    connection.execute(update(grants).where(grants.c.id == grant_id).values(posted=posted))
    connection.execute(update(accounts).where(accounts.c.company_id == company_id).values(next_seq=seq))


def _month(company_id: int, call_count: int, agent_count: int) -> Iterator[_Call]:
    """In the order in which they end, day by day; the same at each run."""
    random = Random(company_id)
    made = 0
    for number in range(DAYS):
        until = call_count * (number + 1) // DAYS
        opens_at = day_starts_at(FIRST_DAY + ONE_DAY * number, ZONE) + timedelta(hours=8)
        day = [_call(random, company_id, which, agent_count, opens_at) for which in range(made, until)]
        yield from sorted(day, key=lambda call: call.ended_at)
        made = until


def _call(random: Random, company_id: int, which: int, agent_count: int, opens_at: datetime) -> _Call:
    started_at = opens_at + timedelta(milliseconds=random.randrange(12 * 3600 * 1000))
    share = random.random()
    disposition, reason = next((how, why) for limit, how, why in _ENDS if share < limit)
    rings = timedelta(milliseconds=random.randrange(2_000, 30_000))
    talks = timedelta(milliseconds=int(random.expovariate(1 / 120_000)))
    answered_at = started_at + rings if disposition is Disposition.ANSWERED else None
    ended_at = started_at if disposition is Disposition.REFUSED else started_at + rings
    return _Call(
        call_id=f"{company_id:04x}{which:028x}",
        agent_id=company_id * 100_000 + random.randrange(agent_count),
        started_at=started_at.astimezone(UTC),
        answered_at=answered_at,
        ended_at=ended_at if answered_at is None else answered_at + talks,
        disposition=disposition,
        reason=reason,
        number=_number(random.randrange(200_000)),
        internal=random.random() < 0.03,
    )


def _number(which: int) -> str:
    return f"+55119{which * 7919 % 100_000_000:08}"


def _add(rows: Rows, company_id: int, call: _Call) -> None:
    leg_id = customer_leg(call.call_id)
    talked = {"answered_at": call.answered_at, "billsec": call.billsec, "billed_minutes": call.billed}
    with_user = call.agent_id % 2 == 0
    rows[calls].append(
        {
            "call_id": call.call_id,
            "company_id": company_id,
            "agent_id": call.agent_id,
            "user_id": call.agent_id if with_user else None,
            "node": "node-a",
            "sip_username": f"{call.agent_id}",
            "agent_channel": f"asterisk-{call.call_id}",
            "direction": "internal" if call.internal else "outbound",
            "dialled": call.number.removeprefix("+55"),
            "number": call.number,
            "dial_string": f"PJSIP/{call.number}@carrier",
            "trunk": "carrier",
            "caller_id": "+551130003000",
            "billable": not call.internal,
            "max_call_s": 10_800,
            "time_zone": ZONE.key,
            "started_at": call.started_at,
            "ended_at": call.ended_at,
            "listed_at": call.answered_at or call.started_at,
            "disposition": call.disposition.value,
            "reason": call.reason.value,
            "q850": 16,
            "estimated": False,
            **talked,
        }
    )
    rows[legs].append(
        {
            "leg_id": leg_id,
            "call_id": call.call_id,
            "channel": f"cc-{call.call_id}-customer",
            "outcome": "posted" if call.billed else "voided",
            "period": MONTH if call.billed else None,
            **talked,
        }
    )
    last = post_key(leg_id) if call.billed else void_key(leg_id)
    held = call.billed or 1
    for key, at, minutes in ((hold_key(leg_id, 1), call.started_at, held), (last, call.ended_at, -held)):
        result = json.dumps({"minutes": held, "last": False})
        rows[operations].append({"key": key, "identity_hash": "0" * 64, "result": result, "at": at})
        if not call.internal:
            rows[hold_trail].append(
                {
                    "company_id": company_id,
                    "leg_id": leg_id,
                    "period": MONTH,
                    "minutes": minutes,
                    "operation_key": key,
                    "at": at,
                }
            )


def _posting(company_id: int, call: _Call, seq: int, grant_id: int) -> dict[str, Any]:
    leg_id = customer_leg(call.call_id)
    return {
        "company_id": company_id,
        "seq": seq,
        "at": call.ended_at,
        "kind": "post",
        "minutes": call.billed,
        "grant_id": grant_id,
        "call_id": call.call_id,
        "leg_id": leg_id,
        "operation_key": post_key(leg_id),
    }


def _in_chunks(month: Iterator[_Call]) -> Iterator[list[_Call]]:
    some: list[_Call] = []
    for call in month:
        some.append(call)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    yield some
