"""Why a call ended: Q.850 and SIP causes in, one `Reason` out; and what the agent's phone gets for each.

Sources: ITU-T Q.850 (cause values), RFC 3398 and RFC 4497 (mapping to SIP). The SIP code in `AgentAnswer` is the one
Asterisk's PJSIP channel driver sends to an unanswered caller when it is hung up with that Q.850 cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Q850(IntEnum):
    """The Q.850 causes this daemon sends or tells apart."""

    UNALLOCATED = 1
    NO_ROUTE = 3
    NORMAL = 16
    BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    REJECTED = 21
    NUMBER_CHANGED = 22
    OUT_OF_ORDER = 27
    INVALID_FORMAT = 28
    FACILITY_REJECTED = 29
    CONGESTION = 34
    TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42


class Disposition(StrEnum):
    """How a call ended, in the words of a CDR. REFUSED: never dialled, listed but never counted (R8)."""

    ANSWERED = "ANSWERED"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REFUSED = "REFUSED"


class Reason(StrEnum):
    """The machine-readable end reason of a call, stable for integrators."""

    # answered
    AGENT_HUNG_UP = "agent_hung_up"
    CUSTOMER_HUNG_UP = "customer_hung_up"
    MAX_DURATION = "max_duration"
    PBX_LIMIT = "pbx_limit"
    """Asterisk's own limit ended it (D5): nobody was there to extend the hold."""
    PBX_RESTARTED = "pbx_restarted"
    # not answered
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    CONGESTION = "congestion"
    INVALID_NUMBER = "invalid_number"
    # refused before dialling; POOL_EXHAUSTED also ends an answered call (D4)
    POOL_EXHAUSTED = "pool_exhausted"
    FOLLOW_UP_MANAGER = "follow_up_manager"
    UNKNOWN_AGENT = "unknown_agent"
    COMPANY_BLOCKED = "company_blocked"
    DESTINATION_DENIED = "destination_denied"
    UNDIALLABLE_NUMBER = "undiallable_number"
    NO_ORIGIN_NUMBER = "no_origin_number"
    NO_TRUNK = "no_trunk"
    LEDGER_UNAVAILABLE = "ledger_unavailable"


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What an unanswered agent's phone gets: an announcement in early media, then this final response."""

    disposition: Disposition
    q850: Q850
    sip_code: int
    announcement: str
    """A sound under `callcontrol/`, or `tone:NAME` for a tone of indications.conf."""


_D = Disposition
AGENT_ANSWERS: dict[Reason, AgentAnswer] = {
    Reason.BUSY: AgentAnswer(_D.BUSY, Q850.BUSY, 486, "tone:busy"),
    Reason.NO_ANSWER: AgentAnswer(_D.NO_ANSWER, Q850.NO_ANSWER, 480, "no-answer"),
    Reason.REJECTED: AgentAnswer(_D.FAILED, Q850.REJECTED, 403, "call-rejected"),
    Reason.UNREACHABLE: AgentAnswer(_D.FAILED, Q850.SUBSCRIBER_ABSENT, 480, "unreachable"),
    Reason.CONGESTION: AgentAnswer(_D.FAILED, Q850.CONGESTION, 503, "tone:congestion"),
    Reason.INVALID_NUMBER: AgentAnswer(_D.FAILED, Q850.UNALLOCATED, 404, "invalid-number"),
    Reason.POOL_EXHAUSTED: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "no-minutes"),
    Reason.FOLLOW_UP_MANAGER: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "not-permitted"),
    Reason.UNKNOWN_AGENT: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "not-permitted"),
    Reason.COMPANY_BLOCKED: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "company-blocked"),
    Reason.DESTINATION_DENIED: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "destination-denied"),
    Reason.UNDIALLABLE_NUMBER: AgentAnswer(_D.REFUSED, Q850.INVALID_FORMAT, 484, "invalid-number"),
    Reason.NO_ORIGIN_NUMBER: AgentAnswer(_D.REFUSED, Q850.REJECTED, 403, "no-origin-number"),
    Reason.NO_TRUNK: AgentAnswer(_D.REFUSED, Q850.CONGESTION, 503, "unavailable"),
    Reason.LEDGER_UNAVAILABLE: AgentAnswer(_D.REFUSED, Q850.SWITCH_CONGESTION, 503, "unavailable"),
}
"""Every reason for which an agent's INVITE ends without an answer. docs/causes.md is tested against it."""

_BY_SIP = {
    404: Reason.INVALID_NUMBER,
    408: Reason.UNREACHABLE,
    410: Reason.INVALID_NUMBER,
    480: Reason.UNREACHABLE,
    484: Reason.INVALID_NUMBER,
    486: Reason.BUSY,
    487: Reason.NO_ANSWER,
    600: Reason.BUSY,
    603: Reason.REJECTED,
    604: Reason.INVALID_NUMBER,
    607: Reason.REJECTED,
    608: Reason.REJECTED,
}
_BY_Q850: dict[int, Reason] = {
    Q850.UNALLOCATED: Reason.INVALID_NUMBER,
    Q850.NO_ROUTE: Reason.INVALID_NUMBER,
    Q850.BUSY: Reason.BUSY,
    Q850.NO_USER_RESPONSE: Reason.UNREACHABLE,
    Q850.NO_ANSWER: Reason.NO_ANSWER,
    Q850.SUBSCRIBER_ABSENT: Reason.UNREACHABLE,
    Q850.REJECTED: Reason.REJECTED,
    Q850.NUMBER_CHANGED: Reason.INVALID_NUMBER,
    Q850.OUT_OF_ORDER: Reason.UNREACHABLE,
    Q850.INVALID_FORMAT: Reason.INVALID_NUMBER,
}


def unanswered_reason(q850: int | None, sip_code: int | None) -> Reason:
    """Why the called party did not answer. The SIP code says more than the Q.850 cause Asterisk derives from it."""
    if sip_code is not None and sip_code in _BY_SIP:
        return _BY_SIP[sip_code]
    if sip_code is not None and 500 <= sip_code < 600:
        return Reason.CONGESTION
    if sip_code is not None and 400 <= sip_code < 500 and q850 not in _BY_Q850:
        return Reason.REJECTED
    return _BY_Q850.get(q850 or 0, Reason.CONGESTION)
