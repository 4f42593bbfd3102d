"""The timeline of calls in the log: one line for each committed fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.causes import Disposition
from callcontrol.engine.ports.ledger import Cdr


def _by_kind(cdr: Cdr) -> dict[str, int]:
    """Grant kind -> minutes: a call may take from several grants of a kind, such as two add-ons."""
    minutes: Counter[str] = Counter()
    for posting in cdr.postings:
        minutes[posting.grant_kind] += posting.minutes
    return dict(minutes)


class LoggingObserver:
    """The timeline of every call. Event names and fields are stable: scripts and operators search for them.

    `call.arrived` or `call.adopted`, `call.authorised`, `call.dialling`, `call.ringing`, `call.answered`,
    `call.extended`, then `call.refused` or `call.ended`, and `call.closed` once the bill is committed. Whoever asks
    Asterisk for it writes `call.warned`: a tone to the agent before the last held minute ends (D4).
    """

    def __init__(self) -> None:
        self._log = structlog.get_logger("callcontrol.calls")

    def call_changed(self, before: Call | None, after: Call) -> None:
        say = self._log.bind(call_id=after.call_id).info
        if before is None:
            new = after.phase is Phase.AUTHORISING
            say(
                "call.arrived" if new else "call.adopted",
                phase=after.phase.value,
                sip_username=after.sip_username,
                dialled=after.dialled,
                agent_channel=after.agent_channel,
                customer_channel=after.customer_channel,
                at=after.started_at.isoformat(),
            )
            return
        if after.phase is not before.phase and after.phase in _PHASE_LINES:
            event, fields = _PHASE_LINES[after.phase]
            say(event, number=_number(after), **fields(after))
        if after.rang_at and not before.rang_at:
            say("call.ringing", number=_number(after), at=after.rang_at.isoformat())
        if after.answered_at and not before.answered_at:
            say("call.answered", number=_number(after), at=after.answered_at.isoformat())
        if before.answered_at and after.held_minutes > before.held_minutes:
            say("call.extended", held_minutes=after.held_minutes, last_minute=after.last_minute)
        if after.disposition and after.disposition is not before.disposition:
            refused = after.disposition is Disposition.REFUSED
            say("call.refused" if refused else "call.ended", number=_number(after), **_end(after))

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        self._log.info(
            "call.closed",
            call_id=cdr.call_id,
            number=_number(call),
            disposition=cdr.disposition.value,
            reason=call.reason.value if call.reason else None,
            billsec=cdr.billsec,
            billed_minutes=cdr.billed_minutes,
            postings=_by_kind(cdr),
            estimated=call.estimated,
            clock_step_s=call.clock_step_s,
        )

    def minutes_refused(self, reason: str) -> None:
        """The call's own line, `call.refused`, says it."""

    def reconciled(self, source: str) -> None:
        self._log.info("call.reconciled", source=source)

    def clock_stepped(self, step_s: float) -> None:
        """The engine's own line, `clock.stepped`, says it, with how many calls it touches."""

    def orphan_reaped(self, kind: str) -> None:
        self._log.warning("orphan.reaped", kind=kind)


def _number(call: Call) -> str:
    return call.terms.number if call.terms else call.dialled


def _end(call: Call) -> dict[str, Any]:
    return {
        "disposition": call.disposition.value if call.disposition else None,
        "reason": call.reason.value if call.reason else None,
        "q850": call.q850,
        "sip_code": call.sip_code,
        "at": call.ended_at.isoformat() if call.ended_at else None,
    }


def _authorised(call: Call) -> dict[str, Any]:
    terms = call.terms
    return {
        "direction": terms.direction if terms else None,
        "trunk": terms.trunk if terms else None,
        "billable": call.billable,
        "held_minutes": call.held_minutes,
    }


_PHASE_LINES: dict[Phase, tuple[str, Callable[[Call], dict[str, Any]]]] = {
    Phase.PREPARING: ("call.authorised", _authorised),
    Phase.DIALLING: ("call.dialling", lambda call: {"customer_channel": call.customer_channel}),
}
