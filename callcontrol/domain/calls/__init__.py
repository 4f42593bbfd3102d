"""The outbound call as a pure machine: `decide(call, event) -> (call, effects)`."""

from callcontrol.domain.calls.state import Call, Phase
from callcontrol.domain.calls.table import decide

__all__ = ["Call", "Phase", "decide"]
