"""`python -m lab.demo [--once] [--allow-untested]`: what scripts/run does once Python and its packages are there."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack

from lab.asterisk import AsteriskDidNotStart, NoAsterisk
from lab.carrier import CarrierInstance
from lab.child import socket_folder
from lab.daemon import CommandFailed, DaemonDidNotStart, DaemonProcess
from lab.demo.company import COMPANY, DemoCompany, make_company
from lab.demo.follow import LogFollower
from lab.demo.proof import DIALLED, checks
from lab.demo.timeline import Timeline
from lab.obtain import obtain_prefix
from lab.pbx import PbxInstance
from lab.ports import NoFreePort
from lab.prefix import REPOSITORY

_FOLDER = REPOSITORY / ".lab" / "demo"
_SIP_PORT, _HTTP_PORT = 5060, 8099
"""Taken when they are free, so that a softphone's settings stay the same from start to start."""


class Demo:
    """PBX, carrier and phones, daemon, company; and one call."""

    def __init__(self, *, allow_untested: bool) -> None:
        self._began_at = time.monotonic()
        if _FOLDER.exists():
            shutil.rmtree(_FOLDER)
        _FOLDER.mkdir(parents=True)
        self._say("looking for Asterisk")
        prefix = obtain_prefix(allow_untested=allow_untested)
        self.timeline = Timeline()
        self.carrier = CarrierInstance(prefix, _FOLDER / "carrier")
        self.pbx = PbxInstance(
            prefix, _FOLDER / "pbx", name="demo", trunks={"carrier": self.carrier.sip_address}, sip_port=_SIP_PORT
        )
        self.carrier.pbx_address = self.pbx.sip_address
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

    async def start(self, stack: AsyncExitStack) -> DemoCompany:
        """Everything up, the company made, its phones registered. What was started is left to the stack."""
        stack.push_async_callback(self.carrier.stop)
        stack.push_async_callback(self.pbx.stop)
        stack.push_async_callback(self.daemon.stop)
        self._say(f"starting the PBX and the carrier (Asterisk {self.version}), making the database")
        await _all(self.pbx.start(), self.carrier.start(), self.daemon.prepare())
        self.carrier.listen(self.timeline.carrier)
        self._say("starting the daemon")
        await self.daemon.start()
        stack.push_async_callback(self.log.stop)
        self.log.start()
        self._say("making the demo company with the command line")
        company = await make_company(self.daemon)
        self._say("registering two softphones")
        await self.carrier.add_phones(company.phones)
        for phone in company.phones:
            await self.carrier.registered(phone.username)
        self._say("ready")
        return company

    async def call(self, company: DemoCompany) -> bool:
        """One real call, told as it happens, then its bill. Whether it was billed as expected."""
        agent = company.phones[0]
        print(f"\nAgent {agent.username} dials {DIALLED}:", flush=True)
        self.timeline.begin()
        phone_call = await self.carrier.phone(agent.username).dial(DIALLED.replace("-", ""))
        carrier_call = await self.carrier.next_call()
        await phone_call.until_ended(30)
        await self.carrier.until_ended(carrier_call)
        await self.log.until("call.closed")
        self.timeline.end()
        for title, command in (("CDR", "calls"), ("Ledger", "entries"), ("Usage", "usage")):
            print(
                f"\n{title} (callcontrol {command} {COMPANY}):\n{await self.daemon.command(command, COMPANY)}", end=""
            )
        print("\nAs expected?")
        found = await checks(self.daemon, agent, phone_call, carrier_call)
        for check in found:
            print(f"  {'yes' if check.good else 'NO '}  {check.what}")
        return all(check.good for check in found)

    def invitation(self, company: DemoCompany) -> str:
        """Addresses and demo credentials."""
        callcontrol = f"{sys.prefix}/bin/callcontrol --config {self.daemon.config}"
        return f"""
Running until Ctrl-C. All of it on this machine only, all credentials made for this run.
  softphone  SIP server {self.pbx.sip_address} (UDP), user {company.free.username}, password {company.free.token}
             dial 99000-0030 (answers, talks 30 s), 99000-2030 (early media first), 99000-3000 (rings for ever),
             99000-4486 (busy), 99000-4404 (no such number), 190 (never billed), 1001 (a colleague)
  health     {self.daemon.url}/readyz and {self.daemon.url}/metrics
  ARI        {self.pbx.ari_url}, user {self.pbx.ari_user}, password {self.pbx.ari_password}
  commands   {callcontrol} calls {COMPANY}
  logs       {_FOLDER}/daemon/daemon.log, {_FOLDER}/pbx/log/
"""

    def _say(self, step: str) -> None:
        print(f"[{time.monotonic() - self._began_at:5.1f} s] {step}", flush=True)


async def _all(*steps: object) -> None:
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step)  # type: ignore[arg-type]


async def _run(once: bool, allow_untested: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None

    def interrupted() -> None:
        if not stop.is_set():
            stop.set()
            main.cancel()

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, interrupted)
    demo = Demo(allow_untested=allow_untested)
    try:
        async with AsyncExitStack() as stack:
            company = await demo.start(stack)
            good = await demo.call(company)
            print("\nBilled as expected." if good else "\nNOT billed as expected.", flush=True)
            if once:
                return 0 if good else 1
            print(demo.invitation(company), flush=True)
            await stop.wait()
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    print("stopped: nothing is left running", flush=True)
    return 130 if once else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="run", description="callcontrol with everything around it, and one call.")
    parser.add_argument("--once", action="store_true", help="end after the call; 0 only if it was billed as expected")
    parser.add_argument("--allow-untested", action="store_true", help="take an Asterisk of any version")
    arguments = parser.parse_args()
    try:
        code = asyncio.run(_run(arguments.once, arguments.allow_untested))
    except* (NoAsterisk, NoFreePort, AsteriskDidNotStart, DaemonDidNotStart, CommandFailed, TimeoutError) as problems:
        for problem in problems.exceptions:
            print(f"run: {problem}", file=sys.stderr)
        code = 1
    except* OSError as problems:
        print(f"run: {problems.exceptions[0]}", file=sys.stderr)
        code = 1
    sys.exit(code)


main()
