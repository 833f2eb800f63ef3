"""The store: every row the product remembers, by a repository for each table family.

SQLite in one file by default, PostgreSQL where there is one; the same tests pass on both. No
password, no camera's address and no picture is ever in a row.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from patrol.store.check import check_store
from patrol.store.engine import connect, make_engine, parse_url
from patrol.store.errors import StoreFull, StoreOutdated, StoreUnavailable
from patrol.store.news import CaseNews, FindingNews, News, RoundNews, VisitNews
from patrol.store.problem import Problem
from patrol.store.schema import (
    current_revision,
    needs_upgrade,
    refuse_wrong_revision,
    upgrade,
)
from patrol.store.sql import AfterCommit, Observer, Store, UnitOfWork

__all__ = [
    "AfterCommit",
    "CaseNews",
    "FindingNews",
    "News",
    "Observer",
    "Problem",
    "RoundNews",
    "Store",
    "StoreFull",
    "StoreOutdated",
    "StoreUnavailable",
    "UnitOfWork",
    "VisitNews",
    "check",
    "current_revision",
    "needs_upgrade",
    "open_store",
    "upgrade",
]


@contextmanager
def open_store(url: str, *, durable: bool = True) -> Iterator[Store]:
    """The store at `url`, its tables already there (see `upgrade`).

    `durable`: what is committed survives a power cut (SQLite). Only plays and benches of something
    else do without.
    Raises StoreUnavailable — StoreOutdated when `patrol db upgrade` is what it needs — in one line
    that names the database without its password.
    """
    engine = make_engine(parse_url(url), durable=durable)
    try:
        connection = connect(engine, read_only=True)
        try:
            refuse_wrong_revision(connection)
        finally:
            connection.close()
        yield Store(engine)
    finally:
        engine.dispose()


def check(target: str | Store) -> list[Problem]:
    """The store's own fsck, of a URL or of an open store; an empty list is a clean store."""
    if isinstance(target, Store):
        return check_store(target)
    with open_store(target) as store:
        return check_store(store)
