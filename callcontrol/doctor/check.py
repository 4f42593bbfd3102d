"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `ok`: True, False (calls or bills will go wrong), None (a warning, or it could not be seen)."""

    name: str
    ok: bool | None
    message: str
    advice: str = ""
