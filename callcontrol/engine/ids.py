"""Call ids: ours before Asterisk or the ledger hears of the call."""

from __future__ import annotations

import secrets
import time


def new_call_id() -> str:
    """A UUID version 7 (RFC 9562, section 5.7) as 32 hex digits: unique, and sorted by time of creation."""
    unix_ms = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (unix_ms << 80) | (0x7 << 76) | ((random >> 62) << 64) | (0b10 << 62) | (random & ((1 << 62) - 1))
    return f"{value:032x}"
