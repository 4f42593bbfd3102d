"""The directory's administration in the database, whole."""

from __future__ import annotations

from callcontrol.directory.companies import SqlCompanies
from callcontrol.directory.numbers import SqlNumbers
from callcontrol.directory.people import SqlPeople


class SqlDirectoryStore(SqlCompanies, SqlPeople, SqlNumbers):
    """Implements engine.admin.store.DirectoryStore."""
