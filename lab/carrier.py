"""A second Asterisk: the carrier with its subscribers, and the agents' softphones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.asterisk import AsteriskInstance
from lab.events import Event, EventStream
from lab.phone import Phone, PhoneAccount
from lab.ports import LOOPBACK
from lab.prefix import REPOSITORY, AsteriskPrefix

CUSTOMER_HZ = 1000
"""What a called person says, once the call is answered."""
EARLY_MEDIA_HZ = 1400
"""What the carrier plays before it is answered (numbers 2SSS and 8SSS)."""

_HERE = Path(__file__).resolve().parent


@dataclass(slots=True)
class CarrierCall:
    """One INVITE that reached the carrier."""

    channel_id: str
    number: str
    """As it was dialled to the carrier; `phone-NAME` for a call to one of the softphones."""
    caller: str
    heard: Path
    """What the called person hears, from the answer on; complete when the call has ended."""
    answered: bool = False
    ended: bool = False


class CarrierInstance(AsteriskInstance):
    """See carrier.conf for what each number does."""

    def __init__(
        self,
        prefix: AsteriskPrefix,
        directory: Path,
        *,
        pbx_address: str = "",
        phones: Iterable[PhoneAccount] = (),
        name: str = "carrier",
        sip_port: int | None = None,
    ) -> None:
        """`pbx_address` (host:port) may be set any time before `start`: carrier and PBX need each other's."""
        super().__init__(prefix, directory, name=name, sip_port=sip_port)
        self.pbx_address = pbx_address
        self.calls: list[CarrierCall] = []
        """Every call that arrived, in order."""
        self._untaken: list[CarrierCall] = []
        self._by_channel: dict[str, CarrierCall] = {}
        self._events = EventStream(self.ari_url, self.ari_user, self.ari_password)
        self._events.listeners.append(self._on_event)
        self.set_phones(phones)

    async def start(self) -> None:
        await super().start()
        await self._events.open()

    async def stop(self) -> None:
        await self._events.close()
        await super().stop()

    async def kill(self) -> None:
        await self._events.close()
        await super().kill()

    def phone(self, username: str) -> Phone:
        return self.phones[username]

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Be told every event of this Asterisk."""
        self._events.listeners.append(listener)

    def set_phones(self, accounts: Iterable[PhoneAccount]) -> None:
        """Before `start`: the softphones it will play."""
        self.phones = {account.username: Phone(account, self._events, self.recordings) for account in accounts}

    async def add_phone(self, account: PhoneAccount) -> Phone:
        """A softphone that appears while the laboratory runs; it registers by itself."""
        await self.add_phones([account])
        return self.phones[account.username]

    async def add_phones(self, accounts: Iterable[PhoneAccount]) -> None:
        """Several at once."""
        for account in accounts:
            self.phones[account.username] = Phone(account, self._events, self.recordings)
        (self.etc / "pjsip.conf").write_text(self._pjsip())
        (self.etc / "extensions.conf").write_text(self._extensions())
        for module in ("pbx_config", "res_pjsip", "res_pjsip_outbound_registration"):
            await self.cli(f"module reload {module}.so")

    async def registered(self, username: str, timeout_s: float = 15.0) -> None:
        """Wait until the PBX has accepted this phone. Raises TimeoutError with the state it is in."""
        # ARI has no event for it, so the state is asked for. Asterisk waits some seconds of its own choice before the
        # first attempt and between two; a REGISTER ordered while another is on its way would begin all over.
        state = asked_in = "?"
        try:
            async with asyncio.timeout(timeout_s):
                while (state := await self._registration(username)) != "Registered":
                    if state != asked_in:
                        asked_in = state
                        await self.cli(f"pjsip send register phone-{username}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{username} is not registered after {timeout_s:g} s: {state}") from None

    async def next_call(self, number: str | None = None, timeout_s: float = 10.0) -> CarrierCall:
        """The first call that arrived (for this number) and was not given yet."""

        def arrived() -> CarrierCall | None:
            return next((call for call in self._untaken if number in (None, call.number)), None)

        call = await self._events.wait_for(arrived, timeout_s, f"a call to {number or 'the carrier'}")
        self._untaken.remove(call)
        return call

    async def until_answered(self, call: CarrierCall, timeout_s: float = 10.0) -> None:
        await self._events.wait_for(lambda: call.answered or None, timeout_s, f"an answer of {call.number}")

    async def until_ended(self, call: CarrierCall, timeout_s: float = 10.0) -> None:
        await self._events.wait_for(lambda: call.ended or None, timeout_s, f"the end of the call to {call.number}")

    async def hang_up(self, call: CarrierCall) -> None:
        """The called person hangs up."""
        await self._events.request("DELETE", f"/channels/{call.channel_id}")

    def configuration(self) -> Mapping[str, str]:
        conf = REPOSITORY / "asterisk-conf"
        return {
            "modules.conf": f'#include "{conf}/modules.conf"\n[modules](+)\n'
            "load = app_mixmonitor.so\nload = app_playtones.so\n",
            "logger.conf": f'#include "{conf}/logger.conf"\n',
            "indications.conf": f'#include "{conf}/indications.conf"\n',
            "sorcery.conf": "",
            "http.conf": f"[general]\nenabled = yes\nbindaddr = {LOOPBACK}\nbindport = {self.ari_port}\n",
            "ari.conf": "[general]\nenabled = yes\nwebsocket_write_timeout = 5000\n"
            f"[{self.ari_user}]\ntype = user\nread_only = no\npassword = {self.ari_password}\n",
            # A PBX that passes early media on and then bridges natively changes its RTP stream at the answer.
            # Telephones take that; Asterisk in their place, with strict RTP, would go deaf.
            "rtp.conf": f"[general]\nrtpstart = {self.rtp_range[0]}\nrtpend = {self.rtp_range[1]}\nstrictrtp = no\n",
            "pjsip.conf": self._pjsip(),
            "extensions.conf": self._extensions(),
        }

    async def _registration(self, username: str) -> str:
        output = await self.cli("pjsip show registrations")
        for line in output.splitlines():
            if line.strip().startswith(f"phone-{username}/"):
                return line.split()[2]
        return "unknown"

    def _on_event(self, event: Event) -> None:
        channel = event.get("channel") or {}
        kind = event["type"]
        if kind == "ChannelCreated" and channel["name"].startswith("PJSIP/pbx-"):
            call = CarrierCall(
                channel_id=channel["id"],
                number=channel["dialplan"]["exten"],
                caller=channel["caller"]["number"],
                heard=self.recordings / f"{channel['id']}.wav",
            )
            self.calls.append(call)
            self._untaken.append(call)
            self._by_channel[call.channel_id] = call
        elif call_of := self._by_channel.get(channel.get("id", "")):
            if kind == "ChannelStateChange" and channel["state"] == "Up":
                call_of.answered = True
            elif kind == "ChannelDestroyed":
                call_of.ended = True

    def _extensions(self) -> str:
        lines = [f'#include "{_HERE}/carrier.conf"', "[globals](+)", f"RECORDINGS = {self.recordings}"]
        for name in self.phones:
            dial = f"Dial(PJSIP/${{EXTEN}}@phone-{name},600,b(phone-listen^s^1))"
            lines += [f"[phone-{name}]", f"exten => _[+*#0-9]!,1,{dial}"]
        return "\n".join(lines) + "\n"

    def _pjsip(self) -> str:
        sections = [
            "[global]\ntype = global\nuser_agent = lab\nendpoint_identifier_order = ip",
            f"[udp]\ntype = transport\nprotocol = udp\nbind = {self.sip_address}",
            "[pbx]\ntype = endpoint\ncontext = from-pbx\ntransport = udp\n" + _MEDIA,
            f"[pbx]\ntype = identify\nendpoint = pbx\nmatch = {LOOPBACK}",
        ]
        for phone in self.phones.values():
            account, section = phone.account, f"phone-{phone.account.username}"
            sections += [
                f"[{section}]\ntype = auth\nauth_type = digest\nusername = {account.username}\n"
                f"password = {account.token}",
                f"[{section}]\ntype = aor\ncontact = sip:{self.pbx_address}",
                f"[{section}]\ntype = endpoint\ncontext = from-pbx\ntransport = udp\naors = {section}\n"
                f"outbound_auth = {section}\nfrom_user = {account.username}\n" + _MEDIA,
                f"[{section}]\ntype = registration\ntransport = udp\noutbound_auth = {section}\n"
                f"server_uri = sip:{self.pbx_address}\nclient_uri = sip:{account.username}@{self.pbx_address}\n"
                # The PBX may not know the agent yet: keep asking.
                f"contact_user = {section}\nretry_interval = 1\nforbidden_retry_interval = 1\n"
                "fatal_retry_interval = 1\nmax_retries = 100000\nauth_rejection_permanent = no\nexpiration = 300\n"
                "max_random_initial_delay = 0",
            ]
        return "\n\n".join(sections) + "\n"


_MEDIA = "disallow = all\nallow = alaw,ulaw\ndirect_media = no\nallow_transfer = no"
