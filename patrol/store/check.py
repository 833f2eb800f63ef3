"""The store's own fsck: the books balance, every history leads to where its case stands.

Reads raw rows, not nouns: a row that no noun can hold must be named, not raised. A clean store
after any kill is the promise; what is found here broke it.
"""

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import text

from patrol.store.check_desk import check_logs, check_messages, check_secrets
from patrol.store.check_duty import check_duty
from patrol.store.check_told import check_told
from patrol.store.check_walk import check_cases, check_findings, check_pictures, check_rounds
from patrol.store.db import Db
from patrol.store.errors import StoreUnavailable
from patrol.store.problem import KEEPER, Problem
from patrol.store.sql import Store
from patrol.store.tables import metadata


def check_store(store: Store) -> list[Problem]:
    """Every problem of an open store, from one consistent reading of it."""
    with store.begin_read() as unit:
        try:
            broken = list(_check_file(unit.db))
        except StoreUnavailable as error:
            broken = [Problem(where="database file", what=str(error), whose=KEEPER)]
        if broken:
            return broken  # what a damaged file says about its rows is worth nothing
        return [problem for one in CHECKS for problem in one(unit.db)]


def _check_file(db: Db) -> Iterator[Problem]:
    """SQLite's own view of the file; PostgreSQL guards its files itself."""
    if db.is_postgres:
        return
    for row in db.all(text("PRAGMA integrity_check")):
        if row[0] != "ok":
            yield Problem(where="database file", what=row[0], whose=KEEPER)
    for row in db.all(text("PRAGMA foreign_key_check")):
        table, number, parent, _ = tuple(row)
        yield Problem(where=f"{table} row {number}", what=f"refers to nothing in {parent}")


def _check_secrets(db: Db) -> Iterator[Problem]:
    return check_secrets(db, list(metadata.tables.values()))


CHECKS: Final[tuple[Callable[[Db], Iterator[Problem]], ...]] = (
    check_rounds,
    check_findings,
    check_cases,
    check_pictures,
    check_messages,
    check_told,
    check_logs,
    check_duty,
    _check_secrets,
)
