"""Free ports on the loopback address."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
# Below the range from which Linux gives ports to outgoing connections (32768 up): those come and go under our feet.
_LOWEST, _HIGHEST = 12000, 32000
SHARE_VARIABLE = "CALLCONTROL_LAB_SHARE"
"""`0/3`: the first third of the ports. Laboratories that run side by side do not take each other's."""
_random = random.SystemRandom()


class NoFreePort(Exception):
    """Nothing is free; the message is one line."""


def is_free(port: int) -> bool:
    """Both for TCP and for UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


_next: dict[tuple[int, int], int] = {}
"""Where the next search in an interval begins. Round and round, so that what was given stays its owner's for long,
whether it is bound already or not."""


def _search(lowest: int, below: int, size: int) -> Iterator[int]:
    """First ports to try for `size` of them, each place of the interval once, beginning after the last one given."""
    places = (below - lowest) // size
    if not places:
        raise NoFreePort(f"no {size} ports between {lowest} and {below} on {LOOPBACK}")
    begin = _next.get((lowest, below), _random.randrange(lowest, below))
    for place in range(places):
        first = lowest + (begin - lowest + place * size) % (places * size)
        first += first % 2 if size > 1 else 0  # RTP has the even port of a pair (RFC 3550, section 11)
        if first + size <= below:
            _next[lowest, below] = first + size
            yield first


def free_port(preferred: int | None = None) -> int:
    """`preferred` when it is free, else any. Another process may still take it before it is bound."""
    if preferred is not None and is_free(preferred):
        return preferred
    lowest, below, _ = _share()
    for port in _search(lowest, below, 1):
        if is_free(port):
            return port
    raise NoFreePort(f"no free port between {lowest} and {below} on {LOOPBACK}")


def free_range(size: int) -> tuple[int, int]:
    """First and last of `size` ports that look free. Asterisk tries the next port where one of a range is taken, so
    two instances whose ranges meet do not fail."""
    _, lowest, highest = _share()
    for first in _search(lowest, highest, size):
        if all(is_free(port) for port in range(first, first + size, max(1, size // 16))):
            return first, first + size - 1
    raise NoFreePort(f"no {size} free ports in a row between {lowest} and {highest} on {LOOPBACK}")


def _share() -> tuple[int, int, int]:
    """From where to where single ports are taken, and up to where ranges: a port that looks free now and lies in
    somebody's range for media would be taken by the next call."""
    part, _, parts = os.environ.get(SHARE_VARIABLE, "0/1").partition("/")
    size = (_HIGHEST - _LOWEST) // int(parts)
    lowest = _LOWEST + int(part) * size
    return lowest, lowest + size // 3, lowest + size
