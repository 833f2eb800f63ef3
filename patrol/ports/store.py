"""The unit of work: one transaction with every book, and what can go wrong with it."""

from contextlib import AbstractContextManager
from typing import Protocol

from patrol.ports.deliveries import Deliveries
from patrol.ports.duty import Handovers, Stoppages, Troubles
from patrol.ports.evidence import Memories, PictureLinks, Pictures
from patrol.ports.people import Accounts, ApiKeys, CasePhotos, Claims, Sessions, Watch
from patrol.ports.town import AccessLog, Consents, Health, RegistryBook, Suppressions
from patrol.ports.walk import CasesBook, FindingsBook, RoundsBook
from patrol.ports.wire import Inbox, Outbox


class UnitOfWork(Protocol):
    """One transaction. Leaving without `commit` rolls back."""

    @property
    def rounds(self) -> RoundsBook:
        """Rounds and their visits."""

    @property
    def findings(self) -> FindingsBook:
        """Observations and leads."""

    @property
    def cases(self) -> CasesBook:
        """Cases and their histories."""

    @property
    def outbox(self) -> Outbox:
        """Messages to send."""

    @property
    def inbox(self) -> Inbox:
        """Messages that came."""

    @property
    def health(self) -> Health:
        """Cameras' health."""

    @property
    def consents(self) -> Consents:
        """Withdrawals."""

    @property
    def access(self) -> AccessLog:
        """Who looked at what."""

    @property
    def pictures(self) -> Pictures:
        """The index of stored pictures."""

    @property
    def picture_links(self) -> PictureLinks:
        """One-time links."""

    @property
    def memories(self) -> Memories:
        """What the eye remembers."""

    @property
    def suppressions(self) -> Suppressions:
        """What dismissals taught."""

    @property
    def registry(self) -> RegistryBook:
        """The registry as it was when."""

    @property
    def accounts(self) -> Accounts:
        """Who may log in."""

    @property
    def sessions(self) -> Sessions:
        """Who is logged in."""

    @property
    def claims(self) -> Claims:
        """Which finding is in whose hands."""

    @property
    def api_keys(self) -> ApiKeys:
        """Programs that may ask."""

    @property
    def case_photos(self) -> CasePhotos:
        """Pictures from the ground."""

    @property
    def stoppages(self) -> Stoppages:
        """Pauses and maintenance."""

    @property
    def troubles(self) -> Troubles:
        """The maintenance queue."""

    @property
    def handovers(self) -> Handovers:
        """Shifts, signed by both."""

    @property
    def deliveries(self) -> Deliveries:
        """Webhooks and second channels."""

    @property
    def watch(self) -> Watch:
        """What a live page polls."""

    def next_number(self, sequence: str) -> int:
        """1, 2, 3 … per named sequence; gapless, as it is part of the transaction."""

    def commit(self) -> None:
        """Make it durable, and end it.

        Raises StoreFull when the disk is, ValueError when rows refer to rows that do not exist.
        """


class StoreFull(Exception):
    """The database cannot write (disk full). Stops the round, which resumes."""


class StoreUnavailable(Exception):
    """The database cannot be reached; retried with back-off."""


class Store(Protocol):
    """Opens units of work; safe to call from any thread, each unit belongs to one thread."""

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """Start a transaction that may write. Raises StoreUnavailable."""

    def begin_read(self) -> AbstractContextManager[UnitOfWork]:
        """One consistent picture of all books, in nobody's way; writing raises RuntimeError."""
