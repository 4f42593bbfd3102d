"""Ports, child processes, and the log that is followed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from lab.child import end_child, socket_folder, start_child
from lab.demo.follow import LogFollower, LogLine
from lab.ports import LOOPBACK, free_port, free_range, is_free


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port


def test_a_range_begins_at_an_even_port_as_rtp_wants_it() -> None:
    first, last = free_range(400)
    assert first % 2 == 0
    assert last == first + 399


def test_a_socket_in_a_deep_folder_gets_a_short_one(tmp_path: Path) -> None:
    near = Path("/tmp") / tmp_path.name
    assert socket_folder(near) == near
    near.rmdir()
    short = socket_folder(tmp_path / ("deep" * 30))
    assert len(str(short)) < 80
    short.rmdir()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_child_ends_when_told_even_frozen(tmp_path: Path, how: signal.Signals) -> None:
    child = await start_child(
        [sys.executable, "-c", "print('up', flush=True); input()"], cwd=tmp_path, output=asyncio.subprocess.DEVNULL
    )
    child.send_signal(signal.SIGSTOP)
    await end_child(child, how, 10)
    assert child.returncode is not None


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = await start_child([sys.executable, "-c", deaf], cwd=tmp_path, output=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    await child.stdout.readline()
    await end_child(child, signal.SIGTERM, 0.2)
    assert child.returncode == -signal.SIGKILL


async def test_a_log_is_followed_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    file.touch()
    lines: list[LogLine] = []
    follower = LogFollower(file, lines.append)
    follower.start()
    with file.open("a") as log:
        print(
            '{"event": "call.answered", "call_id": "1"}\nno json\n[1]\n{"event": "call.cl', end="", file=log, flush=True
        )
        await follower.until("call.answered", 5)
        print('osed"}', file=log, flush=True)
        await follower.until("call.closed", 5)
    await follower.stop()
    assert [line["event"] for line in lines] == ["call.answered", "no json", "[1]", "call.closed"]
    with pytest.raises(TimeoutError, match=r"call\.refused"):
        await follower.until("call.refused", 0.05)
