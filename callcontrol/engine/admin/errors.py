"""The one error of administration: a sentence for a person and a kind for a program."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """Stable: exit codes of the command line and status codes of the API are chosen by it."""

    INVALID = "invalid"
    """The input breaks a rule."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """It exists already, or something that exists forbids it."""
    UNAVAILABLE = "unavailable"
    """The database, the key or the daemon cannot be used now."""
    INTERNAL = "internal"
    """A defect of ours; the log has it."""


class AdminError(Exception):
    """A command was not carried out; `message` is one line that says what to do."""

    def __init__(self, message: str, kind: ErrorKind) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


def invalid(message: str) -> AdminError:
    return AdminError(message, ErrorKind.INVALID)


def not_found(message: str) -> AdminError:
    return AdminError(message, ErrorKind.NOT_FOUND)


def conflict(message: str) -> AdminError:
    return AdminError(message, ErrorKind.CONFLICT)
