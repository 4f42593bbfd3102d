"""What the called side does, as a script of steps in virtual time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SIP_OF_CAUSE = {17: 486, 19: 480, 21: 403, 1: 404, 22: 410, 28: 484, 34: 503, 18: 408, 38: 500, 27: 502}
"""The refusals a carrier sends, as Asterisk reports them: Q.850 cause -> SIP code (measured on 22.10.1)."""


class Step(StrEnum):
    PROCEED = "proceed"
    RING = "ring"
    EARLY_MEDIA = "early media"
    ANSWER = "answer"
    REFUSE = "refuse"
    HANG_UP = "hang up"


@dataclass(frozen=True, slots=True)
class Act:
    """`after_s`: since the step before it, the first one since dialling."""

    after_s: float
    step: Step
    q850: int = 16
    sip_code: int | None = None


Script = tuple[Act, ...]


def answers(*, ring_after_s: float = 0.1, answer_after_s: float = 1.0, talks_s: float | None = None) -> Script:
    """Rings, answers, and hangs up after `talks_s` (None: never)."""
    acts = (Act(ring_after_s, Step.RING), Act(answer_after_s, Step.ANSWER))
    return acts if talks_s is None else (*acts, Act(talks_s, Step.HANG_UP))


def answers_at_once(talks_s: float | None = None) -> Script:
    """200 without 180: some carriers, all voicemails."""
    acts = (Act(0.1, Step.ANSWER),)
    return acts if talks_s is None else (*acts, Act(talks_s, Step.HANG_UP))


def early_media_then_answers(*, answer_after_s: float = 2.0, talks_s: float | None = None) -> Script:
    acts = (Act(0.1, Step.EARLY_MEDIA), Act(answer_after_s, Step.ANSWER))
    return acts if talks_s is None else (*acts, Act(talks_s, Step.HANG_UP))


def refuses(q850: int, *, after_s: float = 0.1, rings: bool = False) -> Script:
    """17 is busy, 21 rejected, 1 no such number, 34 congestion."""
    act = Act(after_s, Step.REFUSE, q850, SIP_OF_CAUSE[q850])
    return (Act(0.1, Step.RING), act) if rings else (act,)


def rings_for_ever() -> Script:
    return (Act(0.1, Step.RING),)


def says_nothing() -> Script:
    """100 at most, and then nothing: a carrier that hangs."""
    return ()
