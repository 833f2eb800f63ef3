"""The store: every row the product remembers, by a repository for each table family.

SQLite in one file by default, PostgreSQL where there is one; the same tests pass on both. No
camera's address is ever in a row; passwords of streams and the references of cameras, which hold
small pictures, are sealed with the site's key, which is in no row. Where pixels lie,
pixel_places.py says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from patrol.encryption import SiteKey
from patrol.lazy_imports import lazy_exports
from patrol.store.engine import (
    StoreFull,
    StoreMissing,
    StoreOutdated,
    StoreReadOnly,
    StoreUnavailable,
    ValueNotStorable,
    connect,
    make_engine,
    parse_url,
)
from patrol.store.store import AfterCommit, Store, StoreObserver, UnitOfWork
from patrol.store.transaction import (
    CaseChanged,
    FindingChanged,
    RoundChanged,
    StoreEvent,
    VisitRecorded,
)
from patrol.store.upgrade import check_revision, current_revision, needs_upgrade, upgrade

if TYPE_CHECKING:
    from patrol.store.fsck import StoreProblem, check

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
    "StoreReadOnly",
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
__getattr__ = lazy_exports(__name__, {"fsck": ("StoreProblem", "check")})


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
