"""What every group of commands works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET

from callcontrol.engine.admin.commands import Command
from callcontrol.engine.admin.errors import invalid
from callcontrol.engine.admin.store import DirectoryStore
from callcontrol.engine.ports.auditing import Auditor
from callcontrol.engine.ports.minutes import LiveCalls, MinutesAdministration

Handler = Callable[[Any, str], Awaitable[object]]
"""Takes its command and the actor (who gave it, for the audit trail); returns views."""
Handlers = Mapping[type[Command], Handler]


@dataclass(frozen=True, slots=True)
class Context:
    store: DirectoryStore
    minutes: MinutesAdministration
    auditor: Auditor
    emergency_codes: frozenset[str]
    now: Callable[[], datetime]
    on_softphones_changed: Callable[[], None]
    live_calls: Callable[[], LiveCalls | None]
    """What the daemon has in its hands; None: nobody knows now."""


def changes_of(command: Command, **fields: Callable[[Any], object]) -> dict[str, object]:
    """The given fields of a `Set...` command, each through its check. Raises AdminError if there is none."""
    changes = {name: check(value) for name, check in fields.items() if (value := getattr(command, name)) is not UNSET}
    if not changes:
        raise invalid("nothing to change: give at least one option")
    return changes
