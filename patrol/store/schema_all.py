"""Every table of the store, for what walks them all: migrations, the check, tests.

A repository is imported when somebody uses it, so tables are known one family after the other;
after the import of this module all of them are.
"""

from patrol.store.deliveries import deliveries
from patrol.store.machine_clock import machine_clock
from patrol.store.schema import add_postgres_conditions, metadata
from patrol.store.schema_cluster import cluster_results
from patrol.store.schema_gb28181 import gb_registrations
from patrol.store.schema_ground import check_ins
from patrol.store.schema_people import outbox
from patrol.store.schema_town import finding_entries

__all__ = ["metadata"]

for _table in (
    deliveries,
    machine_clock,
    gb_registrations,
    outbox,
    finding_entries,
    cluster_results,
    check_ins,
):
    assert _table.metadata is metadata  # noqa: S101  one for all  # nosec B101
add_postgres_conditions()
