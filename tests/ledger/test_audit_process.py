"""The audit in a process of its own: it finds what the one in a thread finds, and whatever becomes of it is a line in
the log."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from callcontrol.database import Limits
from callcontrol.engine.auditing import keep_auditing
from callcontrol.engine.ports.auditing import AuditFailed
from callcontrol.engine.ports.ledger import LedgerUnavailable
from callcontrol.engine.ports.minutes import LiveCalls
from callcontrol.ledger import audit_process, audit_worker
from callcontrol.ledger.audit_process import AuditProcess
from callcontrol.metrics import Metrics
from tests.support.books import COMPANY, NODE, NOON, Books
from tests.support.waiting import until

PATIENT = Limits(connect_timeout_s=600)
"""Of a child that waits for a server as long as a test takes."""
SECRET = "open-sesame"
audit_in_process = partial(AuditProcess, lower_priority=lambda _: None)
"""As fast as the test."""


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Queue[asyncio.StreamReader]]]:
    """The URL of a PostgreSQL that says nothing, and whoever has connected to it and waits."""
    waiting: asyncio.Queue[asyncio.StreamReader] = asyncio.Queue()
    writers = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        waiting.put_nowait(reader)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://callcontrol:{SECRET}@127.0.0.1:{port}/callcontrol?sslmode=disable", waiting
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def until_gone(connected: asyncio.StreamReader) -> None:
    """A process that ends closes its connections, whatever ended it."""
    async with asyncio.timeout(100):
        await connected.read()


async def connection(waiting: asyncio.Queue[asyncio.StreamReader]) -> asyncio.StreamReader:
    async with asyncio.timeout(100):
        return await waiting.get()


def children_of(pid: int) -> list[int]:
    def parent(stat: Path) -> int:
        try:
            return int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            return 0

    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if parent(stat) == pid]


def listed(pid: int) -> tuple[bytes, bytes]:
    """What `ps` may show of a process: its arguments and its environment."""
    shown = Path(f"/proc/{pid}")
    return (shown / "cmdline").read_bytes(), (shown / "environ").read_bytes()


def program(code: str) -> Sequence[str]:
    """A child that reads its request and does something else with it."""
    return sys.executable, "-c", f"import sys\nrequest = sys.stdin.readline()\n{code}"


async def test_a_defect_is_found_beside_the_daemon_that_writes(books: Books, books_url: str) -> None:
    await books.plan(5)
    await books.dial("a")
    await books.database.writer.submit(lambda writer: writer.execute(text("UPDATE accounts SET held = 5")))
    here = await books.minutes.audit(books.start)
    assert (
        await audit_in_process(books_url).audit(books.start)
        == here
        == ["I3: company 1: 5 minutes held, by its open holds 1"]
    )
    await books.database.writer.submit(lambda writer: writer.execute(text("UPDATE accounts SET held = 1")))


async def test_the_child_knows_which_calls_live(books: Books, books_url: str) -> None:
    """I11. A call that began since then is not missed."""
    await books.plan(5)
    await books.dial("a")
    at = books.at(600)
    auditor = audit_in_process(books_url)
    [gone] = await auditor.audit(at, company_id=COMPANY, live=LiveCalls(NODE, frozenset(), at))
    assert gone.startswith("I11: leg a:customer holds 1 minutes")
    assert await auditor.audit(at, live=LiveCalls(NODE, frozenset(), books.at(-30))) == []


async def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        await audit_in_process(f"sqlite:///{tmp_path}/nowhere/callcontrol.db").audit(NOON)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
        ("raise RuntimeError('out of luck')", "ended with 1: .*out of luck"),
        ("print('all is well')", "did not answer as it should"),
        ("print('{\"findings\": 7}')", "did not answer as it should"),
        ("", "did not answer as it should"),
    ],
)
async def test_a_child_that_dies_or_talks_nonsense(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(AuditFailed, match=f"(?s){words}"):
        await audit_in_process(f"sqlite:///{tmp_path}/x.db", command=program(code)).audit(NOON)


async def test_a_child_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="cannot be started"):
        await audit_in_process("sqlite:///x.db", command=[str(tmp_path / "python")]).audit(NOON)


async def test_a_package_that_was_replaced_under_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other code would judge these books by other rules."""
    monkeypatch.setattr(audit_process, "__version__", "0.0.1")
    with pytest.raises(AuditFailed, match="restart the daemon"):
        await audit_in_process("sqlite:///x.db").audit(NOON)


async def test_a_child_that_does_not_end_is_ended() -> None:
    others = children_of(os.getpid())
    endless = audit_in_process("sqlite:///x.db", command=program("sys.stdin.read()"), deadline_s=1)
    with pytest.raises(AuditFailed, match="not done within 1 s"):
        await endless.audit(NOON)
    assert children_of(os.getpid()) == others


async def test_it_has_the_lowest_priority(tmp_path: Path) -> None:
    """Of the processor and, by that, of the disk. It is set before the child is asked anything."""
    seen: list[tuple[int, int]] = []

    def lower(pid: int) -> None:
        audit_process.least_priority(pid)
        seen.append((os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)))
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(AuditFailed, match="-9"):
        await AuditProcess("sqlite:///x.db", lower_priority=lower).audit(NOON)
    assert seen == [(19, os.SCHED_IDLE)]


async def test_a_daemon_that_stops_takes_its_child_along() -> None:
    others = children_of(os.getpid())
    async with silent_server() as (url, waiting):
        auditing = asyncio.create_task(audit_in_process(url, PATIENT).audit(NOON))
        connected = await connection(waiting)
        auditing.cancel()
        await asyncio.gather(auditing, return_exceptions=True)
        assert children_of(os.getpid()) == others
        await until_gone(connected)


DAEMON = """
import asyncio, sys
from datetime import UTC, datetime
from callcontrol.database import Limits
from callcontrol.ledger.audit_process import AuditProcess
from callcontrol.loop import run_on_fast_loop

auditor = AuditProcess(sys.stdin.readline().strip(), Limits(connect_timeout_s=600), lower_priority=lambda _: None)
run_on_fast_loop(auditor.audit(datetime.now(UTC)))
"""


async def test_a_daemon_that_is_killed_leaves_no_child_and_no_list_shows_its_secrets() -> None:
    async with silent_server() as (url, waiting):
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", DAEMON),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "CALLCONTROL_DATABASE__URL": url},
        )
        assert daemon.stdin is not None
        daemon.stdin.write(f"{url}\n".encode())
        connected = await connection(waiting)
        [child] = children_of(daemon.pid)
        arguments, environment = listed(child)
        assert b"audit_worker" in arguments
        assert SECRET.encode() not in arguments + environment
        daemon.kill()
        await daemon.wait()
        daemon.stdin.close()
        await until_gone(connected)


async def test_one_at_a_time(tmp_path: Path) -> None:
    busy = tmp_path / "busy"
    code = f"import os; open({str(busy)!r}, 'x').close(); print('{{\"findings\": []}}'); os.unlink({str(busy)!r})"
    auditor = audit_in_process("sqlite:///x.db", command=program(code))
    assert await asyncio.gather(*(auditor.audit(NOON) for _ in range(4))) == [[]] * 4


def test_more_findings_than_a_log_should_have_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_worker, "MOST_FINDINGS", 2)
    monkeypatch.setattr(audit_worker, "audit", lambda *_: ["I1: a", "I1: b", "I1: c", "I1: d"])
    request = audit_worker.AuditRequest("1", f"sqlite:///{tmp_path}/x.db", Limits(), NOON, None, None)
    assert audit_worker._answer(request).findings == ["I1: a", "I1: b", "and 2 more findings"]


async def test_a_failed_audit_is_a_line_and_the_next_one_comes(books: Books, books_url: str, tmp_path: Path) -> None:
    """The first child dies, the second finds what is wrong: in the log, and in the metrics."""
    again = tmp_path / "again"
    dies_first = (
        f"import os, pathlib, sys\nagain = pathlib.Path({str(again)!r})\n"
        "if again.exists():\n"
        "    os.execv(sys.executable, [sys.executable, '-m', 'callcontrol.ledger.audit_worker'])\n"
        "again.touch(); os.abort()"
    )
    await books.plan(5)
    await books.database.writer.submit(lambda writer: writer.execute(text("UPDATE accounts SET held = 5")))
    metrics = Metrics()
    auditor = audit_in_process(books_url, command=(sys.executable, "-c", dies_first))

    def shown(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"callcontrol_audit_{name}")

    with capture_logs() as lines:
        auditing = asyncio.create_task(
            keep_auditing(auditor, metrics, live=lambda: None, now=lambda: books.start, interval_s=0)
        )
        await until(lambda: shown("findings"), "an audit", 100)
        auditing.cancel()
        await asyncio.gather(auditing, return_exceptions=True)
    assert [line["event"] for line in lines[:2]] == ["audit.failed", "audit.finding"]
    assert "ended with -6" in lines[0]["reason"]
    assert lines[1]["finding"] == "I3: company 1: 5 minutes held, by its open holds 0"
    assert shown("last_run_timestamp_seconds") == books.start.timestamp()
    assert shown("duration_seconds")
    await books.database.writer.submit(lambda writer: writer.execute(text("UPDATE accounts SET held = 0")))
