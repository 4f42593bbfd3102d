"""Exit codes, and how every error becomes one line on stderr."""

from __future__ import annotations

from enum import IntEnum

import click

from callcontrol.engine.admin.errors import AdminError, ErrorKind


class Exit(IntEnum):
    """Documented in docs/cli.md. `run` may also end with the codes of callcontrol.bootstrap."""

    OK = 0
    DEFECT = 1
    """A defect of callcontrol's own."""
    USAGE = 2
    CONFIG = 3
    REFUSED = 4
    """Invalid, not found or in conflict: the input has to change."""
    UNAVAILABLE = 5
    """The daemon, the database or the token key cannot be used now."""
    UNHEALTHY = 6
    """`doctor` found something to mend."""
    BOOKS_WRONG = 7
    """`audit` or `replay` found something wrong."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141


_OF_KIND = {
    ErrorKind.INVALID: Exit.REFUSED,
    ErrorKind.NOT_FOUND: Exit.REFUSED,
    ErrorKind.CONFLICT: Exit.REFUSED,
    ErrorKind.UNAVAILABLE: Exit.UNAVAILABLE,
    ErrorKind.INTERNAL: Exit.DEFECT,
}


def exit_of(error: AdminError) -> Exit:
    return _OF_KIND[error.kind]


def unavailable(message: str) -> AdminError:
    return AdminError(message, ErrorKind.UNAVAILABLE)


def complain(message: str) -> None:
    """One line, whatever the message holds: line breaks become spaces, what a terminal would obey is escaped."""
    line = " ".join(message.split())
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in line)
    click.echo(f"error: {safe}", err=True)
