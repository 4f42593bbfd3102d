"""The observer port: metrics and logs wrap committed facts; rules do not know them."""

from __future__ import annotations

from typing import Protocol

from callcontrol.domain.calls.state import Call
from callcontrol.engine.ports.ledger import Cdr


class Observer(Protocol):
    def call_changed(self, before: Call | None, after: Call) -> None:
        """A call moved (or appeared). Called after every decide that changed it."""

    def call_closed(self, call: Call, cdr: Cdr) -> None:
        """CDR and minutes are committed."""

    def minutes_refused(self, reason: str) -> None:
        """An authorisation was refused."""

    def reconciled(self, source: str) -> None:
        """Recovery dealt with a call: `adopted`, `cel`, `estimated`, `voided`."""

    def clock_stepped(self, step_s: float) -> None:
        """The wall clock was set while we ran (D10)."""

    def orphan_reaped(self, kind: str) -> None:
        """Something of ours without a call was removed: `channel`, `bridge`."""


class AriObserver(Protocol):
    """What the ARI room tells the metrics. Labels come from closed sets: routes are templates, never ids."""

    def ari_connected(self, connected: bool) -> None:
        """The session went live (reconciled, events flowing), or it was lost."""

    def ari_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A REST request ended; `route` such as `/channels/{id}/dial`; status 0: no answer."""

    def ari_event(self, event_type: str, lag_s: float) -> None:
        """An event was read; `lag_s` from Asterisk's timestamp to our reading of it."""
