"""The command line: `callcontrol`. docs/cli.md has every command and exit code; a test compares it with the code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with one of the documented codes."""
    try:
        # Imported here: Ctrl-C while Python loads the commands is an interruption like any other.
        from callcontrol.cli.entry import run_and_exit
    except KeyboardInterrupt:
        sys.exit(130)
    run_and_exit(arguments)


__all__ = ["main"]
