"""The store: every row the product remembers, by a repository for each table family.

SQLite in one file by default, PostgreSQL where there is one; the same tests pass on both. No
camera's address is ever in a row; passwords of streams and the references of cameras, which hold
small pictures, are sealed with the site's key, which is in no row.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from patrol.encryption import SiteKey
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
def open_store(
    url: str, *, durable: bool = True, site_key: SiteKey | None = None
) -> Iterator[Store]:
    """The store at `url`, its tables already there (see `upgrade`).

    `durable`: what is committed survives a power cut (SQLite). Only
    demonstrations and benchmarks turn it off. `site_key`: signs the chained logs and seals what is
    secret in a row; without it such rows raise KeyProblem.
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
        yield Store(engine, site_key=site_key)
    finally:
        engine.dispose()


def check(target: str | Store, *, site_key: SiteKey | None = None) -> list[StoreProblem]:
    """The store's own fsck, of a URL or of an open store; an empty list is a clean store.

    Signatures of its logs are proven where it has the site's key: `site_key`, of a URL's store.
    """
    if isinstance(target, Store):
        return check_store(target)
    with open_store(target, site_key=site_key) as store:
        return check_store(store)
