"""Alembic reads these files; `patrol.store.schema` is the way in."""
