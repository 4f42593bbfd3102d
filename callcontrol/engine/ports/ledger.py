"""The ledger port. Every method is one transaction and returns after its commit; all are safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.minutes import Minutes, Seconds


class LedgerUnavailable(Exception):
    """The database did not answer: nothing is known of the operation; repeat it."""


class KeyReused(Exception):
    """An operation key came again with another identity: a defect, never retried."""


@dataclass(frozen=True, slots=True)
class CallOpening:
    """A call about to be dialled: its row, its leg and, if billable, its first held minute."""

    call_id: str
    node: str
    sip_username: str
    dialled: str
    agent_channel: str
    customer_channel: str
    started_at: datetime
    terms: CallTerms


@dataclass(frozen=True, slots=True)
class Hold:
    """`minutes` held in all for the leg. `last`: nothing more could be held now."""

    minutes: int
    last: bool


@dataclass(frozen=True, slots=True)
class CallClosing:
    """How a call ended: everything its CDR needs beyond what `authorise` stored (or could not store)."""

    call_id: str
    node: str
    sip_username: str
    dialled: str
    agent_channel: str
    customer_channel: str
    started_at: datetime
    company_id: int | None
    agent_id: int | None
    user_id: int | None
    direction: str
    number: str | None
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime
    disposition: Disposition
    reason: Reason
    q850: int | None
    sip_code: int | None
    cut_for_exhaustion: bool
    """Bill at most what was held: we cut it (D4)."""
    estimated: bool
    """The end is the last time it was seen (D6)."""
    billable: bool = True
    """For a call that `authorise` never stored (D16: an emergency call that did not wait for the ledger)."""
    clock_step_s: float = 0.0
    """By how much the wall clock was set between answer and end; no part of the talk (D10)."""


@dataclass(frozen=True, slots=True)
class Posting:
    """Minutes taken from one grant."""

    grant_kind: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Cdr:
    """The stored outcome; the first one wins whatever a retry says (billing.md, operation key)."""

    call_id: str
    disposition: Disposition
    billsec: Seconds
    billed_minutes: Minutes
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call without a CDR, as stored: what recovery starts from."""

    opening: CallOpening
    held: Hold
    answered_at: datetime | None
    clock_step_s: float = 0.0
    """As far as the last mark told (D10)."""


@dataclass(frozen=True, slots=True)
class NodeMark:
    """The last sign of life this node stored."""

    alive_at: datetime
    asterisk_started_at: datetime | None
    boot_id: str | None = None
    """Of the machine, without which the offset means nothing."""
    clock_offset_s: float | None = None
    """Wall minus boot clock at this mark: what the next process of this node sees a step by (D10)."""
    clock_steps: Mapping[str, float] = field(default_factory=dict)
    """Call id -> all of its steps up to this offset: they are stored together, so that none counts twice."""


class Ledger(Protocol):
    """Raises LedgerUnavailable where the database does not answer; refusals are values."""

    async def authorise(self, opening: CallOpening) -> Hold | None:
        """Store the call and hold its first minute (D1); None: no minute left, nothing stored.
        A call that is not billable holds 0 minutes. Key `hold:<leg>:1`."""

    async def record_answer(self, call_id: str, answered_at: datetime, *, company_id: int | None) -> None:
        """`company_id`, here and below: the call's, None for a call of nobody. It only says whose account is locked."""

    async def extend(self, call_id: str, until_minute: int, at: datetime, *, company_id: int | None) -> Hold | None:
        """Hold at least `until_minute` minutes for the leg, more while the company is rich; None: none left.
        Key `hold:<leg>:<minute>`."""

    async def close(self, closing: CallClosing) -> Cdr:
        """CDR and posting (or void) in one transaction. Keys `post:<leg>`, `void:<leg>`."""

    async def open_calls(self, node: str) -> list[OpenCall]: ...

    async def mark_alive(self, node: str, mark: NodeMark) -> None:
        """Also stores the steps of the open calls that it names. `last_mark` gives none back: `open_calls` does."""

    async def last_mark(self, node: str) -> NodeMark | None: ...

    async def held_total(self) -> int:
        """Minutes held now over all companies, for the metric."""
