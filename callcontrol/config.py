"""Configuration: a TOML file, then `CALLCONTROL_SECTION__KEY` from the environment, into frozen dataclasses.

Secrets come from files or the environment, never from argv, and are in no `repr`. Every problem found is told
at once, each in one line that names the key and the line of the file, or the environment variable.
docs/configuration.md has every key; a test compares it with this file.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from callcontrol.domain.calls.state import Timing

DEFAULT_PATH = Path("/etc/callcontrol/callcontrol.toml")
ENVIRONMENT_PREFIX = "CALLCONTROL_"
T = TypeVar("T")

EMERGENCY_CODES = ("190", "191", "192", "193", "194", "197", "198", "199")


class ConfigError(Exception):
    """The configuration cannot be used. `problems`: one line for each thing to mend; `str()`: all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


Check = Callable[[Any], str | None]
"""Says what is wrong with a value of the right type, or None."""


def _key(default: T, doc: str, *, check: Check | None = None, secret: bool = False) -> T:
    """A field with its default, documentation and check; typed as the default, like `dataclasses.field`."""
    made: T = field(default=default, repr=not secret, metadata={"doc": doc, "check": check, "secret": secret})
    return made


def _between(low: float, high: float) -> Check:
    return lambda value: None if low <= value <= high else f"must be between {low:g} and {high:g}"


def _one_of(*words: str) -> Check:
    return lambda value: None if value in words else f"must be one of {', '.join(words)}"


def _matching(pattern: str, meaning: str) -> Check:
    return lambda value: None if re.fullmatch(pattern, value) else f"must be {meaning}"


def _http_url(value: str) -> str | None:
    try:
        url = urlsplit(value)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        return "must be a URL such as http://127.0.0.1:8088"
    if url.username or url.password or url.query or url.fragment:
        return "must be a plain URL: the user and the password have their own keys"
    return None


def _database_url(value: str) -> str | None:
    scheme = value.partition(":")[0]
    if "://" not in value or scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        return "must begin with sqlite:// or postgresql://"
    return None


def _codes(value: tuple[str, ...]) -> str | None:
    wrong = [code for code in value if not re.fullmatch(r"[0-9]{2,6}", code)]
    return f"must be codes of 2 to 6 digits, which {wrong[0]!r} is not" if wrong else None


_name = _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "letters, digits, dots, dashes or underscores (64 at most)")
_not_empty = _matching(r"\S(.*\S)?", "a text that is not empty")


@dataclass(frozen=True, slots=True)
class NodeConfig:
    name: str = _key(
        "main",
        "Name of this daemon: its calls are stored under it, and it recovers only those. Keep it for good.",
        check=_name,
    )


@dataclass(frozen=True, slots=True)
class AsteriskConfig:
    ari_url: str = _key(
        "http://127.0.0.1:8088",
        "Asterisk's HTTP server, with the prefix of `http.conf` if it has one.",
        check=_http_url,
    )
    ari_user: str = _key("callcontrol", "User of `ari.conf`.", check=_not_empty)
    ari_password: str = _key("", "Password of that user. Required, here or in a file.", check=_not_empty, secret=True)
    app: str = _key("callcontrol", "Name of the Stasis application in the dialplan.", check=_name)
    request_timeout_s: float = _key(
        5.0, "Seconds after which a request to Asterisk counts as unanswered.", check=_between(0.1, 60)
    )
    connections: int = _key(
        16, "HTTP connections kept to Asterisk, the one of the events included.", check=_between(2, 256)
    )
    heartbeat_s: float = _key(
        5.0,
        "Seconds of silence after which Asterisk is asked for a sign of life; without one within as much "
        "again, the connection is given up and made anew.",
        check=_between(0.5, 300),
    )
    reconnect_max_s: float = _key(
        5.0, "Longest pause between two attempts to reconnect, in seconds.", check=_between(0.1, 300)
    )
    cel_file: Path = _key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/var/log/asterisk/cel-custom/callcontrol.csv"),
        "Asterisk's own record of channels (CEL), written as `asterisk-conf/cel_custom.conf` says; its rotated "
        "files beside it are read too.",
    )
    cel_wait_s: float = _key(
        5.0,
        "Seconds that recovery waits for the end of a channel to be written there.",
        check=_between(0, 60),
    )
    config_folder: Path = _key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/etc/asterisk"), "Asterisk's own configuration, which only `callcontrol doctor` looks into."
    )


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    url: str = _key(
        "sqlite:////var/lib/callcontrol/callcontrol.db",
        "Database: `sqlite:////path` or `postgresql://user:password@host/name`.",
        check=_database_url,
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class CallsConfig:
    ring_timeout_s: int = _key(
        60, "Seconds that the called phone may ring or the carrier play early media.", check=_between(1, 600)
    )
    authorise_timeout_s: float = _key(
        5.0,
        "Seconds for the rules and the first held minute; then the call is refused.",
        check=_between(0.1, 60),
    )
    setup_timeout_s: float = _key(
        5.0, "Seconds for Asterisk to create the customer's channel.", check=_between(0.1, 60)
    )
    announcement_timeout_s: float = _key(
        8.0,
        "Longest announcement to an agent whose call is not connected, in seconds.",
        check=_between(0.1, 60),
    )
    hangup_timeout_s: float = _key(
        5.0,
        "Seconds for Asterisk to confirm that a channel is gone; then it is hung up again.",
        check=_between(0.1, 60),
    )
    close_timeout_s: float = _key(
        10.0,
        "Seconds after which a settlement that the database did not confirm is tried again.",
        check=_between(0.1, 300),
    )
    grace_s: int = _key(
        600,
        "Seconds beyond the held minutes after which Asterisk itself ends a call of a dead daemon (D5).",
        check=_between(0, 86400),
    )
    emergency_codes: tuple[str, ...] = _key(
        EMERGENCY_CODES,
        "Emergency and public-service codes: never refused, never billed (D16).",
        check=_codes,
    )
    emergency_trunk: str = _key(
        "",
        "PJSIP endpoint that emergency codes go to when the directory has no trunk or does not answer (D16). Set it.",
        check=lambda value: None if value == "" else _name(value),
    )

    def timing(self, minute_s: int = 60) -> Timing:
        """The limits as the call machine takes them. `minute_s` is for tests of the live cut only."""
        return Timing(
            authorise_timeout_s=self.authorise_timeout_s,
            setup_timeout_s=self.setup_timeout_s,
            ring_timeout_s=self.ring_timeout_s,
            announcement_timeout_s=self.announcement_timeout_s,
            hangup_timeout_s=self.hangup_timeout_s,
            close_timeout_s=self.close_timeout_s,
            grace_s=self.grace_s,
            minute_s=minute_s,
        )


@dataclass(frozen=True, slots=True)
class HttpConfig:
    host: str = _key("127.0.0.1", "Address of `/healthz`, `/readyz` and `/metrics`.", check=_not_empty)
    port: int = _key(8099, "Their TCP port; not Asterisk's own 8088.", check=_between(1, 65535))


@dataclass(frozen=True, slots=True)
class ControlConfig:
    socket: Path = _key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/run/callcontrol/control.sock"),
        "Unix socket on which the running daemon takes the commands of the CLI.",
    )


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    key_file: Path = _key(  # noqa: RUF009 - a field specifier, called once by design
        Path("/var/lib/callcontrol/token.key"),
        "Key that SIP tokens are encrypted with; made (mode 0600) when it is not there. "
        "Back it up apart from the database.",
    )


@dataclass(frozen=True, slots=True)
class LogConfig:
    level: str = _key(
        "info", "`debug`, `info`, `warning` or `error`.", check=_one_of("debug", "info", "warning", "error")
    )
    format: str = _key("json", "`json`, one object a line, or `console`, for people.", check=_one_of("json", "console"))
    mask_numbers: bool = _key(False, "Show only the last four digits of telephone numbers in the log.")


@dataclass(frozen=True, slots=True)
class DrainConfig:
    timeout_s: float = _key(
        30.0,
        "Seconds that a stopping daemon waits for calls to settle; what still talks goes on in Asterisk.",
        check=_between(0, 3600),
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


@dataclass(frozen=True, slots=True)
class Key:
    """One key as documentation and tests see it."""

    section: str
    name: str
    default: Any
    doc: str
    kind: Any = str
    check: Check | None = None
    secret: bool = False
    file_of: str | None = None
    """The secret that the file named by this key holds."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{ENVIRONMENT_PREFIX}{self.section}__{self.name}".upper()


def keys() -> Iterator[Key]:
    """Every key, in the order of the documentation. A secret has a second one that names a file with it."""
    for section, hint in get_type_hints(Config).items():
        kinds = get_type_hints(hint)
        item: Field[Any]
        for item in fields(hint):
            yield Key(
                section,
                item.name,
                item.default,
                item.metadata["doc"],
                kinds[item.name],
                item.metadata["check"],
                item.metadata["secret"],
            )
            if item.metadata["secret"]:
                doc = f"File that holds `{item.name}`, read at the start."
                yield Key(section, f"{item.name}_file", None, doc, Path, file_of=item.name)


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. Without `path`, the default file, which may be absent if the environment says enough.

    Relative paths are relative to the file's folder. Raises ConfigError.
    """
    source = _Source.read(path or DEFAULT_PATH, required=path is not None)
    values, problems = source.values()
    for key, given, problem in _from_environment(os.environ if environ is None else environ):
        if problem:
            problems.append(problem)
        elif key is not None:
            # Also where the file names the secret itself and the environment a file with it, or the reverse.
            values.pop((key.section, key.file_of or f"{key.name}_file"), None)
            values[key.section, key.name] = given
    _read_secret_files(values, problems)
    if ("asterisk", "ari_password") not in values and not problems:
        problems.append(
            f"{source.path}: [asterisk] ari_password is required: set it, or ari_password_file, "
            "or CALLCONTROL_ASTERISK__ARI_PASSWORD" + ("" if source.exists else " (the file does not exist)")
        )
    if problems:
        raise ConfigError(problems)
    sections = {
        section: hint(**{name: given.value for (owner, name), given in values.items() if owner == section})
        for section, hint in get_type_hints(Config).items()
    }
    return Config(**sections)


@dataclass(frozen=True, slots=True)
class _Given:
    value: Any
    where: Callable[[], str]
    """`callcontrol.toml:12: [calls] ring_timeout_s`, or the variable's name; only called on problems."""


_Values = dict[tuple[str, str], _Given]


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    text: str
    tree: dict[str, Any]
    exists: bool

    @classmethod
    def read(cls, path: Path, *, required: bool) -> _Source:
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError:
            if required:
                raise ConfigError([f"{path}: the configuration file does not exist"]) from None
            return cls(path, "", {}, False)
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            raise ConfigError([f"{path}:{line}: not UTF-8 text"]) from None
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
        try:
            return cls(path, text, tomllib.loads(text), True)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([_syntax_error(path, text, str(error))]) from None

    def values(self) -> tuple[_Values, list[str]]:
        known = {(key.section, key.name): key for key in keys()}
        sections = {section for section, _ in known}
        values: _Values = {}
        problems: list[tuple[int, str]] = []

        def report(message: str, *trail: str) -> None:
            problems.append((self.line(*trail), f"{self.place(*trail)}: {message}"))

        for section, content in self.tree.items():
            if section not in sections:
                report(f"unknown section; there are {', '.join(sorted(sections))}", section)
                continue
            if not isinstance(content, dict):
                report(f"is a section: write [{section}] above its keys", section)
                continue
            for name, raw in content.items():
                key = known.get((section, name))
                if key is None:
                    report(_unknown_key(section, name), section, name)
                    continue
                value, problem = _convert(key, raw, self.path.parent)
                if problem:
                    report(problem, section, name)
                else:
                    values[section, name] = _Given(value, partial(self.place, section, name))
        for key in known.values():
            if key.secret and {(key.section, key.name), (key.section, f"{key.name}_file")} <= values.keys():
                report(f"cannot be given together with {key.name}_file", key.section, key.name)
        return values, [problem for _, problem in sorted(problems)]

    def line(self, *trail: str) -> int:
        return _lines_of(self.text).get(trail, 1)

    def place(self, *trail: str) -> str:
        """`callcontrol.toml:12: [calls] ring_timeout_s`."""
        return f"{self.path}:{self.line(*trail)}: [{trail[0]}]" + (f" {trail[1]}" if len(trail) > 1 else "")


def _syntax_error(path: Path, text: str, message: str) -> str:
    """tomllib says `... (at line 3, column 5)` or `... (at end of document)`."""
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(at.group(1)) if at else max(1, text.rstrip("\n").count("\n") + 1)
    return f"{path}:{line}: not TOML: {re.sub(r' [(]at .*[)]$', '', message)}"


@lru_cache(maxsize=1)
def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line on which each section and key begins, found with the parser itself: the longest beginning of
    the file that was valid before the key appeared ends just above its statement. Quadratic: only on errors."""
    lines = text.splitlines()
    found: dict[tuple[str, ...], int] = {}
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for section, content in tree.items():
            found.setdefault((section,), begins)
            for name in content if isinstance(content, dict) else ():
                found.setdefault((section, name), begins)
        begins = end + 1
    return found


def _unknown_key(section: str, name: str) -> str:
    names = [key.name for key in keys() if key.section == section]
    return f"unknown key {name!r}; there are {', '.join(names)}"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key | None, _Given, str | None]]:
    """Variables with a double underscore are ours; others (CALLCONTROL_ASTERISK...) belong to the scripts."""
    known = {key.variable: key for key in keys()}
    mine = {name: text for name, text in environ.items() if name.startswith(ENVIRONMENT_PREFIX) and "__" in name}
    for name, text in sorted(mine.items()):
        key, given = known.get(name), _Given(None, partial(str, name))
        if key is None:
            yield None, given, f"{name}: no such setting; see docs/configuration.md"
            continue
        if key.secret and f"{name}_FILE" in mine:
            yield None, given, f"{name}: cannot be given together with {name}_FILE"
            continue
        raw, problem = _parse(key, text)
        value, problem = (None, problem) if problem else _convert(key, raw, Path.cwd())
        yield key, replace(given, value=value), f"{name}: {problem}" if problem else None


_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _parse(key: Key, text: str) -> tuple[Any, str | None]:
    """A variable's text as the TOML value it stands for; lists are separated by commas."""
    try:
        if key.kind is bool:
            return _TRUTH[text.strip().lower()], None
        if key.kind is int:
            return int(text), None
        if key.kind is float:
            return float(text), None
    except (KeyError, ValueError):
        return None, f"must be {_WORDS[key.kind]}, not {text!r}"
    if key.kind == tuple[str, ...]:
        return [item.strip() for item in text.split(",") if item.strip()], None
    return text, None


_WORDS: dict[Any, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
    tuple[str, ...]: "a list of texts",
}


def _convert(key: Key, raw: Any, folder: Path) -> tuple[Any, str | None]:
    """The typed value, or what is wrong with it. A secret's value is never repeated."""
    shown = "" if key.secret else f", not {raw!r}"
    value: Any = None
    if key.kind in (str, bool, int) and type(raw) is key.kind:
        value = raw
    elif key.kind is float and isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
        value = float(raw)
    elif key.kind is Path and isinstance(raw, str) and raw.strip():
        value = folder / raw
    elif key.kind == tuple[str, ...] and isinstance(raw, list) and all(isinstance(item, str) for item in raw):
        value = tuple(raw)
    if value is None:
        return None, f"must be {_WORDS[key.kind]}{shown}"
    wrong = key.check(value) if key.check else None
    if wrong:
        return None, wrong + ("" if key.kind == tuple[str, ...] or "@" in str(value) else shown)
    if key.check is _http_url:
        # The path of ARI itself is ours to add: forgive the operator who wrote it already.
        value = value.rstrip("/").removesuffix("/ari")
    return value, None


def _read_secret_files(values: _Values, problems: list[str]) -> None:
    """Replace each `..._file` by what is in the file, its last line end apart."""
    for key in [key for key in keys() if key.secret]:
        given = values.pop((key.section, f"{key.name}_file"), None)
        if given is None:
            continue
        try:
            secret = given.value.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            problems.append(f"{given.where()}: {given.value} cannot be read: {error.strerror}")
            continue
        except UnicodeDecodeError:
            problems.append(f"{given.where()}: {given.value} is not UTF-8 text")
            continue
        wrong = key.check(secret) if key.check else None
        if wrong:
            problems.append(f"{given.where()}: the content of {given.value} {wrong}")
            continue
        values[key.section, key.name] = _Given(secret, given.where)
