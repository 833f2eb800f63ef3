"""News and answers: the broker, the words for the wire, the outbox and the inbox."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.case import Case
from patrol.domain.ids import CameraId, CaseId, MessageKey
from patrol.domain.message import DeadLetter, DeliveryEvent, OutboxMessage
from patrol.domain.outage import Outage


class NotConnected(Exception):
    """The broker cannot be reached just now; the message stays in the outbox."""


class Publisher(Protocol):
    """Hands messages to the broker, QoS 1."""

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> Sequence[MessageKey]:
        """Send all; return the keys that the broker acknowledged (PUBACK) within `timeout_s`.

        Raises NotConnected when there is no connection at all. A key that is not returned may or
        may not have arrived: the relay sends it again, with the same key.
        """

    @property
    def session(self) -> int:
        """Grows with every new connection: the broker behind it may have forgotten everything."""


class Announcer(Protocol):
    """Puts news into words for the wire; the caller adds them to the outbox of its transaction."""

    def case(self, case: Case, now: datetime) -> Sequence[OutboxMessage]:
        """The case as the leader must see it now, one per grid told; clears them once it ended."""

    def health(
        self, camera: CameraId, state: str, since: datetime, why: str, now: datetime
    ) -> OutboxMessage:
        """A camera's change of health."""

    def outage(self, outage: Outage, now: datetime) -> OutboxMessage:
        """A link or a village that went down as a whole, or is back: one word for its cameras."""

    def round(
        self, plan: str, key: str, facts: Mapping[str, object], now: datetime
    ) -> OutboxMessage:
        """A round's progress or summary; `key` makes it unique."""


class Outbox(Protocol):
    """Messages that must go out. The relay leases, publishes, marks."""

    def add(self, message: OutboxMessage) -> bool:
        """Queue it; False when the key was queued before (then nothing changes)."""

    def lease(
        self, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[OutboxMessage]:
        """Take unsent messages in order; nobody else gets them until the lease runs out.

        A message is never given while an earlier one of the same topic is unsent and leased by
        another holder. A lease that ends impossibly late was made before the clock was set back: it
        is over. The same holder gets its own expired leases again, and may lease on while
        it still publishes. `expires_at` is the relay's to judge (DeliveryEvent.TOO_OLD).
        """

    def mark(self, keys: Sequence[MessageKey], event: DeliveryEvent, now: datetime) -> None:
        """Move each by the delivery table; a move that the table lacks is ignored.

        Whoever leaves QUEUED leaves its lease; BROKER_TOOK_IT sets `published_at` once, also when
        an answer was faster.
        """

    def release(self, keys: Sequence[MessageKey]) -> None:
        """Give leases back: the broker did not take them."""

    def unsent(self) -> int:
        """How many wait."""

    def oldest_unsent(self) -> datetime | None:
        """Since when the oldest of those waits."""

    def of_case(self, case_id: CaseId) -> Sequence[OutboxMessage]:
        """All messages about a case, in order."""

    def pushed_at(self, cases: Iterable[CaseId]) -> Mapping[CaseId, datetime]:
        """When the broker took the first message about each; cases without one are left out."""

    def latest_retained(self, since: datetime) -> Sequence[OutboxMessage]:
        """The newest retained message of each topic queued since then, in order, if it went out.

        What a broker that forgot everything has to be told again; of a topic on which a message
        still waits nothing is given.
        """

    def tally(self, start: datetime, end: datetime) -> tuple[int, int]:
        """(how many were queued in that time, how many of those the broker has taken by now).

        Canaries are not counted.
        """

    def new_cases(self, under: str, since: datetime) -> Sequence[datetime]:
        """When each new case of levels III and IV was first queued on a topic that begins so.

        New: dispatched since then, too; oldest first.
        """

    def prune(self, before: datetime, *, limit: int) -> int:
        """Drop at most `limit` messages queued before then, the oldest first; how many.

        Those that wait stay, and those about a case that is open.
        """


class Inbox(Protocol):
    """What came in."""

    def first_time(self, key: MessageKey, now: datetime) -> bool:
        """Remember the key; False when it was seen before."""

    def bury(self, letter: DeadLetter) -> None:
        """Keep a refused message."""

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Newest first."""

    def prune(self, before: datetime, *, limit: int) -> int:
        """Forget at most `limit` keys and as many dead letters of before then; how many."""
