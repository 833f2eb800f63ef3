"""Migrations of the tables, which Alembic runs for `patrol.store.upgrade`."""
