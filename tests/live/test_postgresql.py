"""The daemon on PostgreSQL, on a real Asterisk: calls are billed through deaths of the daemon and of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.asterisk import AsteriskPrefix
from lab.daemon import DaemonProcess
from tests.support.installation import PADARIA, SETTINGS, installation
from tests.support.postgresql import PostgresServer
from tests.support.waiting import until

pytestmark = pytest.mark.live


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.mark.timeout(300)
async def test_calls_are_billed_through_kills_of_the_daemon_and_of_the_server(
    asterisk_prefix: AsteriskPrefix, tmp_path: Path, server: PostgresServer
) -> None:
    url = server.url(server.create())
    async with installation(asterisk_prefix, tmp_path, (PADARIA,), database_url=url) as lab, lab.one_test():
        ended_unseen, adopted = await lab.talk("1001"), await lab.talk("1002")
        for talk in (ended_unseen, adopted):
            await lab.answered(talk)

        # A second daemon of the node would recover the same calls.
        second = DaemonProcess(tmp_path / "second", lab.pbx, settings=SETTINGS, database_url=url)
        second.write_config()
        await second.start(ready=False)
        await until(lambda: second.pid is None, "the end of the second daemon", 60)
        assert second.exit_code == 5
        assert "node 'main' is in use by another daemon" in second.log_tail()

        await lab.daemon.kill()
        await lab.customer_hangs_up(ended_unseen)
        await lab.start_daemon()
        assert await lab.reconciled() == {"adopted": 1, "cel": 1}
        lab.check_bill(ended_unseen, await lab.closed(ended_unseen))

        # D11: the ledger is away, the call ends, its settlement waits.
        await asyncio.to_thread(server.kill)
        await lab.carrier.hang_up(adopted.carried)
        await lab.carrier.until_ended(adopted.carried)
        await lab.until_ready(False)
        await asyncio.to_thread(server.start)
        lab.check_bill(adopted, await lab.closed(adopted, timeout_s=60))
        await lab.until_ready(True, timeout_s=60)
        after = await lab.talk("1003")
        await lab.agent_hangs_up(after)
        lab.check_bill(after, await lab.closed(after))
