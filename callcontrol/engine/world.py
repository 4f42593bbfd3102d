"""What a running call needs of its surroundings, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from callcontrol.domain.admission import Trunk
from callcontrol.domain.calls.state import Timing
from callcontrol.engine.ids import new_call_id
from callcontrol.engine.ports.clock import Clock
from callcontrol.engine.ports.directory import Directory
from callcontrol.engine.ports.ledger import Ledger
from callcontrol.engine.ports.observer import Observer
from callcontrol.engine.ports.pbx import Pbx
from callcontrol.engine.ports.records import ChannelRecords


@dataclass(frozen=True, slots=True)
class World:
    """The ports and settings that calls share."""

    node: str
    pbx: Pbx
    ledger: Ledger
    directory: Directory
    records: ChannelRecords
    clock: Clock
    observer: Observer
    timing: Timing = field(default_factory=Timing)
    emergency_codes: frozenset[str] = frozenset()
    emergency_trunk: Trunk | None = None
    """Where the configuration sends emergency codes when the directory cannot be asked (D16)."""
    directory_timeout_s: float = 1.0
    """How long an emergency call waits for the directory before it goes without it (D16)."""
    record_wait_s: float = 5.0
    """How long recovery waits for Asterisk's record of an ended channel (D6)."""
    new_call_id: Callable[[], str] = new_call_id
