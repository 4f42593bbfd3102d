"""One process owns the writes: the lock file, seen from another process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from callcontrol.database import DatabaseInUse, DatabaseLock, DatabaseNotMigrated, DatabaseUnavailable, open_database

_OWNER = """
import sys
from callcontrol.database import DatabaseLock
DatabaseLock(sys.argv[1]).acquire()
print("owned", flush=True)
sys.stdin.read()
"""


async def start_owner(url: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"owned\n"
    return process


async def test_a_second_process_is_told_who_has_it_and_a_killed_one_leaves_nothing(url: str) -> None:
    owner = await start_owner(url)
    with pytest.raises(DatabaseInUse) as refused:
        DatabaseLock(url).acquire()
    assert refused.value.pid == owner.pid
    with pytest.raises(DatabaseInUse):
        async with open_database(url):
            pass
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    with DatabaseLock(url):
        pass


async def test_within_a_process_too(url: str) -> None:
    with DatabaseLock(url):
        with pytest.raises(DatabaseInUse) as refused:
            DatabaseLock(url).acquire()
        assert refused.value.pid == os.getpid()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"callcontrol\.db\.lock: No such file or directory"):
        DatabaseLock(f"sqlite:///{tmp_path}/missing/callcontrol.db").acquire()


async def test_an_empty_database_must_be_migrated_first(tmp_path: Path) -> None:
    with pytest.raises(DatabaseNotMigrated):
        async with open_database(f"sqlite:///{tmp_path}/callcontrol.db"):
            pass
