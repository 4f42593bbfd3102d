"""The minutes port for people: what an operator contracts and what a company sees of its minutes (R1, R5, R12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Minutes, Period
from callcontrol.engine.ports.reports import CallRow, Reports


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator contracts for a company; the same `order_id` posted again is the same order."""

    company_id: int
    minutes: int
    order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """What an exhausted pool does to a company's calls in progress (D4)."""

    company_id: int
    limit_minutes: int
    """How much they may overdraw in all; 0 is the policy `cut`."""
    order_id: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gift:
    """Courtesy minutes given without a call; the same `order_id` again is the same gift."""

    company_id: int
    minutes: int
    order_id: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Minutes of an add-on or of a gift to be taken out again, as they were ordered by mistake."""

    company_id: int
    kind: GrantKind
    of_order: str
    minutes: int | None
    """None: all of the order."""
    order_id: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PlanCorrection:
    """The right size of this month's pool, which was ordered too large by mistake."""

    company_id: int
    minutes: int
    order_id: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a correction took out, and what the grant has now, used or not."""

    minutes: Minutes
    granted: Minutes
    period: Period
    """The month of the pool, or in which the add-on was ordered."""


class UnknownOrder(Exception):
    """No add-on or gift of the company has this order id."""


class NotWithdrawable(Exception):
    """The minutes are used or held by calls, or there are fewer; the message says how many can be withdrawn."""


class UnknownCall(Exception):
    """No call has this id."""


class NotRefundable(Exception):
    """The call runs still, or has fewer minutes left to refund; the message says which."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Minutes of a call to be given back (D9); the same `request_id` again is the same refund."""

    call_id: str
    minutes: int | None
    """None: all that is left."""
    request_id: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """What a refund gave back, by the kind of the grant that has the minutes now."""

    call_id: str
    minutes: Minutes
    given_to: tuple[tuple[str, int], ...]
    """`(grant kind, minutes)`: the kind they were taken from, or `courtesy` where the month is over."""
    left: Minutes
    """Billed minutes of the call, net of this and earlier refunds."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The consumption page's figures (R1, R5, D15)."""

    period: Period
    monthly_granted: Minutes
    monthly_posted: Minutes
    addon_contracted_in_month: Minutes
    addon_posted: Minutes
    """Consumed of all add-ons ever bought, what paid an overdraft back included (D4)."""
    addon_balance: Minutes
    courtesy_balance: Minutes
    overdraft: Minutes
    """Overdrawn and not paid back (D4, D5)."""
    overdraft_limit: Minutes
    """What may be overdrawn; 0 is the policy `cut`."""
    held: Minutes
    """Held by calls in progress, apart from used (D15)."""
    next_pool: Minutes
    """The monthly pool of the next month, as ordered so far (R12)."""
    renews_at: datetime

    @property
    def percent(self) -> int | None:
        """Posted minutes of this month's pool / its size, truncated; None for a pool of 0 (shown as a dash)."""
        return self.monthly_posted * 100 // self.monthly_granted if self.monthly_granted else None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of the append-only ledger."""

    seq: int
    at: datetime
    kind: str
    minutes: int
    grant_kind: str
    grant_period: Period | None
    call_id: str | None
    reference: str
    mirrors: int | None = None
    """The number of the line whose minutes this one takes back (D9)."""
    reason: str | None = None
    """What was given as the reason of a refund, a courtesy or a correction."""


@dataclass(frozen=True, slots=True)
class LiveCalls:
    """The calls that one node has in its hands at an instant."""

    node: str
    call_ids: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """Minutes left of a grant (of an overdraft: owed), rebuilt from the entries and as stored."""

    name: str
    rebuilt: int
    stored: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A company's entries read again on the reference model (I7)."""

    entries: int
    calls: int
    balances: tuple[Balance, ...]
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldStep:
    """Minutes held for a call, more and more of them while it lasted; released at its end."""

    at: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class RefundNote:
    """A refund that was made, and why."""

    at: datetime
    minutes: int
    reason: str
    request: str


@dataclass(frozen=True, slots=True)
class CallAccount:
    """Everything the ledger knows of what a call cost."""

    call: CallRow
    time_zone: str
    """The company's; UTC for a call of nobody we know."""
    billable: bool
    belongs_to: Period | None
    """The month of a billed call (D2)."""
    holds: tuple[HoldStep, ...]
    entries: tuple[EntryRow, ...]
    refunds: tuple[RefundNote, ...]


class MinutesAdministration(Reports, Protocol):
    """Every write is idempotent by its order id; the same id with another size raises KeyReused."""

    async def set_plan(self, order: Order) -> Period:
        """Contract a monthly pool: up takes effect now, down next month (R12). Returns the period it applies from."""

    async def add_addon(self, order: Order) -> None:
        """An add-on pack, at once (R12, R4); it pays back the overdraft first (D4)."""

    async def set_policy(self, order: PolicyOrder) -> None:
        """Contract what an exhausted pool does to calls in progress, at once (D4)."""

    async def give_courtesy(self, gift: Gift) -> None:
        """Courtesy minutes, at once; they never expire and are used before add-ons (D9)."""

    async def cancel_order(self, cancellation: Cancellation) -> Withdrawal:
        """Take minutes of an add-on or gift out again, by a line that mirrors the original one.
        Raises UnknownOrder, NotWithdrawable."""

    async def correct_plan(self, correction: PlanCorrection) -> Withdrawal:
        """Make this month's pool, and the plan from now on, smaller at once, by lines that mirror those that made it
        too large. Raises NotWithdrawable."""

    async def refund(self, request: RefundRequest) -> Refund:
        """Give minutes of a closed call back, with lines that mirror the original ones (D9).
        Raises UnknownCall, NotRefundable. Key `adjust:<request>`."""

    async def usage(self, company_id: int, at: datetime) -> Usage: ...

    async def entries(self, company_id: int, *, call_id: str | None = None) -> list[EntryRow]: ...

    async def audit(self, at: datetime, *, company_id: int | None = None, live: LiveCalls | None = None) -> list[str]:
        """What is wrong with the books of a company, or of all: one line each, beginning with the invariant's number.
        `live`: what the daemon knows; without it, holds are judged by their age alone (I11)."""

    async def replay(self, company_id: int) -> Replay:
        """Rebuild a company's balances from its entries on the reference model, and compare."""

    async def account_of(self, call_id: str) -> CallAccount:
        """Raises UnknownCall."""
