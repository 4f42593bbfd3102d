"""Companies, users, agents, trunks, numbers and contacts on SQLAlchemy; what Asterisk must know of them."""

from callcontrol.directory.directory import SqlDirectory
from callcontrol.directory.store import SqlDirectoryStore
from callcontrol.directory.tokens import KeyUnusable, TokenVault

__all__ = ["KeyUnusable", "SqlDirectory", "SqlDirectoryStore", "TokenVault"]
