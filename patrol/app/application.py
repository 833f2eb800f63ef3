"""Somewhere for answers to wait, before a command tells anybody anything.

The house while it stands: what commands, the console and the demo can ask of it.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from patrol import __version__
from patrol.app.detectors import Detectors
from patrol.app.integrations import Integrations
from patrol.app.registry_watcher import RegistryWatcher
from patrol.cases import actions
from patrol.cases.actions import apply_person_decision
from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler
from patrol.cases.send_gate import HeldCaseReleaser, SendGate
from patrol.domain.case import Case
from patrol.domain.errors import BadInput
from patrol.domain.finding import Finding, KnownPositive
from patrol.domain.ids import CaseId, FindingId
from patrol.domain.priority import Level
from patrol.domain.round import ADHOC, PatrolPlan, Round
from patrol.domain.verification import PendingVerification, pending_verifications
from patrol.files import ProcessBusy, process_lock
from patrol.integrations.canary import Canary
from patrol.messaging.outbox_relay import OutboxRelay
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.topics import inbox_filters
from patrol.mqtt import BrokerAddress, MqttPublisher, ReplySubscriber
from patrol.mqtt.subscriber import ensure_persistent_session
from patrol.operations.health_server import HealthCheck
from patrol.operations.metrics import Meters
from patrol.pictures import FilePictureStore
from patrol.ports import Clock
from patrol.review import confirm, settle_known_positive, unsure
from patrol.review.decisions import dismiss_and_suppress
from patrol.review.reference import AcceptedReference, ReferenceAcceptance
from patrol.rounds.planner import AdhocSelection
from patrol.rounds.progress import RoundProgress
from patrol.rounds.recheck import Rechecks
from patrol.rounds.runner import RoundRunner
from patrol.settings import Settings, Site
from patrol.store import Store

SERVICE_LOCK: Final = ".service.lock"
SESSION_TIMEOUT_S: Final = 1.0  # the broker has answered the publisher just now


def service_client_id(site: str) -> str:
    """The service's stable name at the broker: its session, and only its, is under it."""
    return f"patrol-{site}"


def ensure_reply_session(settings: Settings, broker: BrokerAddress) -> None:
    """Make the service's session, unless the service is there: it has one, and would be cut off."""
    if settings.mqtt.embedded:
        return  # this process is the broker: the session would end with it
    if _service_is_stopped(settings.evidence / SERVICE_LOCK):
        site = settings.site.id
        filters = inbox_filters(site)
        ensure_persistent_session(
            broker, client_id=service_client_id(site), filters=filters, timeout_s=SESSION_TIMEOUT_S
        )


def _service_is_stopped(lock: Path) -> bool:
    """Whoever may not even look at the service's lock leaves its session alone."""
    try:
        with process_lock(lock):
            return True
    except (ProcessBusy, OSError):
        return False


CONNECT_WITHIN_S = 2.0  # a command does not wait longer for a broker; the outbox does
MAX_OPEN_CASES = 10_000  # open at a time: far more than a town can have
SEND_TIMEOUT_S = 3.0  # for the messages of a round that just ended


class UnknownPlan(BadInput):
    """No such plan; says which there are."""


@dataclass(kw_only=True)
class Application:
    """Built by `patrol.app.bootstrap`; every method may be called from any thread."""

    site: Site
    clock: Clock
    store: Store
    evidence: FilePictureStore
    registry: RegistryWatcher
    broker: BrokerAddress
    payloads: PayloadBuilder
    send_gate: SendGate
    round_runner: RoundRunner
    rechecks: Rechecks
    integrations: Integrations  # who outside MQTT is told
    meters: Meters
    detectors: Detectors = field(default_factory=Detectors)
    service_checks: Callable[[], Sequence[HealthCheck]] = (
        tuple  # the service's children, while it runs
    )
    reply_handler: ReplyHandler = field(init=False)  # of MQTT and the phone page alike
    _relays: list[OutboxRelay] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reply_handler = ReplyHandler(
            store=self.store,
            payloads=self.payloads,
            registry=self.site.registry,
            site=self.site.settings.site.id,
            zone=self.site.settings.site.tz,
            on_queued=self.wake_relays,
        )

    def plan(self, name: str) -> PatrolPlan:
        """Raises UnknownPlan."""
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
        """One round now, at whatever hour, to its end; the document of `patrol round --json`.

        `wanted`: an ad-hoc round over these cameras; the plan then only says how long it may take
        (none: the longest). Raises UnknownPlan, ports.Busy when another process walks one.
        """
        finish_by, plan_name = self.clock.now() + self._max_duration(plan), ADHOC if adhoc else plan
        with self.round_lock(), self._publisher() as publisher:
            begun = self.round_runner.begin_round(
                plan_name, finish_by, at_any_hour=True, adhoc=adhoc
            )
            relay = self.new_relay(publisher)
            ended = self._run_with_relay(relay, begun, on_progress, stop)
            if publisher.wait_up(0.0):
                relay.run_until_empty(SEND_TIMEOUT_S)
        return self.round_runner.summary(ended)

    def round_lock(self) -> AbstractContextManager[None]:
        """One round at a time on this site, whichever process walks it. Raises Busy."""
        return process_lock(self.site.settings.evidence / ".round.lock")

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
    ) -> Case:
        """Make the case, queue its message.

        `phoned`: whom somebody reached by telephone first, and what was said (level I). `holder`:
        the login that decides, if any (review.claims). Raises KeyError, AlreadyDecided,
        KnownPositive, FindingClaimed.
        """
        now, registry = self.clock.now(), self.site.registry
        with self._settling_known_positive(finding_id, by, holder), self.store.begin() as uow:
            case = confirm(
                uow,
                FindingId(finding_id),
                by=by,
                now=now,
                registry=registry,
                payloads=self.payloads,
                category=category,
                level=level,
                note=note,
                zone=self.site.settings.site.tz,
                send_gate=self.send_gate,
                holder=holder,
            )
            if phoned.strip():
                case = actions.record_phone_call(uow, case.id, by=by, now=now, note=phoned.strip())
            if case.before is not None:
                until = now + timedelta(days=self.site.settings.retention.evidence_days)
                uow.pictures.keep(case.before, purpose="before", until=until)
            uow.commit()
        self.wake_relays()
        return case

    def to_verify(self) -> list[PendingVerification]:
        """Handled cases that wait for a person's verdict, the most pressing first."""
        with self.store.begin_read() as uow:
            return pending_verifications(
                uow.cases.list(open_only=True, limit=MAX_OPEN_CASES), self.clock.now()
            )

    def verify(self, case_id: str, *, gone: bool, by: str, note: str = "") -> Case:
        """A person's verdict: closed, or back to the ground. Raises KeyError, IllegalMove."""
        with self.store.begin() as uow:
            case = apply_person_decision(
                uow, CaseId(case_id), gone=gone, by=by, now=self.clock.now(),
                payloads=self.payloads, note=note,
            )  # fmt: skip
            uow.commit()
        self.wake_relays()
        return case

    def dismiss(self, finding_id: str, *, by: str, reason: str, holder: str = "") -> Finding:
        """Dismiss, and suppress the same proposal for a while where the reason says so.

        Raises KeyError, AlreadyDecided, FindingClaimed, ValueError (no reason).
        """
        with self.store.begin() as uow:
            dismissed = dismiss_and_suppress(
                uow, FindingId(finding_id), by=by, now=self.clock.now(), reason=reason,
                holder=holder,
            )  # fmt: skip
            uow.commit()
        return dismissed.finding

    def unsure(self, finding_id: str, *, by: str, reason: str = "", holder: str = "") -> Finding:
        """Leave it to another person. Raises KeyError, AlreadyDecided, FindingClaimed."""
        with self.store.begin() as uow:
            decided = unsure(
                uow, FindingId(finding_id), by=by, now=self.clock.now(), reason=reason,
                holder=holder,
            )  # fmt: skip
            uow.commit()
        return decided

    def accept_reference(self, camera_id: str, *, by: str) -> AcceptedReference:
        """So it looks from now on. Raises KeyError, app.normal.NotAccepted."""
        acceptance = ReferenceAcceptance(
            store=self.store,
            evidence=self.evidence,
            policy=self.rechecks.cases.guarded_visit.judge.policy,
            zone=self.site.settings.site.tz,
        )
        return acceptance(camera_id, self.registry.cameras(), by=by, now=self.clock.now())

    def send_now(self, timeout_s: float = SEND_TIMEOUT_S) -> int:
        """Send what waits, if the broker answers soon; how many messages still wait."""
        with self._publisher() as publisher:
            if publisher.wait_up(min(CONNECT_WITHIN_S, timeout_s)):
                ensure_reply_session(self.site.settings, self.broker)
                return self.new_relay(publisher).run_until_empty(timeout_s)
        with self.store.begin_read() as uow:
            return uow.outbox.unsent()

    def wake_relays(self) -> None:
        """Something was queued: relays of this process need not wait for their poll."""
        for relay in self._relays:
            relay.wake()

    def new_relay(self, publisher: MqttPublisher) -> OutboxRelay:
        """A relay of this process, woken by `wake`."""
        holder = f"relay-{secrets.token_hex(4)}"
        relay = OutboxRelay(store=self.store, publisher=publisher, clock=self.clock, holder=holder)
        self._relays.append(relay)
        return relay

    def new_reply_subscriber(self, canary: Canary | None = None) -> ReplySubscriber:
        """The service's ear: one a site, under its stable client id; it hears the canary, too."""
        site = self.site.settings.site

        def on_message(topic: str, payload: bytes) -> None:
            now = self.clock.now()
            if canary is None or not canary.handle_reply(topic, payload, now):
                self.reply_handler.handle(topic, payload, now)

        return ReplySubscriber(
            self.broker,
            client_id=service_client_id(site.id),
            filters=[*inbox_filters(site.id), *(canary.filters if canary else ())],
            handler=on_message,
            will=self._status("offline"),
            online=lambda: self._status("online"),
            offline=lambda: self._status("offline"),
        )

    def new_escalator(self) -> Escalator:
        """Moves silent cases up."""
        return Escalator(store=self.store, payloads=self.payloads, on_queued=self.wake_relays)

    def new_held_case_releaser(self) -> HeldCaseReleaser:
        """Lets go what the gate held."""
        return HeldCaseReleaser(
            store=self.store,
            send_gate=self.send_gate,
            payloads=self.payloads,
            on_queued=self.wake_relays,
        )

    def _run_with_relay(
        self,
        relay: OutboxRelay,
        begun: Round,
        on_progress: Callable[[RoundProgress], None] | None,
        stop: threading.Event | None,
    ) -> Round:
        """Walk while a relay sends what the walk queues."""
        over = threading.Event()

        def send() -> None:
            ensure_reply_session(self.site.settings, self.broker)
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
        """A round by hand gets as long as its plan would give it."""
        plans = [self.plan(plan)] if plan else self.site.settings.calendar.all_plans.values()
        return max(one.length for one in plans)

    @contextmanager
    def _settling_known_positive(self, finding_id: str, by: str, holder: str) -> Iterator[None]:
        """A known positive makes no case; that it was seen is written down all the same."""
        try:
            yield
        except KnownPositive:
            with self.store.begin() as uow:
                now = self.clock.now()
                decided = settle_known_positive(
                    uow, FindingId(finding_id), by=by, now=now, holder=holder
                )
                uow.commit()
            raise KnownPositive(decided) from None

    def _publisher(self) -> MqttPublisher:
        return MqttPublisher(self.broker, name=f"patrol-{self.site.settings.site.id}")

    def _status(self, state: str) -> tuple[str, bytes]:
        return self.payloads.status_message(state, __version__, self.clock.now())
