"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling pauses with jitter, so that daemons which lost the same Asterisk do not come back in step."""

    first_s: float = 0.1
    longest_s: float = 5.0
    uniform: Callable[[float, float], float] = random.uniform

    def pause_s(self, attempt: int) -> float:
        """Before attempt number `attempt` (from 1): between half of the doubled pause and all of it."""
        ceiling = min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 32))
        return self.uniform(ceiling / 2, ceiling)
