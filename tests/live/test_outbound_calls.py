"""Real calls: SIP and RTP through a real Asterisk, the daemon as a process of its own."""

from __future__ import annotations

import pytest

from lab.site import Site

pytestmark = pytest.mark.live


async def test_one_call_is_carried_and_billed(site: Site) -> None:
    """R6, R7, R10."""
    call = await site.phone("1001").dial("11988880002")
    await call.until("RINGING")
    await call.until("ANSWER")
    await call.until_ended()
    [row] = await site.calls()
    assert row["disposition"] == "ANSWERED"
    assert row["billed_minutes"] == 1
