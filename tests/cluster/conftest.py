"""A small town's cluster in a database of its own, for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patrol.store import Store, open_store
from tests.support.cluster import ClusterPlace, prepare_place


@pytest.fixture
def place(new_postgres_database: Callable[[], str], tmp_path: Path) -> ClusterPlace:
    return prepare_place(new_postgres_database(), tmp_path, cameras=24, links=3)


@pytest.fixture
def new_place(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> Callable[..., ClusterPlace]:
    def make(**more: Any) -> ClusterPlace:
        return prepare_place(new_postgres_database(), tmp_path, **more)

    return make


@pytest.fixture
def store(place: ClusterPlace) -> Iterator[Store]:
    with open_store(place.database) as opened:
        yield opened
