"""One line of the CEL file, and what the lines of one channel say together. No I/O.

Source: Asterisk's CEL documentation and `asterisk-conf/cel_custom.conf`: nine columns, all in double quotes, a quote
inside doubled (RFC 4180): eventtype, eventtime (seconds since 1970 UTC with a fraction), uniqueid, linkedid, channame,
appname, appdata, peer, eventextra (JSON; of HANGUP: `hangupcause`, Q.850).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from callcontrol.engine.ports.records import ChannelRecord

_SEPARATOR = b'","'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"([0-9]{1,11})(?:\.([0-9]{1,9}))?")
_END_KINDS = ("HANGUP", "CHAN_END")


@dataclass(frozen=True, slots=True)
class Row:
    """What is needed of one line."""

    kind: str
    at: datetime
    channel_id: str
    q850: int | None = None


def parse_time(text: str) -> datetime | None:
    """`1795312345.678901` -> aware UTC, exact to the microsecond; None for anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    seconds, fraction = match.groups(default="")
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(fraction.ljust(6, "0")[:6]))


def parse(line: bytes) -> Row | None:
    """The row of one complete line without its line end; None for junk.

    A line whose later columns are damaged still tells kind, time and channel, which is all that money needs.
    """
    columns = line.split(_SEPARATOR, 3)
    if len(columns) < 4 or not columns[0].startswith(b'"'):
        return None
    kind = columns[0][1:].decode("ascii", "replace")
    at = parse_time(columns[1].decode("ascii", "replace"))
    if at is None or not kind:
        return None
    cause = _hangup_cause(line) if kind == "HANGUP" else None
    return Row(kind, at, columns[2].decode("utf-8", "replace"), cause)


def _hangup_cause(line: bytes) -> int | None:
    try:
        columns = next(csv.reader([line.decode("utf-8", "replace")], strict=True))
        extra = json.loads(columns[8])
        cause = extra["hangupcause"]
    except (csv.Error, StopIteration, IndexError, ValueError, KeyError, TypeError):
        return None
    # 0 is Asterisk's word for "no cause known".
    return cause if type(cause) is int and 0 < cause < 128 else None


class Gathering:
    """The rows of the channels asked for, in whatever order and however often they are read."""

    def __init__(self, channel_ids: Collection[str]) -> None:
        self._wanted = {channel_id.encode() for channel_id in channel_ids}
        self._rows: dict[str, set[Row]] = {}
        self._without_start = set(channel_ids)
        self._without_end = set(channel_ids)
        self.junk_lines = 0

    def add(self, lines: Iterable[bytes]) -> None:
        """Take complete lines; those of other channels cost one split and one look-up."""
        wanted = self._wanted
        for line in lines:
            columns = line.split(_SEPARATOR, 3)
            if len(columns) < 4:
                self.junk_lines += bool(line.strip())
            elif columns[2] in wanted:
                self._take(line)

    def _take(self, line: bytes) -> None:
        row = parse(line)
        if row is None:
            self.junk_lines += 1
            return
        self._rows.setdefault(row.channel_id, set()).add(row)
        if row.kind == "CHAN_START":
            self._without_start.discard(row.channel_id)
        elif row.kind in _END_KINDS:
            self._without_end.discard(row.channel_id)

    @property
    def complete(self) -> bool:
        """Every channel's first row is here: nothing older can add to it."""
        return not self._without_start

    def lacking_end(self, channel_ids: Collection[str]) -> list[str]:
        """Those of the channels whose end is not recorded yet."""
        return sorted(self._without_end.intersection(channel_ids))

    def records(self) -> dict[str, ChannelRecord]:
        """What the rows say; a channel without any row is not in it."""
        return {channel_id: _record(channel_id, rows) for channel_id, rows in self._rows.items()}


def _record(channel_id: str, rows: set[Row]) -> ChannelRecord:
    def first(*kinds: str) -> datetime | None:
        return min((row.at for row in rows if row.kind in kinds), default=None)

    return ChannelRecord(
        channel_id=channel_id,
        started_at=first("CHAN_START"),
        answered_at=first("ANSWER"),
        ended_at=first(*_END_KINDS),
        q850=next((row.q850 for row in rows if row.q850 is not None), None),
        last_seen_at=max(row.at for row in rows),
    )
