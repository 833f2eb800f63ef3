"""The house while it stands: what commands, the console and the demo can ask of it."""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from patrol import __version__
from patrol.app.ear import client_id, keep_answers
from patrol.app.eyes import Eyes
from patrol.app.news import News
from patrol.app.normal import Acceptance, NewNormal
from patrol.app.registry import LiveRegistry
from patrol.app.second_looks import SecondLooks
from patrol.dispatch import desk
from patrol.dispatch.canary import Canary
from patrol.dispatch.inbox import Inbox
from patrol.dispatch.ladder import Ladder
from patrol.dispatch.relay import Relay
from patrol.dispatch.sending import Release, SendGate
from patrol.dispatch.topics import inbox_filters
from patrol.dispatch.verification import verdict
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case
from patrol.domain.finding import Finding, KnownPositive
from patrol.domain.ids import CaseId, FindingId
from patrol.domain.levels import Level
from patrol.domain.round import ADHOC, PatrolPlan, Round
from patrol.domain.verdict import Awaited, awaited
from patrol.evidence import FileEvidence
from patrol.lock import exclusive
from patrol.metrics import Check, Meters
from patrol.mqtt import BrokerAddress, MqttPublisher, MqttService
from patrol.ports import Clock
from patrol.review import confirm, settle_probe, unsure
from patrol.review.teach import dismiss_and_teach
from patrol.rounds.adhoc import Wanted
from patrol.rounds.conduct import Conductor
from patrol.rounds.progress import RoundProgress
from patrol.settings import Site
from patrol.store import Store

CONNECT_WITHIN_S = 2.0  # a command does not wait longer for a broker; the outbox does
MOST_CASES = 10_000  # open at a time: far more than a town can have
LAST_WORDS_S = 3.0  # for the messages of a round that just ended


class UnknownPlan(Exception):
    """No such plan; says which there are."""


@dataclass(kw_only=True)
class App:
    """Built by `patrol.app.build`; every method may be called from any thread."""

    site: Site
    clock: Clock
    store: Store
    evidence: FileEvidence
    registry: LiveRegistry
    broker: BrokerAddress
    wire: Wire
    gate: SendGate
    conductor: Conductor
    looks: SecondLooks
    news: News  # who outside MQTT is told
    meters: Meters
    eyes: Eyes = field(default_factory=Eyes)
    parts: Callable[[], Sequence[Check]] = tuple  # the service's children, while it runs
    _relays: list[Relay] = field(default_factory=list)

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
        wanted: Wanted | None = None,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> dict[str, object]:
        """One round now, at whatever hour, to its end; the document of `patrol round --json`.

        `wanted`: an ad-hoc round over these cameras; the plan then only says how long it may take
        (none: the longest). Raises UnknownPlan, ports.Busy when another process walks one.
        """
        finish_by, name = self.clock.now() + self._length(plan), ADHOC if wanted else plan
        with self.round_lock(), self._publisher() as publisher:
            begun = self.conductor.begin(name, finish_by, at_any_hour=True, wanted=wanted)
            relay = self.new_relay(publisher)
            ended = self._walk_beside(relay, begun, on_progress, stop)
            if publisher.wait_up(0.0):
                relay.drain(LAST_WORDS_S)
        return self.conductor.summary(ended)

    def round_lock(self) -> AbstractContextManager[None]:
        """One round at a time on this site, whichever process walks it. Raises Busy."""
        return exclusive(self.site.settings.evidence / ".round.lock")

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
        phoned: str = "",
    ) -> Case:
        """Make the case, queue its message. Raises KeyError, AlreadyDecided, KnownPositive.

        `phoned`: whom somebody reached by telephone first, and what was said (level I).
        """
        now, registry = self.clock.now(), self.site.registry
        with self._probes(finding_id, by), self.store.begin() as uow:
            case = confirm(
                uow,
                FindingId(finding_id),
                by=by,
                now=now,
                registry=registry,
                announcer=self.wire,
                category=category,
                level=level,
                note=note,
                zone=self.site.settings.site.tz,
                gate=self.gate,
            )
            if phoned.strip():
                case = desk.phoned(uow, case.id, by=by, now=now, note=phoned.strip())
            if case.before is not None:
                until = now + timedelta(days=self.site.settings.retention.evidence_days)
                uow.pictures.keep(case.before, purpose="before", until=until)
            uow.commit()
        self.wake()
        return case

    def to_verify(self) -> list[Awaited]:
        """Handled cases that wait for a person's verdict, the most pressing first."""
        with self.store.begin_read() as uow:
            return awaited(uow.cases.list(open_only=True, limit=MOST_CASES), self.clock.now())

    def verify(self, case_id: str, *, gone: bool, by: str, note: str = "") -> Case:
        """A person's verdict: closed, or back to the ground. Raises KeyError, IllegalMove."""
        with self.store.begin() as uow:
            settled = verdict(
                uow, CaseId(case_id), gone=gone, by=by, now=self.clock.now(),
                announcer=self.wire, note=note,
            )  # fmt: skip
            uow.commit()
        self.wake()
        return settled

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        """What it teaches is held back from now on. Raises KeyError, AlreadyDecided, ValueError."""
        with self.store.begin() as uow:
            dismissed = dismiss_and_teach(
                uow, FindingId(finding_id), by=by, now=self.clock.now(), reason=reason
            )
            uow.commit()
        return dismissed.finding

    def unsure(self, finding_id: str, *, by: str, reason: str = "") -> Finding:
        """Somebody else has to look. Raises KeyError, AlreadyDecided."""
        with self.store.begin() as uow:
            decided = unsure(uow, FindingId(finding_id), by=by, now=self.clock.now(), reason=reason)
            uow.commit()
        return decided

    def accept_as_normal(self, camera_id: str, *, by: str) -> NewNormal:
        """So it looks from now on. Raises KeyError, app.normal.NotAccepted."""
        accept = Acceptance(
            store=self.store,
            evidence=self.evidence,
            policy=self.looks.cases.glass.judge.policy,
            zone=self.site.settings.site.tz,
        )
        return accept(camera_id, self.registry.cameras(), by=by, now=self.clock.now())

    def relay_now(self, timeout_s: float = LAST_WORDS_S) -> int:
        """Send what waits, if the broker answers soon; how many messages still wait."""
        with self._publisher() as publisher:
            if publisher.wait_up(min(CONNECT_WITHIN_S, timeout_s)):
                keep_answers(self.site.settings, self.broker)
                return self.new_relay(publisher).drain(timeout_s)
        with self.store.begin_read() as uow:
            return uow.outbox.unsent()

    def wake(self) -> None:
        """Something was queued: relays of this process need not wait for their poll."""
        for relay in self._relays:
            relay.wake()

    def new_relay(self, publisher: MqttPublisher) -> Relay:
        """A relay of this process, woken by `wake`."""
        holder = f"relay-{secrets.token_hex(4)}"
        relay = Relay(store=self.store, publisher=publisher, clock=self.clock, holder=holder)
        self._relays.append(relay)
        return relay

    def new_inbox(self, canary: Canary | None = None) -> tuple[Inbox, MqttService]:
        """The service's ear: one a site, under its stable client id; it hears the canary, too."""
        site = self.site.settings.site
        inbox = Inbox(
            store=self.store,
            announcer=self.wire,
            registry=self.site.registry,
            site=site.id,
            zone=site.tz,
            on_news=self.wake,
        )

        def hear(topic: str, payload: bytes) -> None:
            now = self.clock.now()
            if canary is None or not canary.hears(topic, payload, now):
                inbox.handle(topic, payload, now)

        service = MqttService(
            self.broker,
            client_id=client_id(site.id),
            filters=[*inbox_filters(site.id), *(canary.filters if canary else ())],
            handler=hear,
            will=self._status("offline"),
            online=lambda: self._status("online"),
            offline=lambda: self._status("offline"),
        )
        return inbox, service

    def new_ladder(self) -> Ladder:
        """Moves silent cases up."""
        return Ladder(store=self.store, announcer=self.wire, on_news=self.wake)

    def new_release(self) -> Release:
        """Lets go what the gate held."""
        return Release(store=self.store, gate=self.gate, announcer=self.wire, on_news=self.wake)

    def _walk_beside(
        self,
        relay: Relay,
        begun: Round,
        on_progress: Callable[[RoundProgress], None] | None,
        stop: threading.Event | None,
    ) -> Round:
        """Walk while a relay sends what the walk queues."""
        over = threading.Event()

        def send() -> None:
            keep_answers(self.site.settings, self.broker)
            relay.run(over)

        sender = threading.Thread(target=send, name="relay", daemon=True)
        sender.start()
        try:
            return self.conductor.conduct(begun, on_progress=on_progress, stop=stop)
        finally:
            over.set()
            relay.wake()
            sender.join(LAST_WORDS_S)
            self._relays.remove(relay)

    def _length(self, plan: str) -> timedelta:
        """A round by hand gets as long as its plan would give it."""
        plans = [self.plan(plan)] if plan else self.site.settings.calendar.all_plans.values()
        return max(one.length for one in plans)

    @contextmanager
    def _probes(self, finding_id: str, by: str) -> Iterator[None]:
        """A known positive makes no case; that it was seen is written down all the same."""
        try:
            yield
        except KnownPositive:
            with self.store.begin() as uow:
                now = self.clock.now()
                decided = settle_probe(uow, FindingId(finding_id), by=by, now=now)
                uow.commit()
            raise KnownPositive(decided) from None

    def _publisher(self) -> MqttPublisher:
        return MqttPublisher(self.broker, name=f"patrol-{self.site.settings.site.id}")

    def _status(self, state: str) -> tuple[str, bytes]:
        return self.wire.status(state, __version__, self.clock.now())
