"""What administration answers: one struct per thing, JSON-able by msgspec, the same for CLI, socket and API."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CompanyView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    slug: str
    """Unique; used in MQTT topics and as the company's name in commands; never changes."""
    name: str
    time_zone: str
    """IANA name."""
    area_code: str
    """DDD, two digits."""
    blocked: bool
    max_call_minutes: int
    bill_inbound: bool
    auto_answer: bool
    recording: bool


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    company: str | None
    """Slug; None for an operator."""
    email: str
    name: str
    role: str
    rights: list[str]


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    company: str
    extension: str
    sip_username: str
    name: str
    email: str | None


class AgentTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """The only view with a token in it; making one is audited."""

    company: str
    extension: str
    sip_username: str
    token: str


class TrunkView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    endpoint: str
    number_format: str
    """`e164`, `digits` or `national`."""
    is_default: bool


class DidView(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    company: str
    extension: str | None
    """The agent it rings; None while it has no destination."""


class OriginNumberView(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    number: str
    is_current: bool


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    number: str
    name: str
    contact_company: str


class DestinationView(msgspec.Struct, frozen=True, kw_only=True):
    """A company's rule about the numbers with a prefix (D14)."""

    company: str
    prefix: str
    allowed: bool
    changed_at: datetime
    changed_by: str


class DestinationTestView(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    """As it is called: E.164, or national where there is no such form."""
    kind: str
    allowed: bool
    prefix: str | None
    """Of the rule that decided; None: no rule of the company's did."""
    why: str
    """The same in words."""


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """R1, R5, D15. Minutes throughout."""

    company: str
    period: str
    """`YYYY-MM` in the company's time zone."""
    monthly_granted: int
    monthly_posted: int
    percent: int | None
    """None for a pool of 0, shown as a dash."""
    addon_contracted_in_month: int
    addon_posted: int
    """Consumed of all add-ons ever bought, what paid an overdraft back included (D4)."""
    addon_balance: int
    courtesy_balance: int
    overdraft: int
    """Overdrawn and not paid back (D4, D5)."""
    policy: str
    """`cut` or `finish` (D4)."""
    overdraft_limit: int
    """What may be overdrawn with `finish`; else 0."""
    held: int
    next_pool: int
    """The monthly pool of the next month, as ordered so far (R12)."""
    renews_at: datetime


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the call list (R10)."""

    call_id: str
    started_at: datetime
    """With the company's offset from UTC."""
    answered_at: datetime | None
    ended_at: datetime | None
    direction: str
    status: str
    """The word of R10, in Portuguese."""
    disposition: str | None
    reason: str | None
    q850: int | None
    sip_code: int | None
    dialled: str
    number: str | None
    contact: str | None
    contact_company: str | None
    extension: str | None
    user: str | None
    """The user who called; where the agent had none, the agent's name."""
    billsec: int
    billed_minutes: int
    refunded_minutes: int
    """Of the billed ones; totals are net of them (R8)."""
    estimated: bool
    clock_step_s: float
    """Seconds by which the machine's clock was set between answer and end: no part of `billsec` (D10)."""


class CallPageView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. A search for what is rare may end a page before it is full."""

    calls: list[CallView]
    next: str | None
    """What the next page is asked for with; None: this was the last one."""


class FiguresView(msgspec.Struct, frozen=True, kw_only=True):
    """Closed calls of one direction (R8)."""

    connected: int
    not_connected: int
    total: int
    refused: int
    """Before dialling; in no other figure."""
    minutes: int
    """Billed, net of refunds."""
    billed_minutes: int
    refunded_minutes: int
    billsec: int


class TotalsView(msgspec.Struct, frozen=True, kw_only=True):
    outbound: FiguresView
    """To outside: the figures of R8."""
    inbound: FiguresView
    internal: FiguresView
    in_progress: int
    """Calls that run, in no other figure (D15)."""


class UserTotalsView(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None
    """The user's; of an agent without a user, the agent's."""
    email: str | None
    extension: str | None
    """Of an agent without a user."""
    totals: TotalsView


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """R8, R9, D15."""

    company: str
    time_zone: str
    first_day: str | None
    """`YYYY-MM-DD`, the company's day; None: open."""
    last_day: str | None
    totals: TotalsView
    held: int
    """Minutes held now by calls in progress, apart from used."""
    users: list[UserTotalsView] | None
    """None unless asked for; they add up to `totals`."""


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger. Minutes."""

    seq: int
    at: datetime
    kind: str
    minutes: int
    grant_kind: str
    grant_period: str | None
    call_id: str | None
    reference: str
    mirrors: int | None
    """The number of the line whose minutes this one takes back (D9)."""
    reason: str | None
    """What was given as the reason of a refund, a courtesy or a correction."""


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """D9. Minutes."""

    call_id: str
    order_id: str
    minutes: int
    given_to: dict[str, int]
    """Grant kind -> minutes: the kind they were taken from, or `courtesy` where the month is over."""
    left: int
    """What the call still costs."""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    order_id: str
    minutes: int
    applies_from: str
    """The month (`YYYY-MM`) from which it counts (R12)."""


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """D4."""

    company: str
    order_id: str
    policy: str
    overdraft_limit: int


class CorrectionView(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out again of a wrong order. Minutes."""

    company: str
    order_id: str
    withdrawn: int
    granted: int
    """What the order, or the month's pool, has now, used or not."""


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """The invariants I1-I12 of the ledger."""

    company: str | None
    """None: all companies."""
    findings: list[str]
    """One line each, beginning with the invariant's number; none: the books are right."""


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes left of a grant; of an overdraft, owed."""

    grant: str
    rebuilt: int
    stored: int


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """Balances rebuilt from the entries (I7)."""

    company: str
    entries: int
    calls: int
    balances: list[BalanceView]
    differences: list[str]


class ExplanationView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call cost what it cost, sentence by sentence."""

    call_id: str
    pt: list[str]
    en: list[str]


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    removed: str
