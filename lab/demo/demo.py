"""Everything of the demo, started in the order that is soonest ready, and ended in the reverse."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sys
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import IO, Self

from lab.carrier import CarrierInstance
from lab.child import socket_folder
from lab.daemon import DaemonProcess
from lab.demo.company import COMPANY, DemoCompany, make_company
from lab.demo.follow import LogFollower
from lab.demo.proof import DIALLED, checks
from lab.demo.timeline import Timeline
from lab.obtain import obtain_prefix
from lab.pbx import PbxInstance
from lab.prefix import REPOSITORY

_FOLDER = REPOSITORY / ".lab" / "demo"
_SIP_PORT, _HTTP_PORT = 5060, 8099
"""Taken when they are free, so that a softphone's settings stay the same from start to start."""


class AnotherRuns(Exception):
    """This checkout's demo runs already; the message is one line that says what to do."""


class Demo:
    """PBX, carrier and phones, daemon, company; and one call."""

    company: DemoCompany

    def __init__(self, *, allow_untested: bool) -> None:
        self._began_at = time.monotonic()
        self._lock = _take_folder()
        self._say("checking Asterisk")
        prefix = obtain_prefix(allow_untested=allow_untested)
        # Made anew on each start, so that what the one call does to the ledger can be told exactly.
        if _FOLDER.exists():
            shutil.rmtree(_FOLDER)
        self._stack = AsyncExitStack()
        self.timeline = Timeline()
        self.carrier = CarrierInstance(prefix, _FOLDER / "carrier")
        trunks = {"carrier": self.carrier.sip_address}
        self.pbx = PbxInstance(prefix, _FOLDER / "pbx", name="demo", trunks=trunks, sip_port=_SIP_PORT)
        self.carrier.pbx_address = self.pbx.sip_address
        self.carrier.listen(self.timeline.carrier)
        self.daemon = DaemonProcess(
            _FOLDER / "daemon",
            self.pbx,
            settings={
                "node": {"name": "demo"},
                "calls": {"emergency_trunk": "carrier"},
                # Unix sockets have short paths, whatever folder this checkout is in.
                "control": {"socket": str(socket_folder(_FOLDER / "daemon") / "control.sock")},
                "drain": {"timeout_s": 3},
            },
            http_port=_HTTP_PORT,
        )
        self.log = LogFollower(self.daemon.log, self.timeline.daemon)
        self.version = prefix.version

    async def __aenter__(self) -> Self:
        """Everything up, the company made, its phones registered."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def call(self) -> bool:
        """One real call, told as it happens, then its bill. Whether it was billed as expected."""
        agent = self.company.phones[0]
        print(f"\nAgent {agent.username} dials {DIALLED}:", flush=True)
        self.timeline.begin()
        phone_call = await self.carrier.phone(agent.username).dial(DIALLED.replace("-", ""))
        carrier_call = await self.carrier.next_call()
        await phone_call.until_ended(30)
        await self.carrier.until_ended(carrier_call)
        await self.log.until("call.closed")
        self.timeline.end()
        for title, command in (("CDR", "calls"), ("Ledger", "entries"), ("Usage", "usage")):
            print(f"\n{title} (callcontrol {command} {COMPANY}):")
            print(await self.daemon.command(command, COMPANY), end="", flush=True)
        print("\nAs expected?")
        found = await checks(self.daemon, agent, phone_call, carrier_call)
        for check in found:
            print(f"  {'yes' if check.good else 'NO '}  {check.what}")
        good = all(check.good for check in found)
        print("\nBilled as expected." if good else "\nNOT as expected.", flush=True)
        return good

    def invitation(self) -> str:
        """Addresses and demo credentials."""
        callcontrol = f"{sys.prefix}/bin/callcontrol --config {self.daemon.config}"
        free = self.company.free
        return f"""
Running until Ctrl-C. All of it on this machine only, all credentials made for this run.
  softphone  SIP server {self.pbx.sip_address} (UDP), user {free.username}, password {free.token}
             dial 99000-0030 (answers, talks 30 s), 99000-2030 (early media first), 99000-3000 (rings for ever),
             99000-4486 (busy), 99000-4404 (no such number), 190 (never billed), 1001 (a colleague)
  health     {self.daemon.url}/readyz and {self.daemon.url}/metrics
  ARI        {self.pbx.ari_url}, user {self.pbx.ari_user}, password {self.pbx.ari_password}
  commands   {callcontrol} calls {COMPANY}
  logs       {_FOLDER}/daemon/daemon.log, {_FOLDER}/pbx/log/
"""

    async def _start(self) -> None:
        self._stack.push_async_callback(self.carrier.stop)
        self._stack.push_async_callback(self.pbx.stop)
        self._stack.push_async_callback(self.daemon.stop)
        self._say(f"starting the PBX (Asterisk {self.version}), making the demo company")
        self.daemon.write_config()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pbx.start())
            making = group.create_task(make_company(self.daemon.config))
        self.company = making.result()
        self._say("starting the daemon, the carrier and two softphones")
        self.carrier.set_phones(self.company.phones)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.daemon.start())
            group.create_task(self.carrier.start())
        self._stack.push_async_callback(self.log.stop)
        self.log.start()
        for phone in self.company.phones:
            await self.carrier.registered(phone.username)
        self._say("ready")

    def _say(self, step: str) -> None:
        print(f"[{time.monotonic() - self._began_at:5.1f} s] {step}", flush=True)


def _take_folder() -> IO[bytes]:
    """The lock on our folder, held while its file is open: a second start would pull it from under the first."""
    _FOLDER.parent.mkdir(parents=True, exist_ok=True)
    lock = open(_FOLDER.with_suffix(".lock"), "ab")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AnotherRuns(f"another scripts/run is using {_FOLDER}: end it first, or run from another clone") from None
    return lock
