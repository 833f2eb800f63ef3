"""Alembic's entry: works on the connection that `patrol.store.upgrade` hands over."""

from alembic import context

from patrol.store.deliveries import deliveries
from patrol.store.schema_people import accounts, outbox
from patrol.store.schema_town import finding_entries
from patrol.store.upgrade import VERSIONS_TABLE

metadata = outbox.metadata  # one for all; the imports above make its tables known
for table in (accounts, deliveries, finding_entries):
    assert table.metadata is metadata  # noqa: S101  as said  # nosec B101


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,
    compare_type=True,
)
context.run_migrations()
