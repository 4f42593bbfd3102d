"""What must not be in a log: secrets ever, telephone numbers where the operator says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

_SECRET_KEY = re.compile(r"token|passw|secret|authorization|cookie|credential|api_?key|md5_cred|fernet", re.IGNORECASE)
_SECRET_TEXT = (
    (re.compile(r"(://)[^/@\s]+@"), r"\1[removed]@"),
    (re.compile(r"(?i)\b(basic|bearer|digest)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 [removed]"),
    (re.compile(r"(?i)\b(api_key|password|passwd|secret|token)(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;]+"), r"\1\2[removed]"),
)
_HINTS = ("://", "basic", "bearer", "digest", "api_key", "password", "passwd", "secret", "token")
"""One of these is in every text (case folded) that one of the patterns above changes. To look for them first halves
the cost of a line, and every call has eight."""
_NUMBER_KEYS = frozenset({"number", "dialled", "caller_id", "origin_number", "dial_string", "sip_username"})
_NUMBER = re.compile(r"(?<![\w.:-])\+?[0-9]{8,15}(?![\w.:-])")
_DIGITS = re.compile(r"[0-9]{5,}")
_REMOVED = "[removed]"
_DEEPEST = 6

EventDict = MutableMapping[str, Any]


class Cleaner:
    """The last processor before rendering: removes secrets and masks numbers, however deep they are."""

    def __init__(self, *, mask_numbers: bool = False, secrets: Iterable[str] = ()) -> None:
        """`secrets`: values that must not appear anywhere, whatever they are called."""
        self._mask = mask_numbers
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)

    def __call__(self, logger: Any, name: str, event: EventDict) -> EventDict:
        return {key: self._clean(key, value, 0) for key, value in event.items()}

    def _clean(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if _SECRET_KEY.search(key):
            return _REMOVED
        if isinstance(value, int | float):
            return value
        if isinstance(value, str):
            return self._text(key, value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {str(inner): self._clean(str(inner), item, depth + 1) for inner, item in value.items()}
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self._clean(key, item, depth + 1) for item in value]
        return self._text(key, repr(value))

    def _text(self, key: str, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REMOVED)
        small = text.casefold()
        if any(hint in small for hint in _HINTS):
            for pattern, replacement in _SECRET_TEXT:
                text = pattern.sub(replacement, text)
        if self._mask and key != "timestamp":
            text = (_DIGITS if key in _NUMBER_KEYS else _NUMBER).sub(_all_but_the_last_four, text)
        return text


def _all_but_the_last_four(match: re.Match[str]) -> str:
    text = match.group()
    return "*" * (len(text) - 4) + text[-4:]
