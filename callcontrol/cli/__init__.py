"""The command line: `callcontrol`. docs/cli.md has every command and exit code; a test compares it with the code."""

from callcontrol.cli.main import main

__all__ = ["main"]
