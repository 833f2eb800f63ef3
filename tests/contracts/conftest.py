"""Every implementation of a door, under one name."""

from collections.abc import Iterator

import pytest

from patrol.ports import Store
from patrol.store import open_store
from simulators.store import MemoryStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url: str = request.getfixturevalue(f"{request.param}_database")
    with open_store(url) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """URL of an empty store in each database."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url
