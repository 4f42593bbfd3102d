"""Asterisk's own record of channels (CEL), from which calls are settled that ended while the daemon was away (D6)."""

from callcontrol.cel.reader import CelFile

__all__ = ["CelFile"]
