"""Child processes that never outlive us, and end only with what we started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's whole path has 107 bytes at most (unix(7))."""


async def start_child(
    command: Sequence[str | Path], *, cwd: Path, output: int | IO[bytes], environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """In its own process group. Whatever ends us, even SIGKILL, ends it too, where the machine has setpriv."""
    words = [str(word) for word in command]
    if setpriv := shutil.which("setpriv", path="/usr/bin:/bin"):
        words = [setpriv, "--pdeathsig", "KILL", *words]
    return await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=environment,
        start_new_session=True,
        limit=2**20,  # of one line of its output
    )


async def end_child(process: asyncio.subprocess.Process, how: signal.Signals, timeout_s: float) -> None:
    """Signal its group, frozen or not, and wait; SIGKILL when it has not ended in time."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
        os.killpg(process.pid, signal.SIGCONT)
    try:
        await asyncio.wait_for(process.wait(), timeout_s)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def socket_folder(wanted: Path) -> Path:
    """`wanted`, or a short folder of our own where the path of a Unix socket in it would be too long."""
    if len(str(wanted)) <= _LONGEST_SOCKET_FOLDER:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    return Path(tempfile.mkdtemp(prefix="callcontrol-lab-"))
