"""The assembled application: the operations behind commands, console, API and demo.

Built by `patrol.app.bootstrap`; runs rounds, decides, takes replies, makes the service's workers.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from patrol import __version__
from patrol.administration.area_editor import AreaEditor
from patrol.administration.camera_table import CameraTable
from patrol.administration.people_tables import PeopleTables
from patrol.administration.registry_files import RegistryWatcher
from patrol.app.clock_monitor import ClockMonitor
from patrol.app.detectors import Detectors, PictureRedactor
from patrol.app.household_data import HouseholdData
from patrol.app.integrations import Integrations
from patrol.app.reply_session import ReplySession, ensure_reply_session, service_lock_path
from patrol.app.sources import Sources
from patrol.cases import actions
from patrol.cases.actions import apply_person_decision
from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler, ReplyResult
from patrol.cases.save_and_send import HeldCaseReleaser, SendGate
from patrol.domain.case import Case
from patrol.domain.errors import BadInput
from patrol.domain.finding import Finding, KnownPositive
from patrol.domain.ids import CaseId, FindingId, PictureId
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, PatrolPlan, Round
from patrol.domain.verification import PendingVerification, pending_verifications
from patrol.files import is_lock_free, process_lock
from patrol.integrations.canary import Canary
from patrol.messaging.outbox_relay import OutboxRelay
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.topics import inbox_filters
from patrol.mqtt import BrokerAddress, MqttPublisher, ReplySubscriber
from patrol.operations.backup import remove_unfinished_restore
from patrol.operations.health_server import HealthCheck
from patrol.operations.metrics import Meters
from patrol.pictures import FilePictureStore
from patrol.ports import Clock
from patrol.review import confirm, merge_known_positive, unsure
from patrol.review.decisions import NOT_SHOWN, ShownFinding, dismiss_and_suppress
from patrol.review.reference import AcceptedReference, ReferenceAcceptance
from patrol.rounds.adhoc import AdhocSelection
from patrol.rounds.live_view import LiveView
from patrol.rounds.progress import RoundProgress
from patrol.rounds.recheck import Recheckers
from patrol.rounds.runner import RoundRunner
from patrol.settings import Site
from patrol.store import Store

if TYPE_CHECKING:
    from patrol.app.cluster import SiteCluster

log = structlog.get_logger(__name__)

CONNECT_WITHIN_S: Final = 2.0  # a command does not wait longer for a broker; the outbox does
MAX_OPEN_CASES: Final = 10_000  # open at a time: far more than a town can have
SEND_TIMEOUT_S: Final = 3.0  # for the messages of a round that just ended
TakeReply = Callable[["Application", str, bytes], bool]  # topic, payload → whether it was taken


class UnknownPlan(BadInput):
    """The site has no plan of this name; the text lists those it has."""


@dataclass(kw_only=True)
class Application:
    """The stores, runners and workers of one site; every method may be called from any thread."""

    site: Site
    clock: Clock
    clock_monitor: ClockMonitor
    store: Store
    evidence: FilePictureStore
    registry_watcher: RegistryWatcher
    broker: BrokerAddress
    payloads: PayloadBuilder
    send_gate: SendGate
    round_runner: RoundRunner
    rechecks: Recheckers
    integrations: Integrations  # webhooks and channels beside MQTT
    meters: Meters
    redact: PictureRedactor  # makes a stored picture fit to leave the centre
    area_editor: AreaEditor
    camera_table: CameraTable
    people_tables: PeopleTables
    live_view: LiveView
    sources: Sources
    detectors: Detectors = field(default_factory=Detectors)
    follow_accounts: Callable[[Registry], None] = lambda _registry: None  # of an embedded broker
    service_checks: Callable[[], Sequence[HealthCheck]] = tuple  # set while the service runs
    outside_replies: Sequence[TakeReply] = ()  # of departments and loudspeakers
    cluster: "SiteCluster | None" = None  # None: this process makes its rounds itself
    reply_handler: ReplyHandler = field(init=False)  # of MQTT and of the phone page
    households: HouseholdData = field(init=False)  # their pictures and their consent
    _relays: list[OutboxRelay] = field(default_factory=list)
    _stored_registry_version: int = 0
    _noted_registry_version: int = -1  # files may have been changed while no service ran

    @property
    def registry(self) -> Registry:
        """The registry as the files are now: for one request, one decision."""
        self.registry_watcher.refresh()
        return self.registry_watcher.registry()

    def follow_registry(self) -> None:
        """Read changed files; bring the store's registry up to date. Raises StoreUnavailable."""
        self.registry_watcher.refresh()
        self.follow_accounts(self.registry_watcher.registry())
        version = self.registry_watcher.version
        if version != self._noted_registry_version:
            self.people_tables.note_outside_changes()
            self._noted_registry_version = version
        if version == self._stored_registry_version:
            return
        with self.store.begin() as uow:
            uow.registry.sync(self.registry_watcher.registry(), self.clock.now())
            uow.commit()
        self._stored_registry_version = version

    def __post_init__(self) -> None:
        self.households = HouseholdData(self.store, self.evidence, self.clock, self.site.settings)
        self.households.exchange = self.cluster.pixels if self.cluster else None
        self.reply_handler = ReplyHandler(
            store=self.store, payloads=self.payloads, registry=self.registry_watcher.followed,
            site=self.site.settings.site.id, zone=self.site.settings.site.tz,
            on_queued=self.wake_relays,
        )  # fmt: skip

    def plan(self, name: str) -> PatrolPlan:
        """The plan of this name. Raises UnknownPlan."""
        plans = self.site.settings.calendar.all_plans
        if name not in plans:
            raise UnknownPlan(f"no plan {name!r}, there are: {', '.join(plans)}")
        return plans[name]

    def run_round(
        self,
        plan: str = "",
        *,
        adhoc: AdhocSelection | None = None,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> dict[str, object]:
        """Run a round now, whatever the hour, to its end; the document of `patrol round --json`.

        `adhoc`: a round over these cameras; the plan then only limits its duration (none: the
        longest plan does). Raises UnknownPlan, NothingToVisit, RoundsPaused, and ProcessBusy when
        another process runs a round.
        """
        finish_by, name = self.clock.now() + self._max_duration(plan), ADHOC if adhoc else plan
        with self.round_lock():
            remove_unfinished_restore(self.site.settings.database, self.site.settings.evidence)
            begun = self.round_runner.begin_round(name, finish_by, at_any_hour=True, adhoc=adhoc)
            ended = self._run_begun_round(begun, on_progress, stop)
        return self.round_runner.summary(ended)

    def round_lock(self) -> AbstractContextManager[None]:
        """The lock of a round on this site, over all machines of a cluster. Raises ProcessBusy."""
        alone = process_lock(self.site.settings.evidence / ".round.lock")
        return alone if self.cluster is None else self.cluster.round_lock()

    def start_round(self, plan: str, *, by: str, adhoc: AdhocSelection | None = None) -> Round:
        """Begin a round in a thread of its own, and return it. Raises as `run_round`."""
        finish_by, name = self.clock.now() + self._max_duration(plan), ADHOC if adhoc else plan
        with ExitStack() as lock:
            lock.enter_context(self.round_lock())
            begun = self.round_runner.begin_round(
                name, finish_by, at_any_hour=True, may_be_empty=False, adhoc=adhoc
            )
            log.info("a round by hand", plan=name, by=by, round=begun.id)
            work = (begun, lock.pop_all())
            threading.Thread(target=self._run_locked, args=work, name="round", daemon=True).start()
        return begun

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
        phoned: str = "",
        holder: str = "",
        shown: ShownFinding = NOT_SHOWN,
    ) -> Case:
        """Confirm a finding: open its case and queue the message about it.

        `phoned`: a note about the telephone call that came first (level I).
        `holder`: the session that decides, if any (review.claims).
        Raises KeyError, AlreadyDecided, FindingClaimed, KnownPositive, ValueError, and as `shown`.
        """
        now, registry = self.clock.now(), self.registry
        settling = self._settling_known_positive(finding_id, by, holder, shown)
        with settling, self.store.begin() as uow:
            shown.check(uow, FindingId(finding_id), now)
            case = confirm(
                uow, FindingId(finding_id), by=by, now=now, registry=registry,
                payloads=self.payloads, category=category, level=level, note=note,
                zone=self.site.settings.site.tz, send_gate=self.send_gate, holder=holder,
            )  # fmt: skip
            if phoned.strip():
                case = actions.record_phone_call(
                    uow, case.id, by=by, now=now, payloads=self.payloads, note=phoned.strip()
                )
            if case.before is not None:
                until = now + timedelta(days=self.site.settings.retention.evidence_days)
                uow.pictures.keep(case.before, purpose="before", until=until)
            uow.commit()
        self.wake_relays()
        return case

    def to_verify(self) -> list[PendingVerification]:
        """Handled cases that wait for a person's verification, the most pressing first."""
        with self.store.begin_read() as uow:
            return pending_verifications(
                uow.cases.list(open_only=True, limit=MAX_OPEN_CASES), self.clock.now()
            )

    def verify(self, case_id: str, *, gone: bool, by: str, note: str = "") -> Case:
        """Close a handled case, or send it back (not `gone`).

        Raises KeyError, IllegalCaseTransition.
        """
        with self.store.begin() as uow:
            case = apply_person_decision(
                uow, CaseId(case_id), gone=gone, by=by, now=self.clock.now(),
                payloads=self.payloads, note=note,
            )  # fmt: skip
            uow.commit()
        self.wake_relays()
        return case

    def dismiss(
        self, finding_id: str, *, by: str, reason: str, holder: str = "",
        shown: ShownFinding = NOT_SHOWN,
    ) -> Finding:  # fmt: skip
        """Dismiss a finding; suppress similar ones for a while where the reason asks for it.

        Raises KeyError, AlreadyDecided, FindingClaimed, ValueError (no reason), and as `shown`.
        """
        ident, now = FindingId(finding_id), self.clock.now()
        with self.store.begin() as uow:
            shown.check(uow, ident, now)
            dismissed = dismiss_and_suppress(
                uow, ident, by=by, now=now, reason=reason, holder=holder
            )
            uow.commit()
        return dismissed.finding

    def unsure(
        self, finding_id: str, *, by: str, reason: str = "", holder: str = "",
        shown: ShownFinding = NOT_SHOWN,
    ) -> Finding:  # fmt: skip
        """Leave a finding to another reviewer.

        Raises KeyError, AlreadyDecided, FindingClaimed, and as `shown`.
        """
        ident, now = FindingId(finding_id), self.clock.now()
        with self.store.begin() as uow:
            shown.check(uow, ident, now)
            decided = unsure(uow, ident, by=by, now=now, reason=reason, holder=holder)
            uow.commit()
        return decided

    def accept_reference(
        self, camera_id: str, *, by: str, picture: PictureId | None = None
    ) -> AcceptedReference:
        """Make the newest usable picture the camera's reference.

        `picture`: the one that the person looked at, refused when a newer one has come.
        Raises KeyError, ReferenceNotAccepted.
        """
        acceptance = ReferenceAcceptance(
            store=self.store, evidence=self.evidence, zone=self.site.settings.site.tz,
            policy=self.rechecks.cases.guarded_visit.judge.policy,
        )  # fmt: skip
        cameras, now = self.registry_watcher.cameras(), self.clock.now()
        return acceptance(camera_id, cameras, by=by, now=now, picture=picture)

    def check_clock(self) -> None:
        """Adopt a step of the clock, unless a service runs that does. Raises StoreUnavailable."""
        if is_lock_free(service_lock_path(self.site.settings)):
            self.clock_monitor.check()

    def send_now(self, timeout_s: float = SEND_TIMEOUT_S) -> int:
        """Send queued messages, if the broker answers soon; return how many still wait."""
        with self._publisher() as publisher:
            if publisher.wait_up(min(CONNECT_WITHIN_S, timeout_s)):
                ensure_reply_session(self.reply_session, self.site.settings, self.broker)
                return self.new_relay(publisher).run_until_empty(timeout_s)
        with self.store.begin_read() as uow:
            return uow.outbox.unsent()

    def wake_relays(self) -> None:
        """Make this process's relays read the outbox now; call after a commit that queued."""
        for relay in self._relays:
            relay.wake()

    def new_relay(self, publisher: MqttPublisher, *, republishes: bool = False) -> OutboxRelay:
        """A relay from the outbox to the broker, woken by `wake_relays`.

        `republishes`: also retained messages after each new connection; the service's alone does.
        """
        relay = OutboxRelay(
            store=self.store,
            publisher=publisher,
            clock=self.clock,
            holder=f"relay-{secrets.token_hex(4)}",
            republishes=republishes,
            clock_unconfirmed=lambda: self.clock_monitor.clock_unconfirmed,
        )
        self._relays.append(relay)
        return relay

    def handle_reply(self, topic: str, payload: bytes, *, sender: str = "") -> ReplyResult:
        """Apply one reply or report, from MQTT or from the phone page, in one transaction.

        `sender`: whom our session proves. Raises StoreUnavailable, StoreFull: do not acknowledge.
        """
        return self.reply_handler.handle(topic, payload, self.clock.now(), sender=sender)

    @property
    def reply_session(self) -> ReplySession:
        """The persistent session at the broker to which replies come."""
        return ReplySession(self.store, self.site.settings.site.id)

    def on_reply(self, canary: Canary | None) -> Callable[[str, bytes], None]:
        """What handles a message from the broker: a reply, or the canary's."""

        def on_message(topic: str, payload: bytes) -> None:
            taken = any(take(self, topic, payload) for take in self.outside_replies)
            if not (taken or (canary and canary.handle_reply(topic, payload, self.clock.now()))):
                self.handle_reply(topic, payload)

        return on_message

    def new_reply_subscriber(self, canary: Canary | None = None) -> ReplySubscriber:
        """The subscriber to the site's replies, under its stable client id; the canary's, too."""
        session, site = self.reply_session, self.site.settings.site

        def online() -> tuple[str, bytes]:
            session.keep_made()
            return self._status("online")

        return ReplySubscriber(
            self.broker,
            client_id=session.client_id(),
            name=session.name,
            had_session=session.was_made() and not self.site.settings.mqtt.embedded,
            filters=[*inbox_filters(site.id), *(canary.filters if canary else ())],
            handler=self.on_reply(canary),
            will=self._status("offline"),
            online=online,
            offline=lambda: self._status("offline"),
        )

    def new_escalator(self) -> Escalator:
        """The worker that escalates cases without an answer."""
        return Escalator(
            store=self.store, payloads=self.payloads, on_queued=self.wake_relays,
            clock_unconfirmed=lambda: self.clock_monitor.clock_unconfirmed,
        )  # fmt: skip

    def new_held_case_releaser(self) -> HeldCaseReleaser:
        """The worker that sends the cases that the send gate held back."""
        return HeldCaseReleaser(
            store=self.store, send_gate=self.send_gate, payloads=self.payloads,
            on_queued=self.wake_relays,
        )  # fmt: skip

    def _run_locked(self, begun: Round, lock: ExitStack) -> None:
        with lock:
            self._run_begun_round(begun)

    def _run_begun_round(
        self,
        begun: Round,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Round:
        """Run a round to its end and send what it queued; the caller holds the round lock."""
        with self._publisher() as publisher:
            relay = self.new_relay(publisher)
            ended = self._run_with_relay(relay, begun, on_progress, stop)
            if publisher.wait_up(0.0):
                relay.run_until_empty(SEND_TIMEOUT_S)
        return ended

    def _run_with_relay(
        self,
        relay: OutboxRelay,
        begun: Round,
        on_progress: Callable[[RoundProgress], None] | None,
        stop: threading.Event | None,
    ) -> Round:
        """Run the round while a relay sends the messages that it queues."""
        over = threading.Event()

        def send() -> None:
            ensure_reply_session(self.reply_session, self.site.settings, self.broker)
            relay.run(over)

        sender = threading.Thread(target=send, name="relay", daemon=True)
        sender.start()
        try:
            return self.round_runner.run(begun, on_progress=on_progress, stop=stop)
        finally:
            over.set()
            relay.wake()
            sender.join(SEND_TIMEOUT_S)
            self._relays.remove(relay)

    def _max_duration(self, plan: str) -> timedelta:
        """How long a round by hand may take: as long as its plan, or the longest plan."""
        plans = [self.plan(plan)] if plan else self.site.settings.calendar.all_plans.values()
        return max(each.length for each in plans)

    @contextmanager
    def _settling_known_positive(
        self, finding_id: str, by: str, holder: str, shown: ShownFinding
    ) -> Iterator[None]:
        """Record the decision about a known positive, which makes no case, and raise again."""
        try:
            yield
        except KnownPositive:
            with self.store.begin() as uow:
                ident, now = FindingId(finding_id), self.clock.now()
                shown.check(uow, ident, now)
                decided = merge_known_positive(uow, ident, by=by, now=now, holder=holder)
                uow.commit()
            raise KnownPositive(decided) from None

    def _publisher(self) -> MqttPublisher:
        return MqttPublisher(self.broker, name=f"patrol-{self.site.settings.site.id}")

    def _status(self, state: str) -> tuple[str, bytes]:
        return self.payloads.status_message(state, __version__, self.clock.now())
