"""Writing on PostgreSQL: companies side by side, and whatever a server and a network can do in the middle of it
(D11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import Connection, text

from callcontrol.database import DatabaseUnavailable, Group, Limits, Writer, open_database, upgrade
from tests.database.support import GROUP, Gate, put, stored, submit_together
from tests.support.postgresql import PostgresServer, server
from tests.support.proxy import CuttableProxy
from tests.support.waiting import until

OTHER = Group(2, lambda connection: None)
LIMITS = Limits(statement_timeout_s=5, lock_timeout_s=0.2, connect_timeout_s=2, retry_s=20)
DIE = text("SELECT pg_terminate_backend(pg_backend_pid())")
MakeWriter = Callable[..., Awaitable[Writer]]


@pytest.fixture
async def make_writer() -> AsyncIterator[MakeWriter]:
    writers: list[Writer] = []

    async def make(url: str, limits: Limits = LIMITS) -> Writer:
        writer = Writer(url, limits=limits)
        writer.start()
        writers.append(writer)
        return writer

    yield make
    for writer in writers:
        await writer.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server to be stopped."""
    own = PostgresServer()
    own.start()
    yield own
    own.remove()


class Once:
    """An operation before which something happens the first time it runs."""

    def __init__(self, happens: Callable[[Connection], object], then: Callable[[Connection], object]) -> None:
        self.runs = 0
        self._happens = happens
        self._then = then

    def __call__(self, connection: Connection) -> object:
        self.runs += 1
        if self.runs == 1:
            self._happens(connection)
        return self._then(connection)


async def test_a_company_does_not_wait_for_another(server_url: str, make_writer: MakeWriter) -> None:
    writer = await make_writer(server_url)
    gate = Gate(writer)
    await gate.closed()
    behind = asyncio.ensure_future(writer.submit(put("behind"), GROUP))
    assert await writer.submit(put("beside"), OTHER) == "beside"
    assert await writer.submit(put("alone")) == "alone"
    assert stored(server_url) == ["alone", "beside"]
    assert not behind.done()
    await gate.open()
    assert await behind == "behind"


async def test_what_goes_together_begins_with_its_lock(server_url: str, make_writer: MakeWriter) -> None:
    seen: list[str] = []
    group = Group(1, lambda connection: seen.append("lead"))
    writer = await make_writer(server_url)
    gate = Gate(writer, group)
    await gate.closed()
    tasks = [asyncio.ensure_future(writer.submit(lambda _, n=name: seen.append(n), group)) for name in "abc"]
    await asyncio.sleep(0)
    await gate.open()
    await asyncio.gather(*tasks)
    assert seen == ["lead", "lead", "a", "b", "c"]


async def test_a_connection_killed_in_mid_operation_is_made_anew(server_url: str, make_writer: MakeWriter) -> None:
    """Before the commit nothing is stored, so even what must not be done twice is done again."""
    writer = await make_writer(server_url)
    dies = Once(lambda connection: connection.execute(DIE), put("b"))
    assert await submit_together(writer, put("a"), dies, put("c")) == ["a", "b", "c"]
    assert dies.runs == 2
    assert stored(server_url) == ["a", "b", "c"]


DIE_ONCE = """
CREATE SEQUENCE deaths;
CREATE FUNCTION die_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON nodes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION die_once()
"""
"""The connection ends after COMMIT was sent and before it is carried out."""


async def test_a_commit_nobody_confirmed_is_repeated_where_that_is_allowed(
    server_url: str, make_writer: MakeWriter
) -> None:
    writer = await make_writer(server_url)
    await writer.submit(lambda connection: connection.execute(text(DIE_ONCE)) and None)
    assert await writer.submit(put("a"), GROUP, repeatable=True) == "a"
    assert stored(server_url) == ["a"]


async def test_a_commit_nobody_confirmed_is_told_where_it_must_not_be_repeated(
    server_url: str, make_writer: MakeWriter
) -> None:
    writer = await make_writer(server_url)
    await writer.submit(lambda connection: connection.execute(text(DIE_ONCE)) and None)
    with pytest.raises(DatabaseUnavailable, match="may or may not be stored"):
        await writer.submit(put("a"), GROUP)
    assert stored(server_url) == []


async def test_a_commit_that_was_carried_out_unheard_is_not_done_twice(
    server_url: str, make_writer: MakeWriter
) -> None:
    """The answer to COMMIT is lost; the repetition finds its own work."""
    name = server_url.partition("@/")[2].partition("?")[0]
    async with CuttableProxy(server().port) as proxy:
        writer = await make_writer(server().url(name, tcp_port=proxy.port), replace(LIMITS, statement_timeout_s=1))
        loop = asyncio.get_running_loop()

        def cut(_connection: Connection) -> None:
            asyncio.run_coroutine_threadsafe(_call(proxy.swallow_answers), loop).result(10)

        once = text(
            "INSERT INTO nodes (node, alive_at) VALUES ('a', now()) ON CONFLICT (node) DO NOTHING RETURNING node"
        )
        seen: list[object] = []

        def operation(connection: Connection) -> None:
            seen.append(connection.execute(once).scalar())
            if len(seen) == 1:
                cut(connection)

        task = asyncio.ensure_future(writer.submit(operation, GROUP, repeatable=True))
        await until(lambda: stored(server_url) == ["a"], "the row that was committed")
        proxy.restore()
        await task
        assert seen == ["a", None]


async def _call(action: Callable[[], None]) -> None:
    action()


async def test_a_deadlock_is_tried_again(server_url: str, make_writer: MakeWriter) -> None:
    """Between operations of different companies that lock each other's rows: none of ours does."""
    writer = await make_writer(server_url, replace(LIMITS, lock_timeout_s=10))
    await writer.submit(lambda connection: (put("a")(connection), put("b")(connection)))
    met = asyncio.Event()
    loop = asyncio.get_running_loop()
    arrived: list[str] = []
    touch = text("UPDATE nodes SET alive_at = now() WHERE node = :node")

    def crossing(first: str, second: str) -> Callable[[Connection], None]:
        def operation(connection: Connection) -> None:
            connection.execute(touch, {"node": first})
            arrived.append(first)
            if len(arrived) == 2:
                loop.call_soon_threadsafe(met.set)
            if len(arrived) <= 2:
                asyncio.run_coroutine_threadsafe(met.wait(), loop).result(30)
            connection.execute(touch, {"node": second})

        return operation

    await asyncio.gather(writer.submit(crossing("a", "b"), GROUP), writer.submit(crossing("b", "a"), OTHER))
    assert len(arrived) == 3


async def test_a_lock_of_somebody_elses_is_waited_for(server_url: str, make_writer: MakeWriter) -> None:
    writer = await make_writer(server_url)
    await writer.submit(put("a"))
    touches = Once(lambda _: None, lambda connection: connection.execute(text("UPDATE nodes SET alive_at = now()")))
    with psycopg.connect(server_url) as other:
        other.execute("SELECT 1 FROM nodes FOR UPDATE")
        task = asyncio.ensure_future(writer.submit(lambda connection: touches(connection) and None, GROUP))
        await until(lambda: touches.runs >= 2, "a second attempt")
        assert not task.done()
        other.rollback()
        await task


async def test_a_lock_that_stays_is_unavailable(server_url: str, make_writer: MakeWriter) -> None:
    writer = await make_writer(server_url, replace(LIMITS, retry_s=0.5))
    await writer.submit(put("a"))
    with psycopg.connect(server_url) as other:
        other.execute("SELECT 1 FROM nodes FOR UPDATE")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            await writer.submit(lambda connection: connection.execute(text("DELETE FROM nodes")) and None)
    assert stored(server_url) == ["a"]


async def test_a_statement_that_takes_too_long_fails_alone(server_url: str, make_writer: MakeWriter) -> None:
    writer = await make_writer(server_url, replace(LIMITS, statement_timeout_s=0.3))

    def sleeps(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(60)"))

    first, second, third = await submit_together(writer, put("a"), sleeps, put("b"))
    assert (first, third) == ("a", "b")
    assert isinstance(second, DatabaseUnavailable)
    assert "statement timeout" in str(second)
    assert stored(server_url) == ["a", "b"]


async def test_an_error_that_an_operation_hides_is_not_acknowledged(server_url: str, make_writer: MakeWriter) -> None:
    """The server would answer COMMIT with ROLLBACK, and that is no error to the driver."""
    writer = await make_writer(server_url)

    def hides(connection: Connection) -> None:
        put("a")(connection)
        try:
            put("a")(connection)
        except Exception:
            return

    with pytest.raises(DatabaseUnavailable, match="hid an error"):
        await writer.submit(hides, GROUP)
    results = await submit_together(writer, put("b"), hides)
    assert results[0] == "b"
    assert isinstance(results[1], DatabaseUnavailable)
    assert stored(server_url) == ["b"]


async def test_a_constraint_that_fails_at_the_commit_fails_the_batch(server_url: str, make_writer: MakeWriter) -> None:
    writer = await make_writer(server_url)
    await writer.submit(
        lambda connection: (
            connection.execute(
                text("ALTER TABLE nodes ADD CONSTRAINT later UNIQUE (alive_at) DEFERRABLE INITIALLY DEFERRED")
            )
            and None
        )
    )
    results = await submit_together(writer, put("a"), put("b"))
    assert [type(result) for result in results] == [DatabaseUnavailable] * 2
    assert stored(server_url) == []


async def test_a_server_that_is_restarted_is_waited_for(own_server: PostgresServer, make_writer: MakeWriter) -> None:
    url = own_server.url(own_server.create())
    upgrade(url)
    writer = await make_writer(url, replace(LIMITS, retry_s=60))
    await writer.submit(put("before"), GROUP)
    await asyncio.to_thread(own_server.stop)
    waiting = [
        asyncio.ensure_future(writer.submit(put("a"), GROUP)),
        asyncio.ensure_future(writer.submit(put("b"), OTHER)),
        asyncio.ensure_future(writer.submit(put("c"))),
    ]
    await asyncio.to_thread(own_server.start)
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]
    assert stored(url) == ["a", "b", "before", "c"]


async def test_a_server_that_is_gone_is_unavailable_for_all_who_wait(
    own_server: PostgresServer, make_writer: MakeWriter
) -> None:
    """However many companies wait: what one finds out, the others need not."""
    url = own_server.url(own_server.create())
    upgrade(url)
    writer = await make_writer(url, replace(LIMITS, retry_s=0.5))
    await writer.submit(put("before"))
    await asyncio.to_thread(own_server.kill)
    nothing = Group(0, lambda connection: None)
    waiting = [writer.submit(put(f"n{number}"), replace(nothing, key=number)) for number in range(200)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    await asyncio.to_thread(own_server.start)

    async def stores() -> str | None:
        with suppress(DatabaseUnavailable):
            return await writer.submit(put("after"))
        return None

    assert await until(stores, "an answer of the server that is back") == "after"
    assert stored(url) == ["after", "before"]


async def test_a_black_hole_is_unavailable_and_everything_is_back_after_it(
    server_url: str, make_writer: MakeWriter
) -> None:
    name = server_url.partition("@/")[2].partition("?")[0]
    limits = replace(LIMITS, statement_timeout_s=0.5, retry_s=0.5, writers=1)
    async with CuttableProxy(server().port) as proxy:
        writer = await make_writer(server().url(name, tcp_port=proxy.port), limits)
        await writer.submit(put("before"), GROUP)
        proxy.swallow()
        with pytest.raises(DatabaseUnavailable, match="did not answer within"):
            await writer.submit(put("lost"), GROUP)
        proxy.restore()
        assert await writer.submit(put("after"), GROUP) == "after"
    assert stored(server_url) == ["after", "before"]


async def test_reads_outlive_their_connections(server_url: str) -> None:
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    names = text("SELECT node FROM nodes")
    async with open_database(server_url, LIMITS) as database:
        for _ in range(2):
            assert await database.ask(lambda connection: connection.execute(names).all()) == []
            async with database.reading() as connection:
                assert (await connection.execute(names)).all() == []
            await database.writer.submit(lambda connection: connection.execute(others) and None)


async def test_a_long_read_is_of_one_moment_and_has_no_limit(server_url: str) -> None:
    async with open_database(server_url, replace(LIMITS, statement_timeout_s=0.2)) as database:
        loop = asyncio.get_running_loop()

        def examine(connection: Connection) -> list[int]:
            count = text("SELECT count(*) FROM nodes")
            first = connection.execute(count).scalar_one()
            asyncio.run_coroutine_threadsafe(database.writer.submit(put("a")), loop).result(30)
            connection.execute(text("SELECT pg_sleep(0.5)"))
            return [first, connection.execute(count).scalar_one()]

        assert await database.examine(examine) == [0, 0]
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await database.examine(lambda connection: connection.execute(text("DELETE FROM nodes")))
    assert stored(server_url) == ["a"]
