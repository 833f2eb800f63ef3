"""Alembic reads these files; `patrol.store.upgrade` is the way in."""
