"""The call-record port: what Asterisk itself wrote down (CEL) about channels, also while we were dead (D6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """What the CEL says of one channel. A field is None where no row of that kind is there."""

    channel_id: str
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    q850: int | None = None
    last_seen_at: datetime | None = None
    """The last row of any kind."""


class ChannelRecords(Protocol):
    async def read(
        self, channel_ids: Collection[str], *, since: datetime, ended: Collection[str], wait_s: float
    ) -> dict[str, ChannelRecord]:
        """Records of these channels from files written since `since` (rotated ones too). Waits up to `wait_s` for
        the end row of the channels in `ended` (known to be gone); returns what there is by then, never raises."""
