"""A softphone of the laboratory: it registers, dials, speaks a tone, and what it hears is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from lab.events import Event, EventStream


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """What an agent is given, and the tone that tells this person's voice from others; 0: a phone that sends no RTP."""

    username: str
    token: str = field(repr=False)
    tone_hz: int = 440


@dataclass(slots=True)
class PhoneCall:
    """One call placed from a softphone, as its owner sees it."""

    number: str
    heard: Path
    """What the phone's owner hears, early media too; complete when the call has ended."""
    _events: EventStream = field(repr=False)
    _local: str = ""
    _dialling: str = ""
    channel_id: str | None = None
    progress: list[str] = field(default_factory=list)
    """What the phone showed, in order: RINGING (180), PROGRESS (183), ANSWER."""
    ended: bool = False
    sip_code: int | None = None
    """Final response, when the call was not answered."""
    q850: int | None = None

    @property
    def answered(self) -> bool:
        return "ANSWER" in self.progress

    async def until(self, progress: str, timeout_s: float = 10.0) -> None:
        """Wait until the phone shows RINGING, PROGRESS or ANSWER. TimeoutError also when the call ends first."""

        def shown() -> bool | None:
            if progress in self.progress:
                return True
            return False if self.ended else None

        what = f"{progress} on the phone that dialled {self.number}"
        if not await self._events.wait_for(shown, timeout_s, what):
            raise TimeoutError(f"{what}: ended before it, SIP {self.sip_code}, Q.850 {self.q850}")

    async def until_ended(self, timeout_s: float = 20.0) -> None:
        await self._events.wait_for(lambda: self.ended or None, timeout_s, f"the end of the call to {self.number}")

    async def hang_up(self) -> None:
        """Before the answer it is a CANCEL, then a BYE. A call that has ended is no error."""
        if not self.ended:
            await self._events.request("DELETE", f"/channels/{self._local}")

    def on_event(self, event: Event) -> None:
        kind = event["type"]
        if kind == "Dial" and (event.get("caller") or {}).get("id") == self._dialling:
            self.channel_id = event["peer"]["id"]
            if event["dialstatus"] in ("RINGING", "PROGRESS", "ANSWER"):
                self.progress.append(event["dialstatus"])
        elif kind == "ChannelDestroyed" and event["channel"]["id"] == self.channel_id:
            self.ended = True
            self.q850 = event.get("cause")
            self.sip_code = None if self.answered else event.get("tech_cause")


class Phone:
    """One softphone."""

    def __init__(self, account: PhoneAccount, events: EventStream, recordings: Path) -> None:
        self.account = account
        self._events = events
        self._recordings = recordings

    async def dial(self, number: str) -> PhoneCall:
        """Returns as soon as the phone has begun; see PhoneCall for what comes of it."""
        name = f"lab{secrets.token_hex(6)}"
        call = PhoneCall(
            number=number,
            heard=self._recordings / f"{name}.wav",
            _events=self._events,
            _local=name,
            _dialling=f"{name}-dialling",
        )
        self._events.listeners.append(call.on_event)
        # One half of a Local channel is the person, the other half the phone's keypad.
        await self._events.request(
            "POST",
            "/channels",
            endpoint=f"Local/{number}@phone-{self.account.username}/n",
            context="phone-talk",
            extension="s",
            priority=1,
            channelId=call._local,
            otherChannelId=call._dialling,
            timeout=-1,
            variables={"__HEARD": str(call.heard), "__TONE_HZ": str(self.account.tone_hz)},
        )
        return call
