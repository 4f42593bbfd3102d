"""Where the SIP programs of the tests are."""

from __future__ import annotations

import os
import shutil

from lab.prefix import REPOSITORY

FETCHED = REPOSITORY / ".lab" / "tools" / "bin"
"""Where scripts/fetch-test-tools puts them."""
FAKETIME = REPOSITORY / ".lab" / "tools" / "lib" / "libfaketime.so"


class NoTool(Exception):
    """A program that a test needs is missing; the message says what to do."""


def find_tool(name: str) -> str:
    """Path of a program. One that is missing is an error, not a skipped test."""
    found = shutil.which(name, path=f"{FETCHED}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise NoTool(f"no {name} here: run scripts/fetch-test-tools")
    return found
