"""SIPp's short message trace, and what it tells of each call. Pure.

Source: SIPp 3.6, `-trace_shortmsg`: one line per SIP message, separated by tabs: date, time, seconds since 1970 with
six decimals, S (sent) or R (received), Call-ID, `CSeq:` with its number and method, the first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_REQUEST_NUMBER = re.compile(r"^INVITE sip:\+?[0-9]*?([0-9]{8})@")


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message, at the moment SIPp handled it."""

    at_s: float
    sent: bool
    call_id: str
    cseq: int
    method: str
    """Of the CSeq: a response carries its request's."""
    first_line: str

    @property
    def status(self) -> int | None:
        """None for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0 ") else None

    @property
    def call_number(self) -> str | None:
        """The last eight digits of the number an INVITE asks for: the same on both sides of the PBX."""
        found = _REQUEST_NUMBER.match(self.first_line)
        return found.group(1) if found else None


@dataclass(slots=True)
class Setup:
    """One call as agent and carrier saw it; instants in seconds, None for what did not happen."""

    asked_at: float
    """The first INVITE, without credentials."""
    authorised_at: float | None = None
    """The INVITE with credentials."""
    reached_at: float | None = None
    """The first INVITE at the carrier."""
    answered: bool = False
    completed: bool = False
    """The BYE was answered too."""
    retransmissions: int = 0
    """INVITEs that the agent had to repeat."""

    @property
    def delay_ms(self) -> float | None:
        """Post-dial delay: from the INVITE with credentials to the INVITE at the carrier."""
        if self.authorised_at is None or self.reached_at is None:
            return None
        return (self.reached_at - self.authorised_at) * 1000

    @property
    def whole_delay_ms(self) -> float | None:
        """The same from the first INVITE: with the round trip of the challenge."""
        return None if self.reached_at is None else (self.reached_at - self.asked_at) * 1000


def read(lines: Iterable[str]) -> Iterator[Message]:
    """Messages of a trace; a line that was cut off (SIPp was killed) is left out."""
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 7 or not fields[5].startswith("CSeq:"):
            continue
        number, _, method = fields[5].removeprefix("CSeq:").strip().partition(" ")
        if number.isdigit():
            yield Message(float(fields[2]), fields[3] == "S", fields[4], int(number), method, fields[6])


def setups(agents: Iterable[Message], carrier: Iterable[Message]) -> dict[str, Setup]:
    """What became of every call the agents made, by call number."""
    found: dict[str, Setup] = {}
    by_call_id: dict[str, Setup] = {}
    for message in agents:
        if message.sent and message.status is None and message.method == "INVITE":
            _note_invite(message, found, by_call_id)
        elif not message.sent and message.status == 200 and message.call_id in by_call_id:
            call = by_call_id[message.call_id]
            call.answered |= message.method == "INVITE"
            call.completed |= message.method == "BYE"
    for message in carrier:
        number = message.call_number
        if not message.sent and number in found and found[number].reached_at is None:
            found[number].reached_at = message.at_s
    return found


def _note_invite(message: Message, found: dict[str, Setup], by_call_id: dict[str, Setup]) -> None:
    number = message.call_number
    if number is None:
        return
    call = found.get(number)
    if call is None:
        found[number] = by_call_id[message.call_id] = Setup(message.at_s)
    elif message.cseq == 2 and call.authorised_at is None:
        call.authorised_at = message.at_s
    else:
        call.retransmissions += 1
