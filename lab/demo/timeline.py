"""The call as it happens, on the terminal."""

from __future__ import annotations

import time
from typing import Any

from lab.demo.follow import LogLine
from lab.events import Event

_MEANING = {
    "call.arrived": "the agent's INVITE entered the application; rules are asked",
    "call.authorised": "allowed, and a minute is held",
    "call.dialling": "the INVITE goes to the carrier",
    "call.ringing": "Chamando",
    "call.answered": "Em ligação: from here it costs (R6)",
    "call.extended": "more minutes held",
    "call.ended": "hung up",
    "call.refused": "refused before dialling",
    "call.closed": "CDR and minutes committed in one transaction",
}
_SIP = {"RINGING": "180", "PROGRESS": "183", "ANSWER": "200"}
_DETAILS = ("dialled", "number", "trunk", "held_minutes", "disposition", "reason", "billsec", "billed_minutes")


class Timeline:
    """Prints what daemon and carrier say, each with the seconds since `begin`."""

    def __init__(self) -> None:
        self._began_at: float | None = None

    def begin(self) -> None:
        self._began_at = time.monotonic()

    def end(self) -> None:
        self._began_at = None

    def daemon(self, line: LogLine) -> None:
        if line["event"] in _MEANING:
            details = ", ".join(f"{key}={line[key]}" for key in _DETAILS if line.get(key) not in (None, ""))
            self._print(
                "daemon", f"{line['event']:16} {_MEANING[line['event']]}" + (f" ({details})" if details else "")
            )

    def carrier(self, event: Event) -> None:
        channel: dict[str, Any] = event.get("channel") or {}
        who = "carrier" if channel.get("name", "").startswith("PJSIP/pbx-") else "phone"
        if event["type"] == "ChannelCreated" and who == "carrier":
            caller = channel["caller"]["number"]
            self._print(who, f"INVITE for {channel['dialplan']['exten']}, caller {caller or 'unknown'}")
        elif event["type"] == "ChannelStateChange" and who == "carrier" and channel["state"] in ("Ringing", "Up"):
            self._print(who, {"Ringing": "180 Ringing", "Up": "200 OK"}[channel["state"]])
        elif event["type"] == "Dial" and event["peer"]["name"].startswith("PJSIP/") and event["dialstatus"] in _SIP:
            self._print("phone", f"{_SIP[event['dialstatus']]} received")

    def _print(self, who: str, what: str) -> None:
        if self._began_at is not None:
            print(f"  {time.monotonic() - self._began_at:7.3f} s  {who:8} {what}", flush=True)
