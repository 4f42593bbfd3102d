"""The audit in a process of its own, of the lowest priority: a million calls are minutes of Python, which in a thread
of the daemon would take turns with its calls.

On Linux the child is SCHED_IDLE (sched(7)): it gets what no other process wants, of the disk too (ioprio_set(2):
without a class of its own it follows the scheduler's). It only reads, in one transaction: nobody waits for a lock of
its.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from callcontrol import __version__
from callcontrol.database import Limits
from callcontrol.engine.ports.auditing import AuditFailed
from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.minutes import LiveCalls
from callcontrol.ledger.audit_worker import AuditAnswer, AuditRequest

DEADLINE_S = 3000.0
"""An hourly audit that takes 50 minutes is not one; a million calls take a tenth of that."""
_COMMAND = (sys.executable, "-P", "-m", "callcontrol.ledger.audit_worker")
"""-P: nothing is imported from the folder that the daemon happens to be in."""
_LAST_WORDS = 2_000
_OURS = "CALLCONTROL_"


def least_priority(pid: int) -> None:
    """From outside and at once: to load what it needs takes the child a second. As far as the system lets us."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


class AuditProcess:
    """Implements callcontrol.engine.ports.auditing.Auditor. One audit at a time; others wait for their turn."""

    def __init__(
        self,
        url: str,
        limits: Limits | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        command: Sequence[str] = _COMMAND,
        lower_priority: Callable[[int], None] = least_priority,
    ) -> None:
        """`command`: what speaks as `audit_worker` does. `lower_priority`: of the process with this id; a machine that
        has no time to spare gives the lowest none."""
        self._url = url
        self._limits = limits or Limits()
        self._deadline_s = deadline_s
        self._command = command
        self._lower_priority = lower_priority
        self._turn = asyncio.Lock()

    async def audit(self, at: datetime, *, company_id: int | None = None, live: LiveCalls | None = None) -> list[str]:
        """The child begins to read after `live` was taken (I11); how long after, does not matter. It is gone when this
        returns or is cancelled, and when this process is gone."""
        request = AuditRequest(__version__, self._url, self._limits, at, company_id, live)
        async with self._turn:
            answer = _decode(await self._ask(msgspec.json.encode(request) + b"\n"))
        if answer.unavailable is not None:
            raise LedgerUnavailable(answer.unavailable)
        return answer.findings

    async def _ask(self, request: bytes) -> bytes:
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_environment()
            )
        except OSError as error:
            raise AuditFailed(f"its process cannot be started: {error}") from error
        try:
            self._lower_priority(child.pid)
            async with asyncio.timeout(self._deadline_s):
                output, errors = await _talk(child, request)
                code = await child.wait()
        except TimeoutError:
            raise AuditFailed(f"not done within {self._deadline_s:g} s") from None
        finally:
            await _end(child)
        if code != 0:
            last_words = errors.decode(errors="replace")[-_LAST_WORDS:].strip()
            raise AuditFailed(f"its process ended with {code}: {last_words}")
        return output


def _decode(output: bytes) -> AuditAnswer:
    try:
        return msgspec.json.decode(output, type=AuditAnswer)
    except msgspec.MsgspecError as error:
        raise AuditFailed(f"its process did not answer as it should: {error}") from error


async def _talk(child: Process, request: bytes) -> tuple[bytes, bytes]:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdin.write(request)
    # It stays open: by its end the child knows that we are gone, however we went.
    return await asyncio.gather(child.stdout.read(), child.stderr.read())


async def _end(child: Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    assert child.stdin is not None
    child.stdin.close()


def _environment() -> dict[str, str]:
    """Without the settings, which may have secrets in them; what the database's driver reads stays."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
