"""The tables of a cluster: who leads, which workers live, results on their way to the recorder.

Empty on a site of one process. A result's body is the judged visit without pixels: its pictures and
references lie in the exchange, named by their content (patrol/cluster/exchange.py). Jobs are no
tables of ours: procrastinate's lie in a PostgreSQL schema of their own.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text, text

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Plain, metadata, numbered

cluster_leaders = Table(  # one row a site: the service that leads, as its own session last said
    "cluster_leaders",
    metadata,
    Column("site", Text, primary_key=True),
    Column("holder", Text, nullable=False),  # this start of the process, by chance
    Column("host", CleanText, nullable=False),
    Column("version", Text, nullable=False),
    Column("backend", Integer, nullable=False),  # the server's process of its session
    Column("led_at", UtcTime, nullable=False),
    Column("beat_at", UtcTime, nullable=False),  # by the database's clock
)
cluster_workers = Table(
    "cluster_workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("instance", Text, nullable=False),  # this start of the process, by chance
    Column("host", CleanText, nullable=False),
    Column("version", Text, nullable=False),
    Column("links", Plain, nullable=False),
    Column("slots", Integer, nullable=False),  # shards at once
    Column("running", Integer, nullable=False),
    Column("skew_s", Float, nullable=False),  # its machine's clock less the database's
    Column("note", CleanText, nullable=False),  # what is wrong with it; empty: nothing
    Column("started_at", UtcTime, nullable=False),
    Column("beat_at", UtcTime, nullable=False),  # by the database's clock
    Column("left_at", UtcTime),  # it ended in good order
)
cluster_results = Table(  # delivered by workers, deleted by the transaction that records them
    "cluster_results",
    metadata,
    numbered(),
    Column("round", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("delivered_at", UtcTime, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("body", Plain, nullable=False),
    Index(None, "round", "camera"),
    sqlite_autoincrement=True,
)
cluster_counts = Table(  # what became of results, by round
    "cluster_counts",
    metadata,
    Column("round", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
