"""The directory's administration in the database, whole."""

from __future__ import annotations

from callcontrol.directory.companies import SqlCompanies
from callcontrol.directory.destinations import SqlDestinations
from callcontrol.directory.numbers import SqlNumbers
from callcontrol.directory.people import SqlPeople, tokens_exist


class SqlDirectoryStore(SqlCompanies, SqlPeople, SqlNumbers, SqlDestinations):
    """Implements engine.admin.store.DirectoryStore."""

    async def ensure_token_key(self) -> None:
        """Make the token key where there is none and no token needs one. Raises AdminError (unavailable)."""
        await self._write(lambda connection: self._vault.ensure_key(tokens_exist=tokens_exist(connection)))
