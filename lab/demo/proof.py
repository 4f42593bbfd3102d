"""Was the call billed as the rules say? (R6, R7, R13, M10's instrument: tones.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.audio import complete, seconds_of_tone
from lab.carrier import CUSTOMER_HZ, CarrierCall
from lab.daemon import DaemonProcess
from lab.demo.company import ADDON_MINUTES, COMPANY, ORIGIN_NUMBER, POOL_MINUTES
from lab.phone import PhoneAccount, PhoneCall

TALK_S = 3
DIALLED = f"99000-0{TALK_S:03}"
"""Rings one second, answers, talks three (lab/carrier.conf)."""
_HEARD_S = TALK_S - 1
"""Of three seconds' talk, how much of the other's voice must be in a recording."""


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    good: bool


async def checks(
    daemon: DaemonProcess, agent: PhoneAccount, phone_call: PhoneCall, carrier_call: CarrierCall
) -> list[Check]:
    """Everything that must hold after the one call."""
    calls: list[dict[str, Any]] = await daemon.json("calls", COMPANY)
    usage: dict[str, Any] = await daemon.json("usage", COMPANY)
    call = calls[0] if calls else {}
    entries: list[dict[str, Any]] = await daemon.json("entries", COMPANY)
    posted = [entry for entry in entries if entry["call_id"] and entry["call_id"] == call.get("call_id")]
    agent_hears = seconds_of_tone(await complete(phone_call.heard), CUSTOMER_HZ)
    customer_hears = seconds_of_tone(await complete(carrier_call.heard), agent.tone_hz)
    return [
        Check(f"the agent heard the customer ({agent_hears:.1f} s)", agent_hears >= _HEARD_S),
        Check(f"the customer heard the agent ({customer_hears:.1f} s)", customer_hears >= _HEARD_S),
        Check(
            f"the customer saw {carrier_call.caller}, the company's origin number", carrier_call.caller == ORIGIN_NUMBER
        ),
        Check("the call is in the list once", len(calls) == 1),
        Check(f"disposition: {call.get('disposition')}", call.get("disposition") == "ANSWERED"),
        Check(f"billed minutes: {call.get('billed_minutes')}, expected 1 (R7)", call.get("billed_minutes") == 1),
        Check(
            f"entries of the call: {[entry['minutes'] for entry in posted]}, from the monthly pool",
            [(abs(entry["minutes"]), entry["grant_kind"]) for entry in posted] == [(1, "monthly")],
        ),
        Check(
            f"monthly pool: {usage['monthly_posted']} of {usage['monthly_granted']} min used",
            (usage["monthly_posted"], usage["monthly_granted"]) == (1, POOL_MINUTES),
        ),
        Check(f"add-ons untouched: {usage['addon_balance']} min", usage["addon_balance"] == ADDON_MINUTES),
        Check(f"minutes still held: {usage['held']}", usage["held"] == 0),
    ]
