"""One call in each phase and one event of each kind, to walk the transition table with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, LegState, Phase, Timing
from callcontrol.domain.causes import Disposition, Reason

T0 = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


TERMS = CallTerms(
    company_id=1,
    agent_id=7,
    user_id=None,
    direction="outbound",
    number="+5511988887777",
    dial_string="PJSIP/+5511988887777@carrier",
    trunk="carrier",
    caller_id="+551130003000",
    billable=True,
    max_call_s=180 * 60,
    time_zone="America/Sao_Paulo",
)
FREE_TERMS = replace(TERMS, billable=False, number="190", dial_string="PJSIP/190@carrier")

NEW = Call(
    call_id="0f",
    agent_channel="pbx-1.1",
    sip_username="1001",
    dialled="11988887777",
    started_at=T0,
    timing=Timing(),
)
_DIALLED = replace(NEW, terms=TERMS, held_minutes=1, customer=LegState.PRESENT)
_UNANSWERED = replace(_DIALLED, ended_at=after(9), disposition=Disposition.NO_ANSWER, reason=Reason.NO_ANSWER)

CALLS: dict[Phase, Call] = {
    Phase.AUTHORISING: NEW,
    Phase.PREPARING: replace(_DIALLED, phase=Phase.PREPARING),
    Phase.DIALLING: replace(_DIALLED, phase=Phase.DIALLING),
    Phase.RINGING: replace(_DIALLED, phase=Phase.RINGING, rang_at=after(2)),
    Phase.TALKING: replace(_DIALLED, phase=Phase.TALKING, answered_at=after(5)),
    Phase.ANNOUNCING: replace(_UNANSWERED, phase=Phase.ANNOUNCING),
    Phase.ENDING: replace(_UNANSWERED, phase=Phase.ENDING),
    Phase.CLOSING: replace(_UNANSWERED, phase=Phase.CLOSING, agent=LegState.GONE, customer=LegState.GONE),
    Phase.ENDED: replace(_UNANSWERED, phase=Phase.ENDED, agent=LegState.GONE, customer=LegState.GONE),
}
"""A call as it typically is in each phase."""

EVENTS: tuple[Event, ...] = (
    ev.CallArrived(after(10)),
    ev.CallAuthorised(after(10), TERMS, 1, False),
    ev.CallRefused(after(10), Reason.POOL_EXHAUSTED),
    ev.CustomerLegEntered(after(10)),
    ev.CustomerLegFailed(after(10), Reason.CONGESTION),
    ev.CustomerRang(after(10)),
    ev.CustomerAnswered(after(10)),
    ev.CustomerLegGone(after(10), 16, 200),
    ev.AgentLegGone(after(10), 16),
    ev.HoldExtended(after(10), 6, False),
    ev.ExtensionFailed(after(10), exhausted=True),
    ev.AnnouncementFinished(after(10)),
    ev.CallClosed(after(10)),
    ev.CloseFailed(after(10)),
    ev.CallAdopted(after(10)),
    ev.ClockStepped(after(10), 3600.0),
    *(ev.DeadlinePassed(after(10), deadline) for deadline in Deadline),
)
