"""Every section and key: default, documentation, what a value may be. docs/configuration.md is tested against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from callcontrol.config.checks import Check, between, codes, database_url, http_url, not_empty, one_of, plain_name
from callcontrol.domain.calls.state import Timing

if TYPE_CHECKING:
    from callcontrol.database.limits import Limits

T = TypeVar("T")

EMERGENCY_CODES = ("190", "191", "192", "193", "194", "197", "198", "199")


def key(default: T, doc: str, *, check: Check | None = None, secret: bool = False) -> T:
    """A field with its default, documentation and check; typed as the default, like `dataclasses.field`."""
    made: T = field(default=default, repr=not secret, metadata={"doc": doc, "check": check, "secret": secret})
    return made


@dataclass(frozen=True, slots=True)
class NodeConfig:
    name: str = key(
        "main",
        "Name of this daemon: its calls are stored under it, and it recovers only those. Keep it for good.",
        check=plain_name,
    )


@dataclass(frozen=True, slots=True)
class AsteriskConfig:
    ari_url: str = key(
        "http://127.0.0.1:8088",
        "Asterisk's HTTP server, with the prefix of `http.conf` if it has one.",
        check=http_url,
    )
    ari_user: str = key("callcontrol", "User of `ari.conf`.", check=not_empty)
    ari_password: str = key("", "Password of that user. Required, here or in a file.", check=not_empty, secret=True)
    app: str = key("callcontrol", "Name of the Stasis application in the dialplan.", check=plain_name)
    request_timeout_s: float = key(
        5.0, "Seconds after which a request to Asterisk counts as unanswered.", check=between(0.1, 60)
    )
    connections: int = key(
        16, "HTTP connections kept to Asterisk, the one of the events included.", check=between(2, 256)
    )
    heartbeat_s: float = key(
        5.0,
        "Seconds of silence after which Asterisk is asked for a sign of life; without one within as much "
        "again, the connection is given up and made anew.",
        check=between(0.5, 300),
    )
    reconnect_max_s: float = key(
        5.0, "Longest pause between two attempts to reconnect, in seconds.", check=between(0.1, 300)
    )
    cel_file: Path = key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/var/log/asterisk/cel-custom/callcontrol.csv"),
        "Asterisk's own record of channels (CEL), written as `asterisk-conf/cel_custom.conf` says; its rotated "
        "files beside it are read too.",
    )
    cel_wait_s: float = key(
        5.0,
        "Seconds that recovery waits for the end of a channel to be written there.",
        check=between(0, 60),
    )
    config_folder: Path = key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/etc/asterisk"), "Asterisk's own configuration, which only `callcontrol doctor` looks into."
    )

    def __post_init__(self) -> None:
        # The path of ARI itself is ours to add: forgive the operator who wrote it already.
        object.__setattr__(self, "ari_url", self.ari_url.rstrip("/").removesuffix("/ari"))


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    url: str = key(
        "sqlite:////var/lib/callcontrol/callcontrol.db",
        "Database: `sqlite:////path`, or `postgresql://user:password@host/database` for several daemons.",
        check=database_url,
        secret=True,
    )
    writers: int = key(4, "PostgreSQL: transactions under way at most, each of another company.", check=between(1, 64))
    connect_timeout_s: float = key(
        3.0, "PostgreSQL: seconds for a connection to be made, to each host of the URL.", check=between(2, 60)
    )
    statement_timeout_s: float = key(
        5.0,
        "PostgreSQL: seconds after which the server ends a statement; checks of all the books have no such limit.",
        check=between(0.1, 300),
    )
    lock_timeout_s: float = key(
        2.0,
        "PostgreSQL: seconds that a statement waits for a lock that another daemon has; then the operation is tried "
        "again.",
        check=between(0.05, 60),
    )
    idle_in_transaction_timeout_s: float = key(
        5.0,
        "PostgreSQL: seconds after which the server ends a transaction of a daemon that hangs, and frees its locks.",
        check=between(1, 300),
    )
    tcp_timeout_s: float = key(
        10.0,
        "PostgreSQL: seconds of silence on the network after which the other side counts as gone, here and there.",
        check=between(2, 300),
    )
    retry_s: float = key(
        5.0,
        "PostgreSQL: seconds in which an operation is tried again after a lost connection, a failover, a deadlock or "
        "a lock; then the ledger counts as unavailable (D11).",
        check=between(0, 60),
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password in the URL, as it is written and as it is meant."""
        written = self.url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        return written, unquote(written)

    def limits(self) -> Limits:
        """As the database takes them."""
        # Imported when needed: SQLAlchemy takes a while to load, which most commands need not wait for.
        from callcontrol.database.limits import Limits

        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class CallsConfig:
    ring_timeout_s: int = key(
        60, "Seconds that the called phone may ring or the carrier play early media.", check=between(1, 600)
    )
    authorise_timeout_s: float = key(
        5.0,
        "Seconds for the rules and the first held minute; then the call is refused.",
        check=between(0.1, 60),
    )
    setup_timeout_s: float = key(5.0, "Seconds for Asterisk to create the customer's channel.", check=between(0.1, 60))
    announcement_timeout_s: float = key(
        8.0,
        "Longest announcement to an agent whose call is not connected, in seconds.",
        check=between(0.1, 60),
    )
    hangup_timeout_s: float = key(
        5.0,
        "Seconds for Asterisk to confirm that a channel is gone; then it is hung up again.",
        check=between(0.1, 60),
    )
    close_timeout_s: float = key(
        10.0,
        "Seconds after which a settlement that the database did not confirm is tried again.",
        check=between(0.1, 300),
    )
    grace_s: int = key(
        600,
        "Seconds beyond the held minutes after which Asterisk itself ends a call of a dead daemon (D5).",
        check=between(0, 86400),
    )
    emergency_codes: tuple[str, ...] = key(
        EMERGENCY_CODES,
        "Emergency and public-service codes: never refused, never billed (D16).",
        check=codes,
    )
    emergency_trunk: str = key(
        "",
        "PJSIP endpoint that emergency codes go to when the directory has no trunk or does not answer (D16). Set it.",
        check=lambda value: None if value == "" else plain_name(value),
    )

    def timing(self, minute_s: int = 60) -> Timing:
        """The limits as the call machine takes them. `minute_s` is for tests of the live cut only; what is counted in
        parts of a minute shrinks with it."""
        usual = Timing()
        return Timing(
            extend_lead_s=minute_s * usual.extend_lead_s // usual.minute_s,
            extend_retry_s=max(1, minute_s * usual.extend_retry_s // usual.minute_s),
            authorise_timeout_s=self.authorise_timeout_s,
            setup_timeout_s=self.setup_timeout_s,
            ring_timeout_s=self.ring_timeout_s,
            announcement_timeout_s=self.announcement_timeout_s,
            hangup_timeout_s=self.hangup_timeout_s,
            close_timeout_s=self.close_timeout_s,
            grace_s=self.grace_s,
            minute_s=minute_s,
            warnings_s=tuple(minute_s * lead_s / usual.minute_s for lead_s in usual.warnings_s),
        )


@dataclass(frozen=True, slots=True)
class HttpConfig:
    host: str = key("127.0.0.1", "Address of `/healthz`, `/readyz` and `/metrics`.", check=not_empty)
    port: int = key(8099, "Their TCP port; not Asterisk's own 8088.", check=between(1, 65535))


@dataclass(frozen=True, slots=True)
class ControlConfig:
    socket: Path = key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/run/callcontrol/control.sock"),
        "Unix socket on which the running daemon takes the commands of the CLI.",
    )


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    key_file: Path = key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/var/lib/callcontrol/token.key"),
        "Key that SIP tokens are encrypted with; made (mode 0600) when it is not there. "
        "Back it up apart from the database.",
    )


@dataclass(frozen=True, slots=True)
class LogConfig:
    level: str = key(
        "info", "`debug`, `info`, `warning` or `error`.", check=one_of("debug", "info", "warning", "error")
    )
    format: str = key("json", "`json`, one object a line, or `console`, for people.", check=one_of("json", "console"))
    mask_numbers: bool = key(False, "Show only the last four digits of telephone numbers in the log.")


@dataclass(frozen=True, slots=True)
class DrainConfig:
    timeout_s: float = key(
        30.0,
        "Seconds that a stopping daemon waits for calls to settle; what still talks goes on in Asterisk.",
        check=between(0, 3600),
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, checked."""

    node: NodeConfig = field(default_factory=NodeConfig)
    asterisk: AsteriskConfig = field(default_factory=AsteriskConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    calls: CallsConfig = field(default_factory=CallsConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    log: LogConfig = field(default_factory=LogConfig)
    drain: DrainConfig = field(default_factory=DrainConfig)
