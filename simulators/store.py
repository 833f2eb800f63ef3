"""The store in memory: passes the real one's contract tests, forgets when the process ends.

One unit of work at a time, readers included — the simplest thing that is never inconsistent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from simulators.store_accounts import (
    MemoryAccounts,
    MemoryApiKeys,
    MemoryCasePhotos,
    MemoryClaims,
    MemoryPictureLinks,
    MemorySessions,
)
from simulators.store_books import MemoryCases, MemoryRounds
from simulators.store_deliveries import MemoryDeliveries
from simulators.store_desk import (
    MemoryAccessLog,
    MemoryConsents,
    MemoryMemories,
    MemoryPictures,
    MemoryRegistry,
)
from simulators.store_duty import (
    MemoryHandovers,
    MemoryHealth,
    MemoryStoppages,
    MemoryTroubles,
)
from simulators.store_findings import MemoryFindings
from simulators.store_messages import MemoryInbox, MemoryOutbox
from simulators.store_rows import Journal, Rows
from simulators.store_suppressions import MemorySuppressions
from simulators.store_watch import MemoryWatch

WAIT_S = 10.0  # a unit that waits longer was begun inside another one of the same thread


class MemoryUnit:
    """Fulfils ports.UnitOfWork."""

    def __init__(self, books: "_Books") -> None:
        self._books = books
        self._over = False
        self.rounds = books.rounds
        self.findings = books.findings
        self.cases = books.cases
        self.outbox = books.outbox
        self.inbox = books.inbox
        self.health = books.health
        self.consents = books.consents
        self.access = books.access
        self.pictures = books.pictures
        self.picture_links = books.picture_links
        self.memories = books.memories
        self.registry = books.registry
        self.suppressions = books.suppressions
        self.accounts = books.accounts
        self.sessions = books.sessions
        self.claims = books.claims
        self.api_keys = books.api_keys
        self.case_photos = books.case_photos
        self.deliveries = books.deliveries
        self.stoppages = books.stoppages
        self.troubles = books.troubles
        self.handovers = books.handovers
        self.watch = books.watch

    def next_number(self, sequence: str) -> int:
        """See the port."""
        number = (self._books.sequences.get(sequence) or 0) + 1
        self._books.sequences[sequence] = number
        return number

    def commit(self) -> None:
        """See the port."""
        if self._over:
            raise RuntimeError("this unit of work is committed; begin another")
        self._over = True
        self._books.journal.keep()


class _Books:
    def __init__(self) -> None:
        self.journal = Journal()
        self.sequences: Rows[str, int] = Rows(self.journal)
        self.pictures = MemoryPictures(self.journal)
        self.rounds = MemoryRounds(self.journal, self.pictures.rows)
        self.findings = MemoryFindings(self.rounds)
        self.cases = MemoryCases(self.journal, self.rounds.findings)
        self.outbox = MemoryOutbox(self.journal, self.cases.rows)
        self.inbox = MemoryInbox(self.journal)
        self.health = MemoryHealth(self.journal)
        self.consents = MemoryConsents(self.journal)
        self.access = MemoryAccessLog(self.journal)
        self.memories = MemoryMemories(self.journal)
        self.registry = MemoryRegistry(self.journal)
        self.suppressions = MemorySuppressions(self.journal)
        self.accounts = MemoryAccounts(self.journal)
        self.sessions = MemorySessions(self.journal)
        self.claims = MemoryClaims(self.journal)
        self.api_keys = MemoryApiKeys(self.journal)
        self.case_photos = MemoryCasePhotos(self.journal)
        self.picture_links = MemoryPictureLinks(self.journal)
        self.deliveries = MemoryDeliveries(self.journal)
        self.stoppages = MemoryStoppages(self.journal)
        self.troubles = MemoryTroubles(self.journal)
        self.handovers = MemoryHandovers(self.journal)
        duty = self.stoppages, self.troubles, self.handovers
        self.watch = MemoryWatch(self.rounds, self.cases, self.outbox, self.health, duty)


class MemoryStore:
    """Fulfils ports.Store."""

    def __init__(self) -> None:
        self._books = _Books()
        self._one_at_a_time = Lock()

    @contextmanager
    def begin(self) -> Iterator[MemoryUnit]:
        """See the port."""
        with self._unit(writable=True) as unit:
            yield unit

    @contextmanager
    def begin_read(self) -> Iterator[MemoryUnit]:
        """See the port."""
        with self._unit(writable=False) as unit:
            yield unit

    @contextmanager
    def _unit(self, *, writable: bool) -> Iterator[MemoryUnit]:
        if not self._one_at_a_time.acquire(timeout=WAIT_S):
            raise RuntimeError("another unit of work is open; in this thread?")
        try:
            self._books.journal.writable = writable
            yield MemoryUnit(self._books)
        finally:
            self._books.journal.take_back()
            self._one_at_a_time.release()
