"""The store: every row the product remembers, by a repository for each table family.

SQLite in one file by default, PostgreSQL where there is one; the same tests pass on both. No
password and no camera's address is ever in a row. Where pixels lie, pixel_places.py says.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from patrol.store.engine import (
    StoreFull,
    StoreMissing,
    StoreOutdated,
    StoreUnavailable,
    ValueNotStorable,
    connect,
    make_engine,
    parse_url,
)
from patrol.store.fsck import StoreProblem, check_store
from patrol.store.store import AfterCommit, Store, StoreObserver, UnitOfWork
from patrol.store.transaction import (
    CaseChanged,
    FindingChanged,
    RoundChanged,
    StoreEvent,
    VisitRecorded,
)
from patrol.store.upgrade import check_revision, current_revision, needs_upgrade, upgrade

__all__ = [
    "AfterCommit",
    "CaseChanged",
    "FindingChanged",
    "RoundChanged",
    "Store",
    "StoreEvent",
    "StoreFull",
    "StoreMissing",
    "StoreObserver",
    "StoreOutdated",
    "StoreProblem",
    "StoreUnavailable",
    "UnitOfWork",
    "ValueNotStorable",
    "VisitRecorded",
    "check",
    "current_revision",
    "needs_upgrade",
    "open_store",
    "upgrade",
]


@contextmanager
def open_store(url: str, *, durable: bool = True) -> Iterator[Store]:
    """The store at `url`, its tables already there (see `upgrade`).

    `durable`: what is committed survives a power cut (SQLite). Only
    demonstrations and benchmarks turn it off.
    Raises StoreUnavailable — StoreOutdated when `patrol db upgrade` is what it needs, StoreMissing
    when there is none — in one line that names the database without its password.
    """
    engine = make_engine(parse_url(url), durable=durable)
    try:
        connection = connect(engine, read_only=True)
        try:
            check_revision(connection)
        finally:
            connection.close()
        yield Store(engine)
    finally:
        engine.dispose()


def check(target: str | Store) -> list[StoreProblem]:
    """The store's own fsck, of a URL or of an open store; an empty list is a clean store."""
    if isinstance(target, Store):
        return check_store(target)
    with open_store(target) as store:
        return check_store(store)
