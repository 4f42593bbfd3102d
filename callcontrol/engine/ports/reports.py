"""The reports port: what a company is shown of its calls in a period (R8-R10, D15). One for CLI, API and pages.

Days are the company's, both ends included, None: open (R9). A call belongs to the day of its answer, else of its start.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Protocol

from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.minutes import Minutes, Seconds
from callcontrol.domain.status import CallStatus

LONGEST_PAGE = 5_000
"""Calls in one page at most."""


@dataclass(frozen=True, slots=True)
class Days:
    """The company's days from `first` to `last`."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls of a company are listed: those that are all of what is given."""

    days: Days = Days()
    user_id: int | None = None
    agent_id: int | None = None
    statuses: frozenset[CallStatus] = frozenset()
    """None given: every status."""
    direction: str | None = None
    text: str = ""
    """Part of the number, of what was dialled, or of the contact's name or company, written in any way."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the next one begins at the call after it. Calls that come meanwhile do not move it."""

    listed_at: datetime
    call_id: str

    def __str__(self) -> str:
        """Opaque to whoever carries it; fits into a URL."""
        words = f"{self.listed_at.astimezone(UTC).isoformat()} {self.call_id}"
        return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, value: str) -> Place:
        """ValueError for anything that is no `str(place)`."""
        try:
            words = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
            at, _, call_id = words.partition(" ")
            place = cls(datetime.fromisoformat(at), call_id)
            if str(place) == value:
                return place
        except (binascii.Error, UnicodeError, OverflowError, ValueError):
            pass
        raise ValueError(f"not a place in a call list: {value!r}")


@dataclass(frozen=True, slots=True)
class CallRow:
    """One line of the call list (R10). In progress while `disposition` is None."""

    call_id: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    direction: str
    agent_id: int | None
    dialled: str
    number: str | None
    disposition: Disposition | None
    reason: Reason | None
    q850: int | None
    sip_code: int | None
    billsec: Seconds
    billed_minutes: Minutes
    estimated: bool
    refunded_minutes: Minutes
    """Of the billed ones: totals are net of them (R8)."""
    clock_step_s: float
    """By how much the wall clock was set between answer and end: no part of `billsec` (D10)."""


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call and whom it speaks of (R10)."""

    call: CallRow
    user: str | None
    """The user who called; where the agent had none, the agent's name."""
    extension: str | None
    contact: str | None
    contact_company: str | None


@dataclass(frozen=True, slots=True)
class CallPage:
    """Newest first. A search for what is rare may end a page before it is full; `next` None: that was the last one."""

    calls: tuple[ListedCall, ...]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Closed calls of one direction. Each counts once, however many legs it had (R8)."""

    connected: int = 0
    not_connected: int = 0
    refused: int = 0
    """Refused before dialling: told, and in no other figure."""
    billsec: int = 0
    billed_minutes: int = 0
    refunded_minutes: int = 0

    @property
    def total(self) -> int:
        return self.connected + self.not_connected

    @property
    def minutes(self) -> Minutes:
        """Billed, net of refunds."""
        return Minutes(self.billed_minutes - self.refunded_minutes)

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Totals:
    """R8: external outbound, and apart from it inbound and internal."""

    outbound: Figures = Figures()
    inbound: Figures = Figures()
    internal: Figures = Figures()
    in_progress: int = 0
    """Calls of any direction that run, in no other figure (D15)."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.outbound + other.outbound,
            self.inbound + other.inbound,
            self.internal + other.internal,
            self.in_progress + other.in_progress,
        )


@dataclass(frozen=True, slots=True)
class UserTotals:
    """Of one user, or of an agent without one: then `user_id` is None. Both None: of calls that nobody is known of."""

    user_id: int | None
    agent_id: int | None
    name: str | None
    """The user's, else the agent's."""
    email: str | None
    """The user's."""
    extension: str | None
    """The agent's, where there is no user."""
    totals: Totals


@dataclass(frozen=True, slots=True)
class PeriodReport:
    totals: Totals
    users: tuple[UserTotals, ...]
    """By name; they add up to `totals`. Empty unless asked for."""
    held: Minutes
    """Held now by the company's calls in progress, apart from what is used (D15)."""


class Reports(Protocol):
    async def calls(
        self, company_id: int, which: CallFilter, *, after: Place | None = None, limit: int = 100
    ) -> CallPage:
        """The page after `after`, or the first; of `limit` calls, LONGEST_PAGE at most."""

    async def report(self, company_id: int, days: Days, *, by_user: bool = False) -> PeriodReport: ...

    async def count_calls(self, company_id: int | None = None) -> int:
        """Count what is not counted yet for the reports, of one company or of all, day by day: how many days it were.
        Reports are right before and meanwhile, but slower."""
