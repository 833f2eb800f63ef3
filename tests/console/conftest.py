"""Fixtures of the console's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.ports import Store
from patrol.store import open_store, upgrade
from simulators.store import MemoryStore


@pytest.fixture(params=["memory", "sqlite"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite:///{tmp_path / 'books.db'}"
    upgrade(url)
    with open_store(url) as opened:
        yield opened
