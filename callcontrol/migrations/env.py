"""Runs the migrations on the connection that callcontrol.database.schema gives."""

from __future__ import annotations

from alembic import context

from callcontrol.database.metadata import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
