"""The store and its unit of work: one transaction with a repository for each table family.

`Store` hands out units of work on either database, each used by one thread. Observers get the
events of a unit (transaction.py) inside its transaction: a webhook is queued together with the
change that it reports, wherever that change is made, and no caller has to remember to.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import Engine

from patrol.encryption import KeyProblem, SiteKey
from patrol.store.engine import (
    BUSY_TIMEOUT_S,
    StoreUnavailable,
    ask_alone,
    connect,
    erase_journal,
    redacted_url,
)
from patrol.store.transaction import StoreEvent, Transaction, next_number

if TYPE_CHECKING:
    from patrol.store.access_log import AccessLogRepository
    from patrol.store.accounts import (
        AccountRepository,
        ApiKeyRepository,
        CasePhotoRepository,
        ClaimRepository,
        LoginSessionRepository,
    )
    from patrol.store.anchors import AnchorRepository
    from patrol.store.cameras import CameraMemoryRepository, HealthRepository, RegistryRepository
    from patrol.store.cases import CaseRepository
    from patrol.store.change_marks import ChangeTokens
    from patrol.store.clock_timers import ClockTimers
    from patrol.store.cluster import ClusterRepository
    from patrol.store.consents import ConsentRepository, HouseholdLinkRepository
    from patrol.store.credentials import CredentialRepository
    from patrol.store.deliveries import DeliveryRepository
    from patrol.store.findings import FindingRepository
    from patrol.store.gb28181 import Gb28181Repository
    from patrol.store.ground_patrols import GroundPatrolRepository, HelperReportRepository
    from patrol.store.hand_offs import BroadcastRepository, GridTagRepository, HandOffRepository
    from patrol.store.human_patrols import HumanPatrolRepository
    from patrol.store.legal_holds import LegalHoldRepository
    from patrol.store.machine_clock import ClockRepository
    from patrol.store.messages import InboxRepository, OutboxRepository
    from patrol.store.pictures import PictureLinkRepository, PictureRepository
    from patrol.store.pixels import PixelRepository
    from patrol.store.received_replies import ReceivedReplyRepository
    from patrol.store.registry_changes import RegistryChangeRepository
    from patrol.store.report_changes import ReportChangeRepository
    from patrol.store.rounds import RoundRepository
    from patrol.store.shift import HandoverRepository, StoppageRepository, TroubleRepository
    from patrol.store.site_keys import SiteKeyRepository
    from patrol.store.suppressions import SuppressionRepository
    from patrol.store.town import (
        FindingAlarmRepository,
        FindingHistoryRepository,
        RoundDutyRepository,
    )

R = TypeVar("R")


class _Lazy(Generic[R]):
    """A repository that is imported and made at its first use: a unit of work uses two or three.

    `place`: its module below patrol.store, colon, its class.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def __set_name__(self, _unit: type, name: str) -> None:
        self._name = name

    def __get__(self, unit: "UnitOfWork", _class: type) -> R:
        module, _, class_name = self._place.partition(":")
        repository: R = getattr(import_module(f"patrol.store.{module}"), class_name)(unit.db)
        unit.__dict__[self._name] = repository  # found there from now on
        return repository


class UnitOfWork:
    """One transaction and its repositories. Leaving without `commit` rolls back.

    Observers are called with each changed case, finding, round and recorded visit inside it; what
    one returns is run after the commit, and only then (counters). An observed change reads its row
    once more.
    """

    rounds: "_Lazy[RoundRepository]" = _Lazy("rounds:RoundRepository")
    findings: "_Lazy[FindingRepository]" = _Lazy("findings:FindingRepository")
    cases: "_Lazy[CaseRepository]" = _Lazy("cases:CaseRepository")
    outbox: "_Lazy[OutboxRepository]" = _Lazy("messages:OutboxRepository")
    inbox: "_Lazy[InboxRepository]" = _Lazy("messages:InboxRepository")
    received_replies: "_Lazy[ReceivedReplyRepository]" = _Lazy(
        "received_replies:ReceivedReplyRepository"
    )
    health: "_Lazy[HealthRepository]" = _Lazy("cameras:HealthRepository")
    consents: "_Lazy[ConsentRepository]" = _Lazy("consents:ConsentRepository")
    access: "_Lazy[AccessLogRepository]" = _Lazy("access_log:AccessLogRepository")
    household_links: "_Lazy[HouseholdLinkRepository]" = _Lazy("consents:HouseholdLinkRepository")
    pictures: "_Lazy[PictureRepository]" = _Lazy("pictures:PictureRepository")
    holds: "_Lazy[LegalHoldRepository]" = _Lazy("legal_holds:LegalHoldRepository")
    credentials: "_Lazy[CredentialRepository]" = _Lazy("credentials:CredentialRepository")
    anchors: "_Lazy[AnchorRepository]" = _Lazy("anchors:AnchorRepository")
    pixels: "_Lazy[PixelRepository]" = _Lazy("pixels:PixelRepository")
    site_keys: "_Lazy[SiteKeyRepository]" = _Lazy("site_keys:SiteKeyRepository")
    picture_links: "_Lazy[PictureLinkRepository]" = _Lazy("pictures:PictureLinkRepository")
    memories: "_Lazy[CameraMemoryRepository]" = _Lazy("cameras:CameraMemoryRepository")
    registry: "_Lazy[RegistryRepository]" = _Lazy("cameras:RegistryRepository")
    suppressions: "_Lazy[SuppressionRepository]" = _Lazy("suppressions:SuppressionRepository")
    accounts: "_Lazy[AccountRepository]" = _Lazy("accounts:AccountRepository")
    sessions: "_Lazy[LoginSessionRepository]" = _Lazy("accounts:LoginSessionRepository")
    claims: "_Lazy[ClaimRepository]" = _Lazy("accounts:ClaimRepository")
    api_keys: "_Lazy[ApiKeyRepository]" = _Lazy("accounts:ApiKeyRepository")
    case_photos: "_Lazy[CasePhotoRepository]" = _Lazy("accounts:CasePhotoRepository")
    deliveries: "_Lazy[DeliveryRepository]" = _Lazy("deliveries:DeliveryRepository")
    stoppages: "_Lazy[StoppageRepository]" = _Lazy("shift:StoppageRepository")
    troubles: "_Lazy[TroubleRepository]" = _Lazy("shift:TroubleRepository")
    clock: "_Lazy[ClockRepository]" = _Lazy("machine_clock:ClockRepository")
    clock_timers: "_Lazy[ClockTimers]" = _Lazy("clock_timers:ClockTimers")
    handovers: "_Lazy[HandoverRepository]" = _Lazy("shift:HandoverRepository")
    finding_history: "_Lazy[FindingHistoryRepository]" = _Lazy("town:FindingHistoryRepository")
    finding_alarms: "_Lazy[FindingAlarmRepository]" = _Lazy("town:FindingAlarmRepository")
    round_duties: "_Lazy[RoundDutyRepository]" = _Lazy("town:RoundDutyRepository")
    ground_patrols: "_Lazy[GroundPatrolRepository]" = _Lazy("ground_patrols:GroundPatrolRepository")
    helper_reports: "_Lazy[HelperReportRepository]" = _Lazy("ground_patrols:HelperReportRepository")
    human_patrols: "_Lazy[HumanPatrolRepository]" = _Lazy("human_patrols:HumanPatrolRepository")
    hand_offs: "_Lazy[HandOffRepository]" = _Lazy("hand_offs:HandOffRepository")
    broadcasts: "_Lazy[BroadcastRepository]" = _Lazy("hand_offs:BroadcastRepository")
    grid_tags: "_Lazy[GridTagRepository]" = _Lazy("hand_offs:GridTagRepository")
    registry_changes: "_Lazy[RegistryChangeRepository]" = _Lazy(
        "registry_changes:RegistryChangeRepository"
    )
    change_tokens: "_Lazy[ChangeTokens]" = _Lazy("change_marks:ChangeTokens")
    report_changes: "_Lazy[ReportChangeRepository]" = _Lazy("report_changes:ReportChangeRepository")
    gb28181: "_Lazy[Gb28181Repository]" = _Lazy("gb28181:Gb28181Repository")
    cluster: "_Lazy[ClusterRepository]" = _Lazy("cluster:ClusterRepository")

    def __init__(self, db: Transaction, observers: Sequence["StoreObserver"] = ()) -> None:
        self.db = db
        self._observers = observers
        self._after: list[AfterCommit] = []
        if observers:
            db.on_event = self._notify_observers

    def next_number(self, sequence: str) -> int:
        """The next number of the named sequence: 1, 2, 3 …; gapless, as a rollback undoes it."""
        return next_number(self.db, sequence)

    def commit(self) -> None:
        """Commit the transaction durably and end it; then run what the observers returned.

        Raises StoreFull when the disk is, ValueError when rows refer to rows that do not exist.
        """
        self.db.commit()
        for work in self._after:
            work()
        self._after.clear()

    def _notify_observers(self, event: StoreEvent) -> None:
        for observer in self._observers:
            later = observer(self, event)
            if later is not None:
                self._after.append(later)


AfterCommit = Callable[[], None]
StoreObserver = Callable[[UnitOfWork, StoreEvent], AfterCommit | None]


class Store:
    """Opens units of work; safe to call from any thread, each unit belongs to one thread.

    On SQLite the writers of this process queue at a lock of ours before they queue at the file's:
    the file's own queue is polled with growing pauses, and a recorder that writes a round would
    starve an operator's decision.
    """

    def __init__(
        self,
        engine: Engine,
        observers: Sequence[StoreObserver] = (),
        site_key: SiteKey | None = None,
    ) -> None:
        self._engine = engine
        self._site_key = site_key
        self._observers = tuple(observers)
        self._one_writer = Lock() if engine.dialect.name == "sqlite" else None

    def add_observers(self, observers: Sequence[StoreObserver]) -> None:
        """Register observers for transactions that begin from now on."""
        self._observers += tuple(observers)

    @property
    def can_seal(self) -> bool:
        """Whether it was opened with the site's key."""
        return self._site_key is not None

    def unlock(self, site_key: SiteKey) -> None:
        """Use the site's key from now on. Raises KeyProblem: another key than was used before."""
        with self.begin_read() as uow:
            known = uow.site_keys.fingerprint()
        if known and known != site_key.fingerprint:
            raise KeyProblem(
                f"{site_key.place}: is not the key that {self.name} was sealed with; put that back"
            )
        self._site_key = site_key

    def adopt_key(self, site_key: SiteKey) -> None:
        """Unlock with the key; the first one becomes this store's, and what is plain is sealed.

        Raises KeyProblem: another key than was used before.
        """
        self.unlock(site_key)
        with self.begin() as uow:
            if uow.site_keys.fingerprint():
                return
            uow.site_keys.set_fingerprint(site_key.fingerprint)
            sealed = uow.memories.seal_plain()
            uow.commit()
        if sealed:
            self.erase_free_space(all_of_it=True)

    @property
    def name(self) -> str:
        """The database's URL without its password, for logs."""
        return redacted_url(self._engine.url)

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """Start a transaction that may write. Raises StoreUnavailable."""
        with self._queue(), self._unit(read_only=False) as unit:
            yield unit

    @contextmanager
    def begin_read(self) -> Iterator[UnitOfWork]:
        """A read-only transaction on one snapshot; blocks no writer. Raises StoreUnavailable."""
        with self._unit(read_only=True) as unit:
            yield unit

    def terms_token(self) -> str:
        """A text that differs when a withdrawal, a consent's terms or a stoppage came or ended.

        Asked some times a second by every process that visits. Empty on SQLite, where reading them
        all costs as little. Raises StoreUnavailable.
        """
        if self._engine.dialect.name == "sqlite":
            return ""
        token = import_module("patrol.store.consents").TERMS_TOKEN
        return str(ask_alone(self._engine, token))

    @contextmanager
    def _unit(self, *, read_only: bool) -> Iterator[UnitOfWork]:
        connection = connect(self._engine, read_only=read_only)
        try:
            db = Transaction(connection, writes=not read_only, site_key=self._site_key)
            yield UnitOfWork(db, self._observers)
        finally:
            connection.close()  # rolls back whatever was not committed

    @contextmanager
    def _queue(self) -> Iterator[None]:
        if self._one_writer is None:
            yield
            return
        if not self._one_writer.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreUnavailable(
                f"{self.name}: another writer keeps it busy for {BUSY_TIMEOUT_S:.0f} s"
            )
        try:
            yield
        finally:
            self._one_writer.release()

    def erase_free_space(self, *, all_of_it: bool = False) -> bool:
        """Leave no deleted row's bytes in SQLite's files; False: a reader is in the way, try again.

        Rows are overwritten when they are deleted (engine.py); here the journal's copies of them
        go. `all_of_it`: also free pages that an older version left, by writing the file anew.
        PostgreSQL's VACUUM does this by itself.
        """
        if self._one_writer is None:
            return True
        with self._queue():
            return erase_journal(self._engine, rewrite=all_of_it)

    def close_idle(self) -> None:
        """Close every idle connection, with its cache; the next unit of work opens another."""
        self._engine.dispose()
