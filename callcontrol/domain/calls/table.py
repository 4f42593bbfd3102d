"""The transition table of an outbound call: data, to be read aloud.

A cell (phase, event) is a `Row`, or is ignored with the reason why, or is illegal: `decide` then raises
IllegalEvent, because only a defect of ours can bring it about. Every phase but the last holds a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

from callcontrol.domain.calls import ending, reaching, talking
from callcontrol.domain.calls import events as ev
from callcontrol.domain.calls.effects import Effect
from callcontrol.domain.calls.events import Deadline, Event
from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.steps import Move, note_clock_step


class IllegalEvent(Exception):
    """An event that cannot happen in this phase: a defect of ours, never of the world."""


@dataclass(frozen=True, slots=True)
class Row:
    """In `phase`, on `event`: do `move`; the call is then in one of `to`."""

    phase: Phase
    event: type[Event]
    move: Move
    to: frozenset[Phase]
    deadline: Deadline | None = None
    """For DeadlinePassed: which one."""


DEADLINES: dict[Phase, frozenset[Deadline]] = {
    Phase.AUTHORISING: frozenset({Deadline.AUTHORISE}),
    Phase.PREPARING: frozenset({Deadline.SETUP}),
    Phase.DIALLING: frozenset({Deadline.RING}),
    Phase.RINGING: frozenset({Deadline.RING}),
    Phase.TALKING: frozenset({Deadline.EXTEND, Deadline.WARN, Deadline.CUT, Deadline.MAX_DURATION}),
    Phase.ANNOUNCING: frozenset({Deadline.ANNOUNCEMENT}),
    Phase.ENDING: frozenset({Deadline.HANG_UP}),
    Phase.CLOSING: frozenset({Deadline.CLOSE}),
    Phase.ENDED: frozenset(),
}
"""The deadlines that may run in a phase; entering it cancels all others."""


def _row(phase: Phase, event: type[Event], move: Move, *to: Phase, deadline: Deadline | None = None) -> Row:
    return Row(phase, event, move, frozenset(to), deadline)


_A, _P, _D, _R = Phase.AUTHORISING, Phase.PREPARING, Phase.DIALLING, Phase.RINGING
_T, _N, _E, _C, _Z = Phase.TALKING, Phase.ANNOUNCING, Phase.ENDING, Phase.CLOSING, Phase.ENDED

ROWS: tuple[Row, ...] = (
    # authorising: rules and ledger are asked
    _row(_A, ev.CallArrived, reaching.arrive, _A),
    _row(_A, ev.CallAuthorised, reaching.prepare, _P),
    _row(_A, ev.CallRefused, reaching.refuse, _N),
    _row(_A, ev.AgentLegGone, reaching.abandon, _C),
    _row(_A, ev.DeadlinePassed, reaching.refuse_unanswered_ledger, _N, deadline=Deadline.AUTHORISE),
    # preparing: the customer's leg is being made
    _row(_P, ev.CustomerLegEntered, reaching.dial, _D),
    _row(_P, ev.CustomerLegFailed, reaching.fail_to_dial, _N),
    _row(_P, ev.CustomerLegGone, reaching.fail_to_reach, _N),
    _row(_P, ev.AgentLegGone, reaching.cancel, _E),
    _row(_P, ev.CallAdopted, reaching.prepare_again, _P),
    _row(_P, ev.DeadlinePassed, reaching.give_up_setup, _N, deadline=Deadline.SETUP),
    # dialling: the INVITE is on its way
    _row(_D, ev.CustomerRang, reaching.ring, _R),
    _row(_D, ev.CustomerAnswered, talking.answer, _T),
    _row(_D, ev.CustomerLegFailed, reaching.fail_to_dial, _N),
    _row(_D, ev.CustomerLegGone, reaching.fail_to_reach, _N),
    _row(_D, ev.AgentLegGone, reaching.cancel, _E),
    _row(_D, ev.CallAdopted, reaching.ring_on, _D),
    _row(_D, ev.DeadlinePassed, reaching.give_up_ringing, _N, deadline=Deadline.RING),
    # ringing
    _row(_R, ev.CustomerAnswered, talking.answer, _T),
    _row(_R, ev.CustomerLegFailed, reaching.fail_to_dial, _N),
    _row(_R, ev.CustomerLegGone, reaching.fail_to_reach, _N),
    _row(_R, ev.AgentLegGone, reaching.cancel, _E),
    _row(_R, ev.CallAdopted, reaching.ring_on, _R),
    _row(_R, ev.DeadlinePassed, reaching.give_up_ringing, _N, deadline=Deadline.RING),
    # talking: billed
    _row(_T, ev.HoldExtended, talking.prolong, _T),
    _row(_T, ev.ExtensionFailed, talking.wait_for_minutes, _T),
    _row(_T, ev.CustomerLegGone, talking.hang_up, _E, _C),
    _row(_T, ev.AgentLegGone, talking.hang_up, _E, _C),
    _row(_T, ev.CallAdopted, talking.talk_on, _T),
    _row(_T, ev.ClockStepped, note_clock_step, _T),
    _row(_T, ev.DeadlinePassed, talking.extend, _T, deadline=Deadline.EXTEND),
    _row(_T, ev.DeadlinePassed, talking.warn, _T, deadline=Deadline.WARN),
    _row(_T, ev.DeadlinePassed, talking.cut, _E, deadline=Deadline.CUT),
    _row(_T, ev.DeadlinePassed, talking.end_at_max_duration, _E, deadline=Deadline.MAX_DURATION),
    # announcing: the agent hears why not
    _row(_N, ev.AnnouncementFinished, ending.hang_up_agent, _E, _C),
    _row(_N, ev.DeadlinePassed, ending.hang_up_agent, _E, _C, deadline=Deadline.ANNOUNCEMENT),
    _row(_N, ev.AgentLegGone, ending.note_agent_gone, _E, _C),
    _row(_N, ev.CustomerLegGone, ending.note_customer_gone, _N, _C),
    _row(_N, ev.CustomerLegEntered, ending.hang_up_latecomer, _N),
    _row(_N, ev.CustomerAnswered, ending.note_late_answer, _N),
    _row(_N, ev.CallAuthorised, reaching.note_late_authorisation, _N),
    _row(_N, ev.ClockStepped, note_clock_step, _N),
    # ending: waiting for Asterisk to say that the legs are gone
    _row(_E, ev.AgentLegGone, ending.note_agent_gone, _E, _C),
    _row(_E, ev.CustomerLegGone, ending.note_customer_gone, _E, _C),
    _row(_E, ev.CustomerLegEntered, ending.hang_up_latecomer, _E),
    _row(_E, ev.CustomerAnswered, ending.note_late_answer, _E),
    _row(_E, ev.CallAuthorised, reaching.note_late_authorisation, _E),
    _row(_E, ev.HoldExtended, talking.note_late_extension, _E),
    _row(_E, ev.ClockStepped, note_clock_step, _E),
    _row(_E, ev.DeadlinePassed, ending.hang_up_again, _E, deadline=Deadline.HANG_UP),
    # closing: CDR and minutes are being written
    _row(_C, ev.CallClosed, ending.finish, _Z),
    _row(_C, ev.CloseFailed, ending.retry_close_later, _C),
    _row(_C, ev.DeadlinePassed, ending.close_again, _C, deadline=Deadline.CLOSE),
    _row(_C, ev.CallAuthorised, reaching.note_late_authorisation, _C),
    _row(_C, ev.HoldExtended, talking.note_late_extension, _C),
    _row(_C, ev.CustomerLegEntered, ending.hang_up_latecomer, _C),
)

_AGAIN = "told before (D7)"
_LATE = "the call has moved on; the answer of an effect that no longer matters"
_GONE = "this leg is already known to be gone; ending a leg is idempotent, in any order"

IGNORED: dict[tuple[Phase, type[Event]], str] = {
    **{(phase, ev.CallArrived): _AGAIN for phase in (_P, _D, _R, _T, _N, _E, _C, _Z)},
    **{(phase, ev.CallAuthorised): _AGAIN for phase in (_P, _D, _R, _T, _Z)},
    **{(phase, ev.CallRefused): _LATE for phase in (_N, _E, _C, _Z)},
    **{(phase, ev.CustomerLegEntered): _AGAIN for phase in (_D, _R, _T, _Z)},
    **{(phase, ev.CustomerLegFailed): _LATE for phase in (_T, _N, _E, _C, _Z)},
    **{(phase, ev.CustomerRang): _LATE for phase in (_R, _T, _N, _E, _C, _Z)},
    **{(phase, ev.CustomerAnswered): _AGAIN for phase in (_T, _C, _Z)},
    **{(phase, ev.AgentLegGone): _GONE for phase in (_C, _Z)},
    **{(phase, ev.CustomerLegGone): _GONE for phase in (_C, _Z)},
    **{(phase, ev.HoldExtended): _LATE for phase in (_Z,)},
    **{(phase, ev.ExtensionFailed): _LATE for phase in (_E, _C, _Z)},
    **{(phase, ev.AnnouncementFinished): _LATE for phase in (_E, _C, _Z)},
    **{
        (phase, ev.CallAdopted): "its own deadline runs and nothing has to be set again"
        for phase in (_A, _N, _E, _C, _Z)
    },
    **{
        (phase, ev.ClockStepped): "not answered yet, so no duration is wrong; deadlines that run are not touched"
        for phase in (_A, _P, _D, _R)
    },
    **{(phase, ev.ClockStepped): "the talk had ended (D10)" for phase in (_C, _Z)},
    (_Z, ev.CallClosed): _AGAIN,
    (_Z, ev.CloseFailed): _LATE,
}

_CELLS: dict[tuple[Phase, type[Event], Deadline | None], Row] = {
    (row.phase, row.event, row.deadline): row for row in ROWS
}


def decide(call: Call, event: Event) -> tuple[Call, tuple[Effect, ...]]:
    """The next state of the call and what is to be done about it. Raises IllegalEvent; never anything else."""
    deadline = event.deadline if isinstance(event, ev.DeadlinePassed) else None
    row = _CELLS.get((call.phase, type(event), deadline))
    if row is not None:
        moved, effects = row.move(call, event)
        assert moved.phase in row.to, f"{row.move.__name__} went from {row.phase} to {moved.phase}"
        return moved, effects
    if deadline is not None and deadline not in DEADLINES[call.phase]:
        return call, ()  # it passed in the moment the phase was left
    if (call.phase, type(event)) in IGNORED:
        return call, ()
    raise IllegalEvent(f"{type(event).__name__} in {call.phase}")
