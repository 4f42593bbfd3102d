"""The directory port: who is calling, and which softphones Asterisk must know."""

from __future__ import annotations

from typing import Protocol

from callcontrol.domain.admission import Caller, Trunk
from callcontrol.engine.ports.pbx import SoftphoneAccount


class DirectoryUnavailable(Exception):
    """The database did not answer."""


class Directory(Protocol):
    async def caller(self, sip_username: str, dialled: str) -> Caller | None:
        """The agent behind a SIP user name; None when there is none. Raises DirectoryUnavailable."""

    async def default_trunk(self) -> Trunk | None:
        """The installation's trunk for emergency calls of phones that belong to no company."""

    async def softphones(self) -> list[SoftphoneAccount]:
        """Every account that should exist, tokens in clear (they never leave the process but towards Asterisk)."""

    async def provisioned(self, node: str) -> dict[str, str]:
        """SIP user name -> fingerprint of what this node last put into its Asterisk."""

    async def mark_provisioned(self, node: str, sip_username: str, fingerprint: str | None) -> None:
        """Remember what was put; None forgets it (it was removed from Asterisk)."""
