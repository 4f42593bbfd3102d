"""The one door for administrative commands: the daemon's socket, the CLI and the API all come through it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from callcontrol.engine.admin.commands import Command
from callcontrol.engine.admin.companies import CompanyCommands
from callcontrol.engine.admin.context import Context, Handler
from callcontrol.engine.admin.destinations import DestinationCommands
from callcontrol.engine.admin.errors import AdminError, ErrorKind, conflict
from callcontrol.engine.admin.minutes import MinuteCommands
from callcontrol.engine.admin.numbers import NumberCommands
from callcontrol.engine.admin.people import PeopleCommands
from callcontrol.engine.admin.proof import ProofCommands
from callcontrol.engine.admin.reports import ReportCommands
from callcontrol.engine.admin.store import DirectoryStore
from callcontrol.engine.ports.auditing import Auditor
from callcontrol.engine.ports.ledger import KeyReused, LedgerUnavailable
from callcontrol.engine.ports.minutes import LiveCalls, MinutesAdministration


def _nobody_to_tell() -> None:
    """Without a daemon no Asterisk is waiting: softphones are provisioned when it starts."""


def _nobody_knows() -> LiveCalls | None:
    """Without a daemon nobody sees which calls live."""
    return None


class AdminService:
    """Validates a command, carries it out, returns what JSON can say.

    `on_softphones_changed` is called after the commit of whatever changes an agent's softphone.
    `auditor`: who checks the books where calls must not wait for that; else `minutes` does it.
    """

    def __init__(
        self,
        store: DirectoryStore,
        minutes: MinutesAdministration,
        *,
        emergency_codes: frozenset[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_softphones_changed: Callable[[], None] = _nobody_to_tell,
        live_calls: Callable[[], LiveCalls | None] = _nobody_knows,
        auditor: Auditor | None = None,
    ) -> None:
        context = Context(store, minutes, auditor or minutes, emergency_codes, now, on_softphones_changed, live_calls)
        self._handlers: dict[type[Command], Handler] = {
            **CompanyCommands(context).handlers(),
            **PeopleCommands(context).handlers(),
            **NumberCommands(context).handlers(),
            **DestinationCommands(context).handlers(),
            **MinuteCommands(context).handlers(),
            **ReportCommands(context).handlers(),
            **ProofCommands(context).handlers(),
        }

    async def execute(self, command: Command, *, actor: str) -> object:
        """Carry out `command` for `actor` (who gives it, for the audit trail): dicts, lists and scalars.

        Raises AdminError; nothing was changed then.
        """
        try:
            return msgspec.to_builtins(await self._handlers[type(command)](command, actor))
        except KeyReused as error:
            raise conflict(f"{error}: give another id, or ask for the same as then") from error
        except LedgerUnavailable as error:
            raise AdminError(f"the ledger does not answer: {error}", ErrorKind.UNAVAILABLE) from error
