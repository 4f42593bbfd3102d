"""The auditing port: who checks the books without standing in the way of calls."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from callcontrol.engine.ports.minutes import LiveCalls


class AuditFailed(Exception):
    """The audit ended without saying anything about the books; the message says why."""


class Auditor(Protocol):
    """`MinutesAdministration` is one, in the process that asks it."""

    async def audit(self, at: datetime, *, company_id: int | None = None, live: LiveCalls | None = None) -> list[str]:
        """As `MinutesAdministration.audit`. What is read is not older than `live`: a call that ended before `live` was
        taken has given back what it held. Raises LedgerUnavailable, AuditFailed."""
