"""What a value may be: each check says what is wrong with a value of the right type, or None."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[Any], str | None]


def between(low: float, high: float) -> Check:
    return lambda value: None if low <= value <= high else f"must be between {low:g} and {high:g}"


def one_of(*words: str) -> Check:
    return lambda value: None if value in words else f"must be one of {', '.join(words)}"


def matching(pattern: str, meaning: str) -> Check:
    return lambda value: None if re.fullmatch(pattern, value) else f"must be {meaning}"


def http_url(value: str) -> str | None:
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


def database_url(value: str) -> str | None:
    """What follows the user and the password is the driver's to judge: several hosts, sockets, options."""
    scheme, separator, rest = value.partition("://")
    if separator and scheme.partition("+")[0] == "sqlite":
        return None
    if not separator or scheme not in ("postgresql", "postgresql+psycopg"):
        return "must begin with sqlite:// or postgresql://"
    # Such a password would be cut in the wrong place, and what is left of it shown as a host or a port in an error.
    if "@" in rest and not re.fullmatch(r"(/.*|([^@/%\s]|%[0-9A-Fa-f]{2})*)", rest.rpartition("@")[0]):
        return "must have every @, /, % and space of its user and password written as %40, %2F, %25 and %20"
    return None


def codes(value: tuple[str, ...]) -> str | None:
    wrong = [code for code in value if not re.fullmatch(r"[0-9]{2,6}", code)]
    return f"must be codes of 2 to 6 digits, which {wrong[0]!r} is not" if wrong else None


plain_name = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "letters, digits, dots, dashes or underscores (64 at most)")
not_empty = matching(r"\S(.*\S)?", "a text that is not empty")
