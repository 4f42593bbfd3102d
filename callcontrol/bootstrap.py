"""Puts the daemon together. The only place that knows every concrete class."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

from callcontrol import __version__
from callcontrol.ari.backoff import Backoff
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.pbx import AriPbx
from callcontrol.ari.session import ApplicationTaken, AriSession
from callcontrol.ari.softphones import AriSoftphones
from callcontrol.cel import CelFile
from callcontrol.config import Config
from callcontrol.database import (
    Database,
    DatabaseInUse,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    open_database,
)
from callcontrol.directory import KeyUnusable, SqlDirectory, SqlDirectoryStore, TokenVault
from callcontrol.domain.admission import Trunk
from callcontrol.engine.admin.service import AdminService
from callcontrol.engine.auditing import keep_auditing, live_calls
from callcontrol.engine.clock import SystemClock
from callcontrol.engine.counting import keep_counting
from callcontrol.engine.engine import Engine
from callcontrol.engine.heartbeat import keep_marking
from callcontrol.engine.ports.observer import Observer
from callcontrol.engine.softphones import SoftphoneProvisioner
from callcontrol.engine.world import World
from callcontrol.ledger.administration import SqlMinutesAdministration
from callcontrol.ledger.audit_process import AuditProcess
from callcontrol.ledger.ledger import SqlLedger
from callcontrol.logs import LoggingObserver, configure_logging
from callcontrol.metrics import Metrics, Observers, PrometheusObserver
from callcontrol.web.control import ControlServer, ControlSocketUnusable
from callcontrol.web.health import CannotListen, Check, health_app, listening

log = structlog.get_logger(__name__)

EXIT_CANNOT_START = 5
EXIT_APPLICATION_TAKEN = 16
"""Another client took our Stasis application: restarting would steal it back and forth (systemd:
RestartPreventExitStatus=16)."""
EXIT_DEFECT = 1

TEST_MINUTE_VARIABLE = "CALLCONTROL_TEST_MINUTE_S"
"""Length of a minute for the live tests of the cut; no operator sets it, and the bill's minute stays what it is."""


async def run_daemon(config: Config) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Raises DatabaseInUse when another daemon has the database."""
    configure_logging(config.log, secrets=[config.asterisk.ari_password, *config.database.secrets])
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        async with AsyncExitStack() as stack:
            daemon = Daemon(config)
            await daemon.start(stack)
            return await daemon.run(stop)
    except (DatabaseNotMigrated, DatabaseUnavailable, KeyUnusable, CannotListen, ControlSocketUnusable) as error:
        log.error("daemon.cannot_start", reason=str(error))
        return EXIT_CANNOT_START


class Daemon:
    """Every part of one running daemon, and how they are wired."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._metrics = Metrics()
        observers: list[Observer] = [LoggingObserver(), PrometheusObserver(self._metrics)]
        self._observer = Observers(observers)
        self._work: list[tuple[str, Callable[[], Coroutine[Any, Any, Any]]]] = []
        self._engine: Engine
        self._session: AriSession
        self._database: Database
        self._auditor = AuditProcess(config.database.url, config.database.limits())

    async def start(self, stack: AsyncExitStack) -> None:
        """Open everything in the order in which things depend on each other; `stack` closes it in reverse."""
        config, asterisk = self._config, self._config.asterisk
        opened = open_database(
            config.database.url,
            config.database.limits(),
            node=config.node.name,
            on_commit=self._metrics.ledger_commit,
        )
        self._database = await stack.enter_async_context(opened)
        vault = TokenVault(config.security.key_file)
        directory = SqlDirectory(self._database, vault)
        await directory.softphones()  # an unusable key is told now, not at the first agent
        connection = await stack.enter_async_context(
            AriConnection(
                asterisk.ari_url,
                asterisk.ari_user,
                asterisk.ari_password,
                request_timeout_s=asterisk.request_timeout_s,
                connections=asterisk.connections,
                observer=self._metrics,
            )
        )
        ledger = SqlLedger(self._database)
        self._engine = Engine(
            World(
                node=config.node.name,
                pbx=AriPbx(connection, app=asterisk.app),
                ledger=ledger,
                directory=directory,
                records=CelFile(asterisk.cel_file),
                clock=SystemClock(),
                observer=self._observer,
                timing=config.calls.timing(int(os.environ.get(TEST_MINUTE_VARIABLE, "60"))),
                emergency_codes=frozenset(config.calls.emergency_codes),
                emergency_trunk=await _emergency_trunk(config, directory),
                record_wait_s=asterisk.cel_wait_s,
            )
        )
        stack.push_async_callback(self._engine.close)
        softphones = SoftphoneProvisioner(config.node.name, directory, AriSoftphones(connection))
        self._engine.on_live(softphones.request)
        self._session = AriSession(
            connection,
            self._engine,
            app=asterisk.app,
            heartbeat_s=asterisk.heartbeat_s,
            backoff=Backoff(longest_s=asterisk.reconnect_max_s),
            observer=self._metrics,
        )
        await self._serve(stack, ledger, vault, softphones)
        self._work = [
            ("ari", self._session.run),
            ("database", self._database.keep),
            ("softphones", softphones.run),
            ("clock", self._engine.watch.run),
            ("heartbeat", lambda: keep_marking(self._engine)),
            ("audit", self._audit),
            ("counting", lambda: keep_counting(SqlMinutesAdministration(self._database))),
        ]

    async def _serve(
        self, stack: AsyncExitStack, ledger: SqlLedger, vault: TokenVault, softphones: SoftphoneProvisioner
    ) -> None:
        config = self._config
        service = AdminService(
            SqlDirectoryStore(self._database, vault),
            SqlMinutesAdministration(self._database),
            emergency_codes=frozenset(config.calls.emergency_codes),
            on_softphones_changed=softphones.request,
            live_calls=lambda: live_calls(self._engine),
            auditor=self._auditor,
        )
        control = ControlServer(service, config.control.socket)
        await control.start()
        stack.push_async_callback(control.stop)

        async def refresh() -> None:
            self._metrics.set_minutes_held(await ledger.held_total())

        app = health_app(
            version=__version__,
            checks={"ari": self._check_ari, "reconciled": self._check_reconciled, "ledger": self._ledger_check(ledger)},
            exposition=self._metrics.render,
            before_scrape=refresh,
        )
        port = await stack.enter_async_context(listening(app, config.http.host, config.http.port))
        log.info("daemon.started", node=config.node.name, version=__version__, http_port=port)

    async def run(self, stop: asyncio.Event) -> int:
        """Until `stop`, or until a part ends, which none should."""
        tasks = [asyncio.create_task(work(), name=name) for name, work in self._work]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            if stopping in done:
                drained = await self._engine.drain(self._config.drain.timeout_s)
                log.info("daemon.stopping", drained=drained, calls_left_to_asterisk=len(self._engine.calls))
                return 0
            return _exit_code(next(task for task in done))
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _audit(self) -> None:
        await keep_auditing(
            self._auditor,
            self._metrics,
            live=lambda: live_calls(self._engine),
            now=self._engine.world.clock.now,
        )

    async def _check_ari(self) -> str | None:
        return None if self._session.connected else "Asterisk is not connected, or silent"

    async def _check_reconciled(self) -> str | None:
        return None if self._engine.reconciled else "calls are not reconciled with Asterisk yet"

    def _ledger_check(self, ledger: SqlLedger) -> Check:
        async def check() -> str | None:
            await ledger.check_writable()
            return None

        return check


async def _emergency_trunk(config: Config, directory: SqlDirectory) -> Trunk | None:
    if config.calls.emergency_trunk:
        return Trunk(config.calls.emergency_trunk, config.calls.emergency_trunk)
    return await directory.default_trunk()


def _exit_code(ended: asyncio.Task[Any]) -> int:
    error = ended.exception()
    if isinstance(error, ApplicationTaken):
        log.critical("daemon.application_taken", reason=str(error))
        return EXIT_APPLICATION_TAKEN
    if isinstance(error, DatabaseInUse):
        log.critical("daemon.database_taken", reason=str(error))
        return EXIT_CANNOT_START
    log.critical("daemon.part_ended", part=ended.get_name(), exc_info=error)
    return EXIT_DEFECT
