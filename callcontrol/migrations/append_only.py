"""Tables whose rows are never changed (I6): not even by a mistake of ours, or by a hand at the database."""

from __future__ import annotations

from alembic import op

_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
"""An error of the class that broken constraints have, as SQLite's own is."""


def forbid_changes(table: str) -> None:
    """From here on rows of `table` can only be added. On SQLite again after each change that makes it anew."""
    if op.get_bind().dialect.name == "sqlite":
        for operation in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{operation} BEFORE {operation.upper()} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(_REFUSE)
    for operation, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{operation} BEFORE {operation.upper()} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )
