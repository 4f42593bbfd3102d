"""The schema's history (Alembic). A revision's id is the number its file begins with: `0001`, `0002`."""
