"""The store itself: hands out units of work, one thread each, on either database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Engine

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
from patrol.store.errors import StoreUnavailable, redacted
from patrol.store.findings import SqlFindings
from patrol.store.health import SqlHealth
from patrol.store.news import News
from patrol.store.outbox import SqlOutbox
from patrol.store.picture_links import SqlPictureLinks
from patrol.store.pictures import SqlPictures
from patrol.store.registry import SqlRegistry
from patrol.store.rounds import SqlRounds
from patrol.store.suppressions import SqlSuppressions
from patrol.store.watch import SqlWatch

B = TypeVar("B")


class _Book(Generic[B]):
    """A book that is opened when it is first asked for: a unit uses two or three of them."""

    def __init__(self, opens: Callable[[Db], B]) -> None:
        self._opens = opens

    def __set_name__(self, _unit: type, name: str) -> None:
        self._name = name

    def __get__(self, unit: "UnitOfWork", _class: type) -> B:
        book = self._opens(unit.db)
        unit.__dict__[self._name] = book  # found there from now on
        return book


class UnitOfWork:
    """One transaction and its books. Leaving without `commit` rolls back.

    Observers hear of changed cases, findings and rounds inside it; what one returns is run after
    the commit, and only then (counters). An observed change reads its row once more.
    """

    rounds = _Book(SqlRounds)
    findings = _Book(SqlFindings)
    cases = _Book(SqlCases)
    outbox = _Book(SqlOutbox)
    inbox = _Book(SqlInbox)
    health = _Book(SqlHealth)
    consents = _Book(SqlConsents)
    access = _Book(SqlAccessLog)
    pictures = _Book(SqlPictures)
    picture_links = _Book(SqlPictureLinks)
    memories = _Book(SqlMemories)
    registry = _Book(SqlRegistry)
    suppressions = _Book(SqlSuppressions)
    accounts = _Book(SqlAccounts)
    sessions = _Book(SqlSessions)
    claims = _Book(SqlClaims)
    api_keys = _Book(SqlApiKeys)
    case_photos = _Book(SqlCasePhotos)
    deliveries = _Book(SqlDeliveries)
    stoppages = _Book(SqlStoppages)
    troubles = _Book(SqlTroubles)
    handovers = _Book(SqlHandovers)
    watch = _Book(SqlWatch)

    def __init__(self, db: Db, observers: Sequence["Observer"] = ()) -> None:
        self.db = db
        self._observers = observers
        self._after: list[AfterCommit] = []
        if observers:
            db.on_news = self._tell

    def next_number(self, sequence: str) -> int:
        """1, 2, 3 … per named sequence; gapless, as it is part of the transaction."""
        return next_number(self.db, sequence)

    def commit(self) -> None:
        """Make it durable, and end it.

        Raises StoreFull when the disk is, ValueError when rows refer to rows that do not exist.
        """
        self.db.commit()
        for work in self._after:
            work()
        self._after.clear()

    def _tell(self, news: News) -> None:
        for observer in self._observers:
            later = observer(self, news)
            if later is not None:
                self._after.append(later)


AfterCommit = Callable[[], None]
Observer = Callable[[UnitOfWork, News], AfterCommit | None]


class Store:
    """Opens units of work; safe to call from any thread, each unit belongs to one thread.

    On SQLite the writers of this process queue at a lock of ours before they queue at the file's:
    the file's own queue is polled with growing pauses, and a recorder that writes a round would
    starve an operator's decision.
    """

    def __init__(self, engine: Engine, observers: Sequence[Observer] = ()) -> None:
        self._engine = engine
        self._observers = tuple(observers)
        self._one_writer = Lock() if engine.dialect.name == "sqlite" else None

    def add_observers(self, observers: Sequence[Observer]) -> None:
        """Tell these, too, of what is written in transactions that begin from now on."""
        self._observers += tuple(observers)

    @property
    def name(self) -> str:
        """The database as logs may name it."""
        return redacted(self._engine.url)

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """Start a transaction that may write. Raises StoreUnavailable."""
        with self._queue(), self._unit(read_only=False) as unit:
            yield unit

    @contextmanager
    def begin_read(self) -> Iterator[UnitOfWork]:
        """One consistent picture of all books, in nobody's way; writing raises RuntimeError."""
        with self._unit(read_only=True) as unit:
            yield unit

    @contextmanager
    def _unit(self, *, read_only: bool) -> Iterator[UnitOfWork]:
        connection = connect(self._engine, read_only=read_only)
        try:
            yield UnitOfWork(Db(connection, writes=not read_only), self._observers)
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
