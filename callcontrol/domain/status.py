"""The status words of the call list (R10)."""

from __future__ import annotations

from enum import StrEnum

from callcontrol.domain.causes import Disposition


class CallStatus(StrEnum):
    """What a call is, in the words its users read."""

    CALLING = "Chamando"
    IN_CALL = "Em ligação"
    ANSWERED = "Atendida"
    NOT_ANSWERED = "Não atendida"
    BUSY = "Ocupado"
    CANCELLED = "Cancelada"
    REFUSED = "Recusada"
    FAILED = "Falhou"


_OF_DISPOSITION = {
    Disposition.ANSWERED: CallStatus.ANSWERED,
    Disposition.NO_ANSWER: CallStatus.NOT_ANSWERED,
    Disposition.BUSY: CallStatus.BUSY,
    Disposition.CANCELLED: CallStatus.CANCELLED,
    Disposition.REFUSED: CallStatus.REFUSED,
    Disposition.FAILED: CallStatus.FAILED,
}


def call_status(disposition: Disposition | None, *, answered: bool) -> CallStatus:
    """R6 and R10: without a disposition the call runs, calling until the customer's leg is answered."""
    if disposition is None:
        return CallStatus.IN_CALL if answered else CallStatus.CALLING
    return _OF_DISPOSITION[disposition]


_DISPOSITION_OF = {status: disposition for disposition, status in _OF_DISPOSITION.items()}


def disposition_of(status: CallStatus) -> Disposition | None:
    """None for a call that runs."""
    return _DISPOSITION_OF.get(status)
