"""How long a PostgreSQL server may take. SQLite has no server, and none of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds, each an upper bound. docs/configuration.md says what each is for."""

    writers: int = 4
    """Transactions that one daemon has under way at most: companies that are written at the same time."""
    connect_timeout_s: float = 3.0
    statement_timeout_s: float = 5.0
    lock_timeout_s: float = 2.0
    idle_in_transaction_timeout_s: float = 5.0
    tcp_timeout_s: float = 10.0
    retry_s: float = 5.0
    """From an operation's submission: after that it is not tried once more."""

    @property
    def silence_s(self) -> float:
        """A server that has said nothing for so long is not there: it would have ended the statement itself."""
        return self.statement_timeout_s + self.connect_timeout_s
