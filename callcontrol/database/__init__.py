"""The database: one MetaData, engines, migrations, the lock of the process that writes and its one writer.

Rooms that store (ledger, directory) define their tables on `metadata`, write through `Writer.submit` and read
through the asynchronous engine. Only this package and `ledger/` know a SQL dialect.
"""

from callcontrol.database.access import Database, examine, open_database
from callcontrol.database.batch import Group
from callcontrol.database.durability import unsafe_settings
from callcontrol.database.engines import is_sqlite
from callcontrol.database.errors import DatabaseInUse, DatabaseNotMigrated, DatabaseUnavailable
from callcontrol.database.limits import Limits
from callcontrol.database.lock import DatabaseLock
from callcontrol.database.metadata import metadata
from callcontrol.database.prepared import prepared
from callcontrol.database.schema import is_current, upgrade
from callcontrol.database.types import UtcDateTime
from callcontrol.database.writer import Writer

__all__ = [
    "Database",
    "DatabaseInUse",
    "DatabaseLock",
    "DatabaseNotMigrated",
    "DatabaseUnavailable",
    "Group",
    "Limits",
    "UtcDateTime",
    "Writer",
    "examine",
    "is_current",
    "is_sqlite",
    "metadata",
    "open_database",
    "prepared",
    "unsafe_settings",
    "upgrade",
]
