"""What is asked of the ledger, in a form that can be written down and asked once more by somebody else.

An answer is what the ledger keeps under the operation's key, so that the two can be compared; None: refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from callcontrol.engine.ports.ledger import Hold
from callcontrol.engine.ports.minutes import Gift, Order, RefundRequest
from callcontrol.ledger import keys
from tests.support.books import Books, closing, opening

Answer = dict[str, Any] | None


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    company_id: int
    at: datetime

    @property
    def keys(self) -> tuple[str, ...]:
        """One of them is stored when it is done."""
        raise NotImplementedError

    async def ask(self, books: Books) -> Answer:
        raise NotImplementedError


class Dial(Request, frozen=True, kw_only=True):
    call_id: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.hold_key(keys.customer_leg(self.call_id), 1),)

    async def ask(self, books: Books) -> Answer:
        return _hold(await books.ledger.authorise(opening(self.call_id, self.at, company_id=self.company_id)))


class Extend(Request, frozen=True, kw_only=True):
    call_id: str
    until_minute: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.hold_key(keys.customer_leg(self.call_id), self.until_minute),)

    async def ask(self, books: Books) -> Answer:
        company_id = self.company_id
        return _hold(await books.ledger.extend(self.call_id, self.until_minute, self.at, company_id=company_id))


class Close(Request, frozen=True, kw_only=True):
    call_id: str
    started_at: datetime
    answered_at: datetime | None

    @property
    def keys(self) -> tuple[str, ...]:
        leg = keys.customer_leg(self.call_id)
        return keys.post_key(leg), keys.void_key(leg)

    async def ask(self, books: Books) -> Answer:
        cdr = await books.ledger.close(
            closing(
                self.call_id,
                self.at,
                started_at=self.started_at,
                answered_at=self.answered_at,
                company_id=self.company_id,
            )
        )
        return {
            "call_id": cdr.call_id,
            "disposition": cdr.disposition.value,
            "billsec": cdr.billsec,
            "billed_minutes": cdr.billed_minutes,
            "postings": [[posting.grant_kind, posting.minutes] for posting in cdr.postings],
        }


class GiveBack(Request, frozen=True, kw_only=True):
    call_id: str
    request_id: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.adjust_key(self.request_id),)

    async def ask(self, books: Books) -> Answer:
        request = RefundRequest(self.call_id, 1, self.request_id, "noise", "operator", self.at)
        refund = await books.minutes.refund(request)
        given = [list(given) for given in refund.given_to]
        return {"call_id": refund.call_id, "minutes": refund.minutes, "given_to": given, "left": refund.left}


class Buy(Request, frozen=True, kw_only=True):
    order_id: str
    minutes: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.order_key(self.order_id),)

    async def ask(self, books: Books) -> Answer:
        await books.minutes.add_addon(Order(self.company_id, self.minutes, self.order_id, self.at))
        return {}


class SetPlan(Request, frozen=True, kw_only=True):
    order_id: str
    minutes: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.order_key(self.order_id),)

    async def ask(self, books: Books) -> Answer:
        period = await books.minutes.set_plan(Order(self.company_id, self.minutes, self.order_id, self.at))
        return {"period": str(period)}


class Give(Request, frozen=True, kw_only=True):
    order_id: str
    minutes: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (keys.order_key(self.order_id),)

    async def ask(self, books: Books) -> Answer:
        gift = Gift(self.company_id, self.minutes, self.order_id, "goodwill", "operator", self.at)
        await books.minutes.give_courtesy(gift)
        return {}


AnyRequest = Dial | Extend | Close | GiveBack | Buy | SetPlan | Give


def _hold(hold: Hold | None) -> Answer:
    return None if hold is None else {"minutes": hold.minutes, "last": hold.last}
