"""One daemon per node name on PostgreSQL, and no daemon during a migration."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text

from callcontrol.database import DatabaseInUse, DatabaseUnavailable, Limits, node_lock, open_database, upgrade
from callcontrol.database.engines import write_engine
from callcontrol.database.node_lock import NodeLock
from tests.support.postgresql import server
from tests.support.proxy import CuttableProxy
from tests.support.waiting import until

LIMITS = Limits(lock_timeout_s=0.5, connect_timeout_s=2, statement_timeout_s=1)
_DAEMON = """
import asyncio, sys
from callcontrol.database import open_database

async def main():
    async with open_database(sys.argv[1], node="main"):
        print("owned", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
_LOCK_HOLDERS = "SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock'"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_lock, "LOOK_AGAIN_S", 0.05)


async def test_a_second_daemon_of_the_name_is_refused_and_another_name_is_not(server_url: str) -> None:
    async with open_database(server_url, LIMITS, node="main"):
        with pytest.raises(DatabaseInUse, match=r"node 'main' is in use by another daemon \(on this machine\)"):
            async with open_database(server_url, LIMITS, node="main"):
                pass
        async with open_database(server_url, LIMITS, node="second"), open_database(server_url, LIMITS):
            pass
    async with open_database(server_url, LIMITS, node="main"):
        pass


async def test_a_killed_daemon_leaves_nothing(server_url: str) -> None:
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DAEMON, server_url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    assert await daemon.stdout.readline() == b"owned\n"
    with pytest.raises(DatabaseInUse):
        async with open_database(server_url, LIMITS, node="main"):
            pass
    daemon.send_signal(signal.SIGKILL)
    async with open_database(server_url, replace(LIMITS, lock_timeout_s=30), node="main"):
        pass
    await daemon.wait()


@asynccontextmanager
async def open_lock(server_url: str) -> AsyncIterator[None]:
    lock = NodeLock(server_url, "main", LIMITS)
    try:
        await lock.acquire()
        yield
    finally:
        await lock.release()


async def lose(server_url: str) -> None:
    """End the session that has the lock."""
    [(pid,)] = holder(server_url)
    server().execute(f"SELECT pg_terminate_backend({pid}, 10000)")


def holder(server_url: str) -> list[tuple[object, ...]]:
    return server().execute(_LOCK_HOLDERS, server_url.partition("@/")[2].partition("?")[0])


async def test_a_lost_lock_is_taken_again(server_url: str) -> None:
    async with open_database(server_url, LIMITS, node="main") as database:
        keeping = asyncio.create_task(database.keep())
        before = holder(server_url)
        await lose(server_url)
        await until(lambda: holder(server_url) not in ([], before), "another session with the lock")
        assert not keeping.done()
        with pytest.raises(DatabaseInUse):
            async with open_database(server_url, LIMITS, node="main"):
                pass
        keeping.cancel()


async def test_a_lock_that_another_daemon_has_taken_is_fatal(server_url: str) -> None:
    async with open_database(server_url, LIMITS, node="main") as database:
        await lose(server_url)
        async with open_database(server_url, LIMITS, node="main"):
            with pytest.raises(DatabaseInUse):
                await asyncio.wait_for(database.keep(), 30)


async def test_a_ghost_of_our_own_is_not_another_daemon(server_url: str) -> None:
    """The network swallowed the connection; to the server it lives on, with the lock."""
    name = server_url.partition("@/")[2].partition("?")[0]
    async with CuttableProxy(server().port) as proxy:
        lock = NodeLock(server().url(name, tcp_port=proxy.port), "main", LIMITS)
        await lock.acquire()
        before = holder(server_url)
        proxy.swallow()
        keeping = asyncio.create_task(lock.keep())
        await asyncio.sleep(0)
        await until(lambda: lock.lost, "the loss of the lock")
        proxy.restore()
        await until(lambda: holder(server_url) not in ([], before), "another session with the lock")
        assert not keeping.done()
        keeping.cancel()
        await lock.release()


async def test_a_server_that_does_not_answer_is_unavailable(server_url: str) -> None:
    name = server_url.partition("@/")[2].partition("?")[0]
    async with CuttableProxy(server().port) as proxy:
        proxy.swallow()
        with pytest.raises(DatabaseUnavailable):
            await NodeLock(server().url(name, tcp_port=proxy.port), "main", LIMITS).acquire()


async def test_no_migration_under_a_daemon_and_no_daemon_under_a_migration(server_url: str) -> None:
    engine = write_engine(server_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    async with open_lock(server_url):
        with pytest.raises(DatabaseInUse, match="callcontrol main"):
            await asyncio.to_thread(upgrade, server_url)
    with engine.begin() as connection:
        node_lock.lock_schema(connection)
        with pytest.raises(DatabaseInUse, match="migration"):
            async with open_lock(server_url):
                pass
    engine.dispose()


async def test_where_nothing_is_to_be_migrated_a_daemon_does_not_mind(server_url: str) -> None:
    async with open_database(server_url, LIMITS, node="main"):
        await asyncio.to_thread(upgrade, server_url)
