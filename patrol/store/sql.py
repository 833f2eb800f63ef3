"""The store itself: hands out units of work, one thread each, on either database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Engine

from patrol.ports import StoreUnavailable
from patrol.store.accounts import (
    SqlAccounts,
    SqlApiKeys,
    SqlCasePhotos,
    SqlClaims,
    SqlSessions,
)
from patrol.store.cases import SqlCases
from patrol.store.db import Db
from patrol.store.deliveries import SqlDeliveries
from patrol.store.desk import (
    SqlAccessLog,
    SqlConsents,
    SqlInbox,
    SqlMemories,
    next_number,
)
from patrol.store.duty import SqlHandovers, SqlStoppages, SqlTroubles
from patrol.store.engine import BUSY_S, connect
from patrol.store.errors import redacted
from patrol.store.findings import SqlFindings
from patrol.store.health import SqlHealth
from patrol.store.outbox import SqlOutbox
from patrol.store.picture_links import SqlPictureLinks
from patrol.store.pictures import SqlPictures
from patrol.store.registry import SqlRegistry
from patrol.store.rounds import SqlRounds
from patrol.store.suppressions import SqlSuppressions
from patrol.store.watch import SqlWatch


class SqlUnit:
    """Fulfils ports.UnitOfWork: one transaction and its books."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.rounds = SqlRounds(db)
        self.findings = SqlFindings(db)
        self.cases = SqlCases(db)
        self.outbox = SqlOutbox(db)
        self.inbox = SqlInbox(db)
        self.health = SqlHealth(db)
        self.consents = SqlConsents(db)
        self.access = SqlAccessLog(db)
        self.pictures = SqlPictures(db)
        self.picture_links = SqlPictureLinks(db)
        self.memories = SqlMemories(db)
        self.registry = SqlRegistry(db)
        self.suppressions = SqlSuppressions(db)
        self.accounts = SqlAccounts(db)
        self.sessions = SqlSessions(db)
        self.claims = SqlClaims(db)
        self.api_keys = SqlApiKeys(db)
        self.case_photos = SqlCasePhotos(db)
        self.deliveries = SqlDeliveries(db)
        self.stoppages = SqlStoppages(db)
        self.troubles = SqlTroubles(db)
        self.handovers = SqlHandovers(db)
        self.watch = SqlWatch(db)

    def next_number(self, sequence: str) -> int:
        """See the port."""
        return next_number(self.db, sequence)

    def commit(self) -> None:
        """See the port."""
        self.db.commit()


class SqlStore:
    """Fulfils ports.Store.

    On SQLite the writers of this process queue at a lock of ours before they queue at the file's:
    the file's own queue is polled with growing pauses, and a recorder that writes a round would
    starve an operator's decision.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._one_writer = Lock() if engine.dialect.name == "sqlite" else None

    @property
    def name(self) -> str:
        """The database as logs may name it."""
        return redacted(self._engine.url)

    @contextmanager
    def begin(self) -> Iterator[SqlUnit]:
        """See the port."""
        with self._queue(), self._unit(read_only=False) as unit:
            yield unit

    @contextmanager
    def begin_read(self) -> Iterator[SqlUnit]:
        """See the port."""
        with self._unit(read_only=True) as unit:
            yield unit

    @contextmanager
    def _unit(self, *, read_only: bool) -> Iterator[SqlUnit]:
        connection = connect(self._engine, read_only=read_only)
        try:
            yield SqlUnit(Db(connection, writes=not read_only))
        finally:
            connection.close()  # rolls back whatever was not committed

    @contextmanager
    def _queue(self) -> Iterator[None]:
        if self._one_writer is None:
            yield
            return
        if not self._one_writer.acquire(timeout=BUSY_S):
            raise StoreUnavailable(f"{self.name}: another writer keeps it busy for {BUSY_S:.0f} s")
        try:
            yield
        finally:
            self._one_writer.release()

    def close(self) -> None:
        """Close every idle connection."""
        self._engine.dispose()
