"""A small town's cluster: one database for the module, its rows gone before each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from patrol.cluster.queue import SCHEMA
from patrol.store import Store, open_store
from patrol.store.schema import metadata
from tests.support.cluster import ClusterPlace, be_led, prepare_database, prepare_place

QUEUE_TABLES = ("procrastinate_jobs", "procrastinate_workers")


@pytest.fixture(scope="session")
def cluster_database(new_postgres_database: Callable[[], str]) -> str:
    url = new_postgres_database()
    prepare_database(url)
    return url


@pytest.fixture
def empty_cluster_database(cluster_database: str) -> str:
    with psycopg.connect(cluster_database.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")  # in any order
        tables = [(table, "public") for table in metadata.tables]
        for table, schema in (*tables, *((table, SCHEMA) for table in QUEUE_TABLES)):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, table)))
    be_led(cluster_database)
    return cluster_database


@pytest.fixture
def new_place(empty_cluster_database: str, tmp_path: Path) -> Callable[..., ClusterPlace]:
    def make(**more: Any) -> ClusterPlace:
        return prepare_place(empty_cluster_database, tmp_path, **more)

    return make


@pytest.fixture
def place(new_place: Callable[..., ClusterPlace]) -> ClusterPlace:
    return new_place(cameras=12, links=3)


@pytest.fixture
def store(place: ClusterPlace) -> Iterator[Store]:
    with open_store(place.database) as opened:
        yield opened
