"""Asterisk's softphones in memory: the SoftphoneRegistry port."""

from __future__ import annotations

from callcontrol.engine.ports.pbx import Outcome, PbxUnavailable, SoftphoneAccount


class FakeSoftphones:
    """Implements callcontrol.engine.ports.pbx.SoftphoneRegistry. What was put survives a restart, as in astdb."""

    def __init__(self, *, static: tuple[str, ...] = ("carrier",)) -> None:
        """`static`: endpoints of pjsip.conf, which are present and nobody's."""
        self.accounts: dict[str, SoftphoneAccount] = {}
        self.registered: set[str] = set()
        self.answering = True
        self.puts: list[str] = []
        """SIP user names, in the order in which they were put."""
        self._static = static

    def register(self, sip_username: str, token: str) -> bool:
        """What a phone does with its token; False: refused."""
        account = self.accounts.get(sip_username)
        accepted = account is not None and account.token == token
        if accepted:
            self.registered.add(sip_username)
        return accepted

    async def put(self, account: SoftphoneAccount) -> Outcome:
        if not self.answering:
            return Outcome.UNKNOWN
        self.puts.append(account.sip_username)
        before = self.accounts.get(account.sip_username)
        if before is not None and before.token != account.token:
            self.registered.discard(account.sip_username)
        self.accounts[account.sip_username] = account
        return Outcome.DONE

    async def remove(self, sip_username: str) -> Outcome:
        if not self.answering:
            return Outcome.UNKNOWN
        self.registered.discard(sip_username)
        return Outcome.GONE if self.accounts.pop(sip_username, None) is None else Outcome.DONE

    async def present(self) -> dict[str, str]:
        if not self.answering:
            raise PbxUnavailable("no answer")
        agents = {name: "online" if name in self.registered else "offline" for name in self.accounts}
        return agents | dict.fromkeys(self._static, "online")
