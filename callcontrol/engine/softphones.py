"""Keeps Asterisk's agents equal to the directory's: pushed when they change, after every restart, and removed."""

from __future__ import annotations

import asyncio
import hashlib

import structlog

from callcontrol.engine.ports.directory import Directory, DirectoryUnavailable
from callcontrol.engine.ports.pbx import Outcome, PbxUnavailable, SoftphoneAccount, SoftphoneRegistry

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Pushes under way together: Asterisk's HTTP server has a short backlog."""
RETRY_S = 2.0


class SoftphoneProvisioner:
    """One task; `request()` asks for another round. What was pushed is remembered per node, so that an agent removed
    while Asterisk or the daemon was down is known to be gone."""

    def __init__(self, node: str, directory: Directory, registry: SoftphoneRegistry) -> None:
        self._node = node
        self._directory = directory
        self._registry = registry
        self._wanted = asyncio.Event()
        self._done = asyncio.Event()

    def request(self) -> None:
        """Agents changed, or Asterisk came back."""
        self._done.clear()
        self._wanted.set()

    async def up_to_date(self) -> None:
        """Wait until all that was requested is in Asterisk."""
        await self._done.wait()

    async def run(self) -> None:
        """Until cancelled. A round that fails is repeated; agents already registered are not disturbed meanwhile."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                complete = await self._round()
            except (DirectoryUnavailable, PbxUnavailable) as error:
                log.warning("softphones.not_pushed_now", reason=repr(error))
                complete = False
            if not complete:
                await asyncio.sleep(RETRY_S)
                self._wanted.set()
            elif not self._wanted.is_set():
                self._done.set()

    async def _round(self) -> bool:
        wanted = {account.sip_username: account for account in await self._directory.softphones()}
        pushed = await self._directory.provisioned(self._node)
        present = await self._registry.present()
        limit = asyncio.Semaphore(AT_ONCE)

        async def put(account: SoftphoneAccount) -> bool:
            async with limit:
                outcome = await self._registry.put(account)
            if outcome is not Outcome.DONE:
                log.error("softphone.not_pushed", sip_username=account.sip_username, outcome=outcome)
                return False
            await self._directory.mark_provisioned(self._node, account.sip_username, fingerprint(account))
            return True

        async def remove(sip_username: str) -> bool:
            async with limit:
                outcome = await self._registry.remove(sip_username)
            if outcome not in (Outcome.DONE, Outcome.GONE):
                log.error("softphone.not_removed", sip_username=sip_username, outcome=outcome)
                return False
            await self._directory.mark_provisioned(self._node, sip_username, None)
            return True

        due = [
            account
            for name, account in wanted.items()
            if name not in present or pushed.get(name) != fingerprint(account)
        ]
        results = await asyncio.gather(
            *(put(account) for account in due),
            *(remove(name) for name in pushed if name not in wanted),
        )
        if results:
            log.info("softphones.pushed", pushed=len(due), removed=len(results) - len(due), complete=all(results))
        return all(results)


def fingerprint(account: SoftphoneAccount) -> str:
    """Tells whether what Asterisk has is what it should have, without keeping the token."""
    parts = (account.sip_username, account.token, account.agent_id, account.display_name, account.extension)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
