"""Checks of this machine: database, key, clock, and what can be read of Asterisk's configuration."""

from __future__ import annotations

import ctypes
import stat
from datetime import UTC, datetime
from pathlib import Path

from callcontrol.config import Config
from callcontrol.database import DatabaseUnavailable, is_current, unsafe_settings
from callcontrol.doctor.asterisk_conf import option
from callcontrol.doctor.check import Check

_WRITE_TIMEOUT_MS = 1000
_RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
_TIME_ERROR = 5
"""What adjtimex(2) returns for a clock that nothing keeps in step."""
_TIMEX_BYTES = 512
"""More than `struct timex` has anywhere; zeroed, it asks without changing anything."""


def check_all(config: Config) -> list[Check]:
    return [
        database(config),
        key_file(config.security.key_file),
        clock(),
        websocket_write_timeout(config.asterisk.config_folder),
    ]


def database(config: Config) -> Check:
    """The database answers, and its schema is this version's."""
    name = "database"
    try:
        current = is_current(config.database.url, config.database.limits())
        unsafe = unsafe_settings(config.database.url, config.database.limits())
    except DatabaseUnavailable as error:
        return Check(name, False, f"does not answer: {error}", "see [database] url, and that the server runs")
    except Exception as error:  # a URL that no driver understands, a driver that is not installed
        return Check(name, False, f"cannot be used: {error}", "see [database] url")
    if not current:
        return Check(name, False, "the schema is missing or of another version", "run `callcontrol migrate`")
    if unsafe:
        words = f"the server has {' and '.join(unsafe)} off: a crash of it loses acknowledged minutes"
        return Check(name, False, words, "turn on what is off, in postgresql.conf and for the role")
    return Check(name, True, "reachable, schema up to date")


def key_file(path: Path) -> Check:
    """The key that SIP tokens are encrypted with is readable by us and by nobody else."""
    name = "key file"
    try:
        status = path.stat()
        if not status.st_mode & stat.S_IRUSR or not path.read_bytes():
            return Check(name, False, f"{path} is empty or not readable", "restore it from your backup")
    except FileNotFoundError:
        return Check(name, None, f"{path} is not there yet", "`callcontrol migrate` makes it; then back it up")
    except OSError as error:
        return Check(
            name, False, f"{path} cannot be read: {error.strerror}", "run as the daemon's user, or mend its owner"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        return Check(name, False, f"others may open {path} (mode {mode:04o})", f"chmod 600 {path}")
    return Check(name, True, f"{path}, mode {mode:04o}")


def clock() -> Check:
    """Calls are billed by the clock's difference, recovered by its absolute time."""
    name = "clock"
    now = datetime.now(UTC)
    if now < _RELEASED:
        return Check(
            name,
            False,
            f"it says {now:%Y-%m-%d %H:%M} UTC, which is past",
            "set the clock; run chrony or systemd-timesyncd",
        )
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        return Check(name, None, f"{now:%Y-%m-%d %H:%M} UTC; whether it is kept in step cannot be seen here")
    if state == _TIME_ERROR:
        return Check(name, None, "nothing keeps it in step with the world", "run chrony or systemd-timesyncd")
    if state < 0:
        return Check(name, None, f"{now:%Y-%m-%d %H:%M} UTC; the kernel does not say whether it is kept in step")
    return Check(name, True, "kept in step")


def websocket_write_timeout(folder: Path) -> Check:
    """Asterisk drops a reader of events that is slower than this; its default is less than a busy machine's pause."""
    name = "websocket_write_timeout"
    advice = f"[general] websocket_write_timeout = {_WRITE_TIMEOUT_MS} or more in ari.conf"
    path = folder / "ari.conf"
    try:
        value = option(path, "general", "websocket_write_timeout")
    except OSError as error:
        return Check(name, None, f"{error.filename or path} cannot be read: {error.strerror}", f"make sure of {advice}")
    if value is None:
        return Check(name, False, "not set: Asterisk's default of 100 ms loses events", advice)
    if not value.isdecimal() or int(value) < _WRITE_TIMEOUT_MS:
        return Check(name, False, f"{value} ms loses events when the machine is busy", advice)
    return Check(name, True, f"{value} ms")
