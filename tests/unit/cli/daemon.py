"""What of the daemon the command line meets, without Asterisk."""

from __future__ import annotations

import asyncio
import threading

from sqlalchemy import text

from callcontrol.database import Database, open_database
from callcontrol.directory import SqlDirectoryStore, TokenVault
from callcontrol.engine.admin.service import AdminService
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.web.control import ControlServer
from tests.unit.cli.support import CommandLine


class Daemon:
    """What of the daemon commands meet: it owns the database and serves the socket, in a loop of its own."""

    def __init__(self, cc: CommandLine) -> None:
        self._cc = cc
        self.told: list[str] = []
        self.showings: list[tuple[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Daemon:
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        async with open_database(f"sqlite:///{self._cc.database}") as database:
            vault = TokenVault(self._cc.config.with_name("token.key"))
            service = AdminService(
                SqlDirectoryStore(database, vault),
                SqlMinutesAdministration(database),
                emergency_codes=frozenset({"190"}),
                on_softphones_changed=lambda: self.told.append("softphones"),
            )
            server = ControlServer(service, self._cc.socket)
            await server.start()
            self._up.set()
            await self._stop.wait()
            await server.stop()
            self.showings = await self._token_showings(database)

    async def _token_showings(self, database: Database) -> list[tuple[str, str]]:
        async with database.reading() as connection:
            rows = await connection.execute(text("SELECT actor, occasion FROM token_showings ORDER BY id"))
            return [(row.actor, row.occasion) for row in rows]
