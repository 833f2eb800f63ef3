"""Alembic's entry: works on the connection that `patrol.store.upgrade` hands over."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext

from patrol.store.schema_all import metadata
from patrol.store.upgrade import VERSIONS_TABLE


def check_references(ctx: MigrationContext, *_: Any, **__: Any) -> None:
    """Check after each revision the references of the rows that it wrote.

    They are deferred to the commit, and PostgreSQL alters no table of which rows wait for that
    check: a later revision of the same transaction could not. Deferred again for the next one.
    """
    connection = ctx.connection
    if connection is not None and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,
    compare_type=True,
    on_version_apply=check_references,
)
context.run_migrations()
