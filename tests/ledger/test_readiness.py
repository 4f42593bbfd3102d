"""Whether the ledger can be written, as /readyz tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcontrol.engine.ports.ledger import LedgerUnavailable, NodeMark
from tests.support.books import NOON, open_books


async def test_what_a_disk_that_takes_nothing_refused_is_told_until_something_is_stored(tmp_path: Path) -> None:
    """An empty transaction commits on a full disk too: it writes nothing (D11)."""
    async with open_books(tmp_path) as books:
        ledger, writer = books.ledger, books.database.writer
        await ledger.check_writable()
        await writer.submit(lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON") and None)
        with pytest.raises(LedgerUnavailable):
            await ledger.mark_alive("main", NodeMark(NOON, None))
        with pytest.raises(LedgerUnavailable, match="write"):
            await ledger.check_writable()
        await writer.submit(lambda connection: connection.exec_driver_sql("PRAGMA query_only = OFF") and None)
        await ledger.mark_alive("main", NodeMark(NOON, None))
        await ledger.check_writable()
