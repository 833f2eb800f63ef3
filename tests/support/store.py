"""Stores for tests: real SQLite files, copied from one that is migrated once per process.

A copy and its engine cost some milliseconds. tests/conftest.py closes and deletes them after each
test.
"""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path

from patrol.store import Store, StoreObserver, upgrade
from patrol.store.engine import make_engine, parse_url

_NUMBERS = count()
_OPEN: list[tuple[Store, Path]] = []


def new_store(observers: Sequence[StoreObserver] = ()) -> Store:
    """An empty store without durable commits; it lasts until the end of the test."""
    file = _folder() / f"{next(_NUMBERS)}.db"
    copy_template(file)
    store = Store(make_engine(parse_url(f"sqlite:///{file}"), durable=False), observers)
    _OPEN.append((store, file))
    return store


def close_stores() -> None:
    """Close and delete all that `new_store` has made so far."""
    while _OPEN:
        store, file = _OPEN.pop()
        store.close_idle()
        for part in ("", "-wal", "-shm"):
            file.with_name(file.name + part).unlink(missing_ok=True)


def copy_template(file: Path) -> None:
    """Write a migrated database without rows to `file`."""
    shutil.copyfile(_template(), file)


@cache
def _template() -> Path:
    file = _folder() / "template.db"
    upgrade(f"sqlite:///{file}")
    return file


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="patrol-stores-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
