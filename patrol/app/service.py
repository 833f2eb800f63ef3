"""`patrol run`: start every part of the service, and stop them all when one fails or `stop` is set.

Threads: the outbox relay, one delivery worker for each webhook and channel, the reply subscriber,
the canary's leader, the metrics port, and the job scheduler's pool, which runs rounds, rechecks,
escalation and upkeep. The first part that raises ends the service with its reason, and so does a
scheduler that stands still (watchdog.py); systemd starts it again, and everything resumes from the
store.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from pathlib import Path

import structlog

from patrol.app.application import SERVICE_LOCK, Application
from patrol.app.clock_monitor import ClockMonitor, clock_check
from patrol.app.integrations import Integrations, IntegrationsProblem
from patrol.app.jobs import daily_upkeep, make_round_scheduler, recheck_cases
from patrol.app.scheduler import JobScheduler, ScheduledJob
from patrol.app.watchdog import wait_until_stopped
from patrol.cases.escalator import Escalator
from patrol.domain.errors import Failed
from patrol.files import process_lock
from patrol.integrations.canary import Canary
from patrol.integrations.delivery_worker import DeliveryWorker, SendDelivery
from patrol.integrations.notifications import AppriseSender, ChannelUnusable, UnreachedNotifier
from patrol.integrations.webhooks import WebhookSender
from patrol.logs import LastReason
from patrol.messaging.outbox_relay import prune_messages
from patrol.messaging.topics import canary_topics
from patrol.mqtt import BrokerAddress, MqttPublisher, ReplySubscriber
from patrol.mqtt.subscriber import CanaryLeader
from patrol.operations.health_server import HealthCheck, Heartbeats, MetricsFailed, serve_metrics
from patrol.operations.metrics import Meters
from patrol.ports import PictureStoreFull
from patrol.rounds.progress import RoundProgress
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

JobWrapper = Callable[[str, Callable[[], object]], Callable[[], None]]
ShowProgress = Callable[[RoundProgress], None]
ROUND_EVERY_S = 2.0
ESCALATE_EVERY_S = 1.0
RECHECK_EVERY_S = 1.0
CANARY_EVERY_S = 1.0  # asked; it decides itself what is due
# Without a heartbeat for so long, a part is stuck (/healthz). A relay backs off up to 30 s and
# waits 5 s for the broker; a recheck takes a visit's 20 s and its retry; a round beats each visit.
RELAY_WITHIN_S = 120.0
ESCALATE_WITHIN_S = 60.0
RECHECK_WITHIN_S = 300.0
ROUND_WITHIN_S = 600.0
# One turn of a job is stuck after so long: the service ends itself, and systemd starts it again.
LADDER_STUCK_AFTER_S = 300.0  # a turn writes for seconds, and the shortest silence is five minutes
STUCK_AFTER_S = 1800.0  # rechecks wait for links that a round uses
SUBSCRIBE_POLL_S = 0.25
DELIVERY_WITHIN_S = 120.0  # one try is limited to 10 s, one of a second channel to some 30
MAX_SUBSCRIBE_WAIT_S = 15.0  # longer: the broker's access list refuses the subscription
SWEEP_AT = time(3, 30)  # local; nobody patrols then
PRUNE_AT = time(3, 40)  # local; after the pictures have been deleted


class ServiceFailed(Failed):
    """A part of the service failed; the text says which and why.

    `is_frozen`: the scheduler stands still, so its threads may never end, nor the process.
    """

    def __init__(self, text: str, *, is_frozen: bool = False) -> None:
        super().__init__(text)
        self.is_frozen = is_frozen


@dataclass(kw_only=True)
class SideServices:
    """Canary, webhooks, notification channels, metrics and heartbeats, beside rounds and relay."""

    app: Application
    integrations: Integrations
    meters: Meters
    heartbeats: Heartbeats
    canary: Canary | None
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def create(cls, app: Application) -> "SideServices":
        """Make the parts for one application; none runs yet."""
        settings = app.site.settings
        canary_settings = settings.integrations.canary
        canary = Canary(
            store=app.store,
            site=settings.site.id,
            every=canary_settings.every,
            within=canary_settings.within,
            targets=app.integrations.targets,
            on_queued=app.wake_relays,
        )
        return cls(
            app=app,
            integrations=app.integrations,
            meters=app.meters,
            heartbeats=Heartbeats(app.clock.monotonic_s),
            canary=canary if canary_settings.enabled else None,
        )

    def jobs(self, retrying: JobWrapper) -> list[ScheduledJob]:
        """The scheduled jobs of these parts; `retrying` waits for a database that is away."""
        jobs = [
            ScheduledJob(
                name="messages",
                run=retrying("messages", self._prune),
                daily_at=PRUNE_AT,
                may_run=self.may_write_history,
            )
        ]
        if self.canary is not None:
            canary, clock = self.canary, self.app.clock
            run = self.with_heartbeat(
                "canary", lambda: canary.tick(clock.now(), clock.monotonic_s()), 60.0
            )
            jobs.append(
                ScheduledJob(name="canary", run=retrying("canary", run), every_s=CANARY_EVERY_S)
            )
        return jobs

    def may_write_history(self) -> bool:
        """Whether what time alone writes or destroys may be (docs/operations.md lists it)."""
        return not self.app.clock_monitor.holds_history

    def escalation_job(self, escalator: Escalator) -> Callable[[], None]:
        """One turn of escalation, after unreached leaders were notified and held cases released.

        Before all of it the clock is checked: a step moves the silences with it.
        """
        notifier = UnreachedNotifier(
            store=self.app.store, registry=self.app.site.registry, targets=self.integrations.targets
        )
        releaser = self.app.new_held_case_releaser()
        self.export_counters(ladder=escalator.counters, sending=releaser.send_gate.counters)
        monitor = self.app.clock_monitor

        def run() -> None:
            monitor.check()
            now = self.app.clock.now()
            notifier.run_due(now)
            if not monitor.clock_unconfirmed:
                releaser.run_due(now)  # by the calendar: office hours, and how many an hour
            escalator.run_due(now)

        return run

    def with_heartbeat(
        self, name: str, work: Callable[[], object], within_s: float
    ) -> Callable[[], None]:
        """The work, then a heartbeat for /healthz; without one for `within_s` it is stuck."""
        beat = self.heartbeats.expect(name, within_s)

        def run() -> None:
            work()
            beat()

        return run

    def progress_with_heartbeat(
        self, beat: Callable[[], None], show: ShowProgress | None
    ) -> ShowProgress:
        """A progress callback that beats at every visit of a running round."""

        def on_progress(progress: RoundProgress) -> None:
            beat()
            if show is not None:
                show(progress)

        return on_progress

    def start(
        self,
        stack: ExitStack,
        stop: threading.Event,
        run: Callable[[str, Callable[[], None]], None],
    ) -> None:
        """Start delivery workers, canary leader and metrics port; `run` starts a thread."""
        self.stop = stop
        for worker in self._delivery_workers(stack):
            self.meters.export_deliveries(worker.target, lambda c=worker: c.counters)  # type: ignore[misc]
            run(worker.target, lambda c=worker: c.run(stop))  # type: ignore[misc]
        if self.canary is not None:
            stack.enter_context(self._canary_leader())
            self.meters.export_canary(self.canary)
        self.meters.export_store(self.app.store, self.app.clock)
        self._open_port(stack)

    def export_counters(self, **by_component: Counter[str]) -> None:
        """Export the counters of relay, inbox, ladder and sending as metrics."""
        for name, counters in by_component.items():
            self.meters.export_counters(name, lambda c=counters: c)  # type: ignore[misc]

    def checks(self) -> list[HealthCheck]:
        """The health checks that /healthz shows."""
        found = [*self.heartbeats.checks(), clock_check(self.app.clock_monitor.record)]
        if self.canary is not None:
            why = self.canary.failing
            last = self.canary.last_return
            text = why or f"last back {last or 'never yet'}"
            ago_s = (self.app.clock.now() - last).total_seconds() if last else None
            check = HealthCheck(name="canary came back", ok=not why, message=text, ago_s=ago_s)
            found.append(check)
        return found

    def _delivery_workers(self, stack: ExitStack) -> list[DeliveryWorker]:
        now = self.app.clock.now
        workers = [
            self._delivery_worker(
                hook.target, stack.enter_context(WebhookSender(hook, now)).send, hook.max_tries
            )
            for hook in self.integrations.hooks
        ]
        for channel in self.integrations.channels:
            try:
                workers.append(
                    self._delivery_worker(channel.target, AppriseSender(channel).send, 6)
                )
            except ChannelUnusable as exc:
                raise IntegrationsProblem(str(exc)) from exc
        return workers

    def _delivery_worker(self, target: str, send: SendDelivery, most_tries: int) -> DeliveryWorker:
        return DeliveryWorker(
            target=target,
            store=self.app.store,
            send=send,
            clock=self.app.clock,
            holder=f"delivery-{secrets.token_hex(4)}",
            most_tries=most_tries,
            on_turn=self.heartbeats.expect(target, DELIVERY_WITHIN_S),
            clock_unconfirmed=lambda: self.app.clock_monitor.clock_unconfirmed,
        )

    def _canary_leader(self) -> CanaryLeader:
        site, canary_settings = (
            self.app.site.settings.site.id,
            self.app.site.settings.integrations.canary,
        )
        listens_on, answers_on = canary_topics(site)
        broker = self.app.broker
        if canary_settings.username:
            broker = _with_login(broker, canary_settings.username, canary_settings.password_file)
        return CanaryLeader(
            broker, listens_on=listens_on, answers_on=answers_on, name=f"patrol-{site}-canary"
        )

    def _open_port(self, stack: ExitStack) -> None:
        metrics_settings = self.app.site.settings.integrations.metrics
        if not metrics_settings.enabled:
            return
        try:
            server = serve_metrics(
                metrics_settings.host, metrics_settings.port, self.meters.registry, self.checks
            )
            port = stack.enter_context(server)
        except MetricsFailed as exc:
            # Two sites on one machine with the default port: rounds matter more than metrics.
            log.error("no metrics and no /healthz", reason=str(exc))  # noqa: TRY400  one line says it
        else:
            log.info("metrics", url=f"http://{metrics_settings.host}:{port}/metrics")

    def _prune(self) -> None:
        """Delete messages older than the site's `message_days`."""
        kept = timedelta(days=self.app.site.settings.retention.message_days)
        gone = prune_messages(self.app.store, self.app.clock.now(), kept, self.stop)
        if gone:
            log.info("old messages are gone", rows=gone)


def _with_login(broker: BrokerAddress, user: str, password_file: Path | None) -> BrokerAddress:
    text = password_file.read_text("utf-8") if password_file is not None else ""
    return replace(broker, username=user, password=text.strip("\r\n"))


def run_service(
    app: Application,
    stop: threading.Event,
    *,
    on_progress: ShowProgress | None = None,
    ready: Callable[[], None] = lambda: None,
    with_rounds: bool = True,
) -> None:
    """Run until `stop`. Raises ServiceFailed, ProcessBusy (another service has this site).

    The threads of a scheduler that stands still are not waited for (`ServiceFailed.is_frozen`).
    """
    failures: list[tuple[str, BaseException]] = []

    def failed(name: str, why: BaseException) -> None:
        failures.append((name, why))
        stop.set()

    with ExitStack() as stack:
        stack.enter_context(process_lock(app.site.settings.evidence / SERVICE_LOCK))
        stack.callback(_save_clock, app.clock_monitor)
        side_services = SideServices.create(app)
        app.service_checks = side_services.checks

        def run(name: str, work: Callable[[], None]) -> None:
            child = threading.Thread(target=_run_child, args=(name, work, failed), name=name)
            child.start()
            stack.callback(child.join, 5.0)
            stack.callback(stop.set)  # an error in this block ends the thread too

        _start_messaging(app, side_services, stack, stop, run)
        scheduler = JobScheduler(app.site.settings.site.tz, failed, app.clock)
        for job in _jobs(app, side_services, stop, on_progress, with_rounds=with_rounds):
            scheduler.add(job)
        scheduler.start()
        stack.callback(scheduler.stop)
        stack.callback(stop.set)
        ready()
        if frozen := wait_until_stopped(stop, scheduler.frozen):
            scheduler.stop(wait=False)
            raise ServiceFailed(f"scheduler: {frozen}", is_frozen=True)
    if failures:
        child, why = failures[0]
        raise ServiceFailed(f"{child}: {type(why).__name__}: {why}") from why


def _save_clock(monitor: ClockMonitor) -> None:
    with suppress(StoreUnavailable, StoreFull):
        monitor.keep()


def _start_messaging(
    app: Application,
    side_services: SideServices,
    stack: ExitStack,
    stop: threading.Event,
    run: Callable[[str, Callable[[], None]], None],
) -> None:
    """Start publisher, reply subscriber and relay, then the side services."""
    name = f"patrol-{app.site.settings.site.id}"
    publisher = stack.enter_context(MqttPublisher(app.broker, name=name))
    subscriber = stack.enter_context(app.new_reply_subscriber(side_services.canary))
    relay = app.new_relay(publisher)
    relay.on_turn = side_services.heartbeats.expect("relay", RELAY_WITHIN_S)

    def run_relay() -> None:
        _wait_until_subscribed(subscriber, publisher, relay.on_turn, stop)
        relay.run(stop)

    run("relay", run_relay)
    stack.callback(relay.wake)
    side_services.start(stack, stop, run)
    side_services.export_counters(relay=relay.counters, inbox=app.reply_handler.counters)


def _wait_until_subscribed(
    subscriber: ReplySubscriber,
    publisher: MqttPublisher,
    beat: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Hold the relay back until the reply subscription stands, MAX_SUBSCRIBE_WAIT_S at most.

    A broker without our session drops replies, and a telephone replies within milliseconds. A
    subscription that is refused for good does not hold messages back.
    """
    left_s = MAX_SUBSCRIBE_WAIT_S
    while left_s > 0 and not stop.is_set() and not subscriber.wait_up(SUBSCRIBE_POLL_S):
        beat()
        if publisher.wait_up(0.0):
            left_s -= SUBSCRIBE_POLL_S


def _jobs(
    app: Application,
    side_services: SideServices,
    stop: threading.Event,
    on_progress: ShowProgress | None,
    *,
    with_rounds: bool,
) -> list[ScheduledJob]:
    escalate = side_services.escalation_job(app.new_escalator())

    def every(
        every_s: float,
        name: str,
        work: Callable[[], object],
        within_s: float,
        longest_s: float | None = STUCK_AFTER_S,
    ) -> ScheduledJob:
        run = _retry_while_store_away(name, side_services.with_heartbeat(name, work, within_s))
        return ScheduledJob(name=name, run=run, every_s=every_s, longest_s=longest_s)

    jobs = [
        every(ESCALATE_EVERY_S, "ladder", escalate, ESCALATE_WITHIN_S, LADDER_STUCK_AFTER_S),
        every(RECHECK_EVERY_S, "looks", lambda: recheck_cases(app), RECHECK_WITHIN_S),
        every(RECHECK_EVERY_S, "doubts", app.rechecks.findings.run_due, RECHECK_WITHIN_S),
        *side_services.jobs(_retry_while_store_away),
        ScheduledJob(
            name="upkeep",
            run=_retry_while_store_away("upkeep", lambda: daily_upkeep(app)),
            daily_at=SWEEP_AT,
            may_run=side_services.may_write_history,
        ),
    ]
    if with_rounds:
        beat = side_services.heartbeats.expect("rounds", ROUND_WITHIN_S)
        show = side_services.progress_with_heartbeat(beat, on_progress)
        round_scheduler = make_round_scheduler(app, stop, show)
        rounds = every(ROUND_EVERY_S, "rounds", round_scheduler.run_due, ROUND_WITHIN_S, None)
        jobs.append(rounds)
    return jobs


def _retry_while_store_away(name: str, work: Callable[[], object]) -> Callable[[], None]:
    """Wrap a job: a store error ends its turn only, and is logged when it changes."""
    last_problem = LastReason()

    def attempt() -> None:
        try:
            work()
        except (StoreUnavailable, StoreFull, PictureStoreFull) as exc:
            if last_problem.changes_to(str(exc)):
                log.warning("waiting for the stores", child=name, reason=str(exc))
        else:
            last_problem.changes_to("")

    return attempt


def _run_child(
    name: str, work: Callable[[], None], failed: Callable[[str, BaseException], None]
) -> None:
    try:
        work()
    except Exception as exc:  # noqa: BLE001  whatever it is, the service stops with this reason
        failed(name, exc)
