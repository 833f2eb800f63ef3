"""The doors: what the rooms need of the outside world, each as small as its user needs.

Implementations: patrol.store (UnitOfWork), patrol.mqtt (Publisher), patrol.inference (Detector),
patrol.evidence (EvidenceStore). Each door has a fake in `simulators` that passes the same contract
tests (tests/contracts/).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from patrol.domain.access import AccessEntry
from patrol.domain.account import Account, ApiKey, CasePhoto, Claim, Session
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, CaseId, FindingId, MessageKey, RoundId, Sha256
from patrol.domain.message import DeadLetter, DeliveryEvent, OutboxMessage
from patrol.domain.observation import Box, Light, Observation
from patrol.domain.registry import Registry
from patrol.domain.round import PlannedVisit, Round, RoundBooks, StoredPicture, Visit
from patrol.domain.suppression import Suppression
from streams.address import StreamAddress
from streams.model import BgrImage, Sample, VisitOptions


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""

    def monotonic_s(self) -> float:
        """Seconds that never step, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait; a manual clock advances instead."""


class Visitor(Protocol):
    """Looks through one camera."""

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """One visit. Raises StreamError, and only StreamError (cancellation apart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One object that a detector saw."""

    label: str  # COCO name
    score: float  # 0..1
    box: Box  # fractions of the picture


class Detector(Protocol):
    """Finds objects in a picture. Called from several threads at once."""

    @property
    def gauge(self) -> str:
        """Name and version of the weights: `yolox_nano/615e2661`."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """Objects in a BGR picture of any size, best first."""


class EvidenceFull(Exception):
    """The evidence store cannot take more (disk full, quota). Stops the round, which resumes."""


class EvidenceStore(Protocol):
    """Pictures named by their content."""

    def put(self, jpeg: bytes) -> Sha256:
        """Keep it, durably; the same bytes twice are one file. Raises EvidenceFull."""

    def get(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their name. Raises KeyError when there is none."""

    def delete(self, sha256: Sha256) -> bool:
        """Remove it; False when there was none."""


class Busy(Exception):
    """Another process does it just now; says what it holds."""


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


class RoundsBook(Protocol):
    """Rounds and their visits."""

    def add(self, a_round: Round, visits: Iterable[PlannedVisit]) -> None:
        """Write a round and its pending visits. Raises ValueError when the id exists."""

    def get(self, round_id: RoundId) -> Round:
        """Raises KeyError."""

    def put(self, a_round: Round) -> None:
        """Write its changed fields."""

    def of_plan(self, plan: str, *, limit: int = 10) -> Sequence[Round]:
        """Newest first."""

    def of_days(self, start: date, end: date) -> Sequence[Round]:
        """All plans' rounds of the local days from `start` until before `end`, oldest first."""

    def unfinished(self, plan: str) -> Round | None:
        """The newest round of the plan that is PLANNED, RUNNING or INTERRUPTED."""

    def pending(self, round_id: RoundId) -> Sequence[PlannedVisit]:
        """Planned and not yet visited, in order."""

    def record(self, visit: Visit) -> bool:
        """Write a visit and its pictures; of a round, only if it is still pending.

        False: this camera's visit in this round was recorded before; nothing was written.
        Raises KeyError when the round never planned this camera.
        """

    def miss_pending(self, round_id: RoundId, reason: str, now: datetime) -> int:
        """Mark every pending visit missed (`seen` says why, no tries); how many there were."""

    def books(self, round_id: RoundId) -> RoundBooks:
        """Counted from the rows, not from memory."""

    def visits(self, round_id: RoundId) -> Sequence[Visit]:
        """All that are no longer pending, in the order of the plan.

        Pictures are listed as they were taken; `Pictures.get` says which still exist.
        """

    def latest_visits(self, camera: CameraId, *, limit: int = 10) -> Sequence[Visit]:
        """Newest first, rounds and second looks alike; a missed visit is none."""


class FindingsBook(Protocol):
    """Observations and the findings made of them."""

    def observe(self, observations: Iterable[Observation]) -> None:
        """Append."""

    def recent_kinds(
        self, camera: CameraId, *, visits: int
    ) -> Sequence[frozenset[tuple[str, str]]]:
        """(kind, zone) seen at each of the camera's last `visits` recorded visits, newest first."""

    def add(self, finding: Finding) -> None:
        """Append."""

    def get(self, finding_id: FindingId) -> Finding:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, finding: Finding) -> None:
        """Write its changed fields."""

    def open_like(self, camera: CameraId, category: str) -> Finding | None:
        """A finding of this camera and category that still waits."""

    def queue(self, *, limit: int = 1000) -> Sequence[Finding]:
        """All that wait for a person, worst first: level, score, oldest."""

    def of_round(self, round_id: RoundId) -> Sequence[Finding]:
        """All, decided or not."""


class CasesBook(Protocol):
    """Cases with their histories."""

    def add(self, case: Case) -> None:
        """Append, entries included. Raises ValueError when the id exists."""

    def get(self, case_id: CaseId) -> Case:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, case: Case) -> None:
        """Write its changed fields and its new entries (history is only ever appended).

        Raises ValueError when the stored history is not the beginning of this one.
        """

    def open_like(self, camera: CameraId, category: str) -> Case | None:
        """An open case of this camera and category."""

    def list(self, *, open_only: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Newest first."""

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """Dispatched from `start` until before `end`, oldest first."""

    def ladder_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `ladder_due_at` has come, oldest first.

        Locked like `get`; one that somebody else is moving just now is left for the next ring.
        """

    def look_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `look_due_at` has come, oldest first; locked as in `ladder_due`."""


class Outbox(Protocol):
    """Messages that must go out. The relay leases, publishes, marks."""

    def add(self, message: OutboxMessage) -> bool:
        """Queue it; False when the key was queued before (then nothing changes)."""

    def lease(
        self, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[OutboxMessage]:
        """Take unsent messages in order; nobody else gets them until the lease runs out.

        A message is never given while an earlier one of the same topic is unsent and leased by
        another holder. The same holder gets its own expired leases again, and may lease on while
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
        """(how many were queued in that time, how many of those the broker has taken by now)."""


class Inbox(Protocol):
    """What came in."""

    def first_time(self, key: MessageKey, now: datetime) -> bool:
        """Remember the key; False when it was seen before."""

    def bury(self, letter: DeadLetter) -> None:
        """Keep a refused message."""

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Newest first."""


class Health(Protocol):
    """What is known of each camera, for change-only notices."""

    def get(self, camera: CameraId) -> tuple[str, datetime, str] | None:
        """(state, since, why), or None before the first visit."""

    def put(self, camera: CameraId, state: str, since: datetime, why: str) -> None:
        """Replace; the change is kept in the camera's history."""

    def all(self) -> Mapping[CameraId, tuple[str, datetime, str]]:
        """What `get` answers, for every camera that has one."""


class Consents(Protocol):
    """Withdrawals said after the registry was read; each has effect within a second."""

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Write it; twice is once."""

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Take a withdrawal back (the registry's own consent counts again)."""

    def withdrawn(self) -> frozenset[CameraId]:
        """All that are withdrawn just now."""


class AccessLog(Protocol):
    """Everything that was looked at (调用登记); each row carries the hash of the one before."""

    def append(
        self, *, at: datetime, who: str, what: str, camera: CameraId | None, why: str
    ) -> None:
        """One line, chained."""

    def first_broken(self) -> int | None:
        """The number of the first row whose chain does not hold, or None."""

    def entries(self, *, camera: CameraId | None = None, limit: int = 100) -> Sequence[AccessEntry]:
        """Newest first; of one camera: what its household may see of who looked."""


class Pictures(Protocol):
    """The index of stored pictures and the ledger of their deletion."""

    def get(self, sha256: Sha256) -> StoredPicture | None:
        """None when it was never stored, or is deleted."""

    def add(self, picture: StoredPicture) -> None:
        """Index a picture that belongs to no visit; the same content twice lives the longer."""

    def keep(self, sha256: Sha256, *, purpose: str, until: datetime) -> bool:
        """Evidence of a case outlives the sample that it was; never shortens a life.

        False: it is not stored (any more).
        """

    def expired(self, now: datetime, *, limit: int = 500) -> Sequence[StoredPicture]:
        """Whose time has come."""

    def deleted(self, sha256: Sha256, now: datetime) -> None:
        """Write the deletion into the ledger and drop the index row."""


class Memories(Protocol):
    """What the machine's eye remembers of a camera: opaque bytes, written by patrol.vision."""

    def get(self, camera: CameraId, light: Light) -> bytes | None:
        """None before the first accepted sample."""

    def put(self, camera: CameraId, light: Light, blob: bytes, now: datetime) -> None:
        """Replace."""

    def forget(self, camera: CameraId) -> None:
        """Drop all of it: the camera moved, the household withdrew."""


class Announcer(Protocol):
    """Puts news into words for the wire; the caller adds them to the outbox of its transaction."""

    def case(self, case: Case, now: datetime) -> Sequence[OutboxMessage]:
        """The case as the leader must see it now, one per grid told; clears them once it ended."""

    def health(
        self, camera: CameraId, state: str, since: datetime, why: str, now: datetime
    ) -> OutboxMessage:
        """A camera's change of health."""

    def round(
        self, plan: str, key: str, facts: Mapping[str, object], now: datetime
    ) -> OutboxMessage:
        """A round's progress or summary; `key` makes it unique."""


class Suppressions(Protocol):
    """What is not proposed again for a while; listed, reversible."""

    def add(
        self,
        *,
        camera: CameraId,
        kind: str,
        box: Box | None,
        reason: str,
        owner: str,
        now: datetime,
        until: datetime,
    ) -> Suppression:
        """Write it; answers it with its number. Raises ValueError when it would never hold."""

    def revoke(self, number: int, *, by: str, now: datetime) -> bool:
        """Take it back; False when it is not standing."""

    def standing(self, now: datetime, *, camera: CameraId | None = None) -> Sequence[Suppression]:
        """Neither expired nor revoked, oldest first."""

    def list(self, *, limit: int = 1000) -> Sequence[Suppression]:
        """All that ever were, newest first."""


class RegistryBook(Protocol):
    """What the store knows of the registry: names and places for reports, never an address."""

    def sync(self, registry: Registry, now: datetime) -> int:
        """Bring the snapshot up to date, each changed field into the history; how many changed.

        A camera that left the registry is retired, not deleted: old reports still name it.
        """


class Accounts(Protocol):
    """Who may log in to the console."""

    def get(self, name: str) -> Account:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, account: Account) -> None:
        """Add or replace; accounts are disabled, never deleted."""

    def all(self) -> Sequence[Account]:
        """By name."""


class Sessions(Protocol):
    """Who is logged in."""

    def add(self, session: Session) -> None:
        """Append."""

    def get(self, session_id: str, now: datetime) -> Session | None:
        """None when it never was, has ended or was ended."""

    def of(self, account: str | None, now: datetime) -> Sequence[Session]:
        """Those that stand, newest first; None: everybody's."""

    def end(self, session_id: str) -> None:
        """Log out; twice is once."""

    def end_all(self, account: str) -> int:
        """Log the account out everywhere; how many ended."""

    def sweep(self, now: datetime) -> int:
        """Drop those whose time is over; how many."""


class Claims(Protocol):
    """Which finding is before which person just now; two never get the same one."""

    def take(self, claim: Claim, now: datetime) -> bool:
        """Take it, or renew one's own; False while somebody else holds it."""

    def standing(self, now: datetime) -> Mapping[FindingId, Claim]:
        """All that hold now."""

    def drop(self, finding: FindingId) -> None:
        """Give it back: decided, or passed on."""

    def drop_all(self, holder: str) -> None:
        """Give back whatever this holder has."""


class ApiKeys(Protocol):
    """Programs that may ask."""

    def add(self, key: ApiKey) -> None:
        """Append."""

    def by_secret(self, secret: str) -> ApiKey | None:
        """The one with this hash that is not revoked."""

    def revoke(self, key_id: str, now: datetime) -> bool:
        """False when there is none, or it is revoked already."""

    def all(self) -> Sequence[ApiKey]:
        """Newest first, revoked ones too."""


class CasePhotos(Protocol):
    """Pictures that came with words from the ground."""

    def add(self, photo: CasePhoto) -> bool:
        """Keep it; False when its key was kept before."""

    def of_case(self, case_id: CaseId) -> Sequence[CasePhoto]:
        """Oldest first."""


class Watch(Protocol):
    """What a live page polls."""

    def marks(self) -> Mapping[str, str]:
        """One per topic (rounds, queue, cases, health, messages); differs when its rows do."""


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
