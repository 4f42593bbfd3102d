"""An operation's own savepoint, in words that both databases know.

SQLAlchemy's savepoints are compiled anew each time, under a new name: more work than most operations.
"""

from __future__ import annotations

from sqlalchemy import text

BEGIN = text("SAVEPOINT operation")
KEEP = text("RELEASE SAVEPOINT operation")
UNDO = text("ROLLBACK TO SAVEPOINT operation")
