"""The service's parts beside rounds and relay: canary, webhooks, channels, metrics, heartbeats.

`SideServices` makes them for one application, starts their threads, and gives their jobs and health
checks; service.py owns it.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from pathlib import Path

import structlog

from patrol.app.application import Application
from patrol.app.clock_monitor import clock_check
from patrol.app.integrations import Integrations, IntegrationsProblem
from patrol.app.mqtt_checks import MqttChecks
from patrol.app.scheduler import ScheduledJob
from patrol.cases.escalator import Escalator
from patrol.integrations.canary import Canary
from patrol.integrations.delivery_worker import DeliveryWorker, SendDelivery
from patrol.integrations.notifications import AppriseSender, ChannelUnusable, UnreachedNotifier
from patrol.integrations.webhooks import WebhookSender
from patrol.messaging.outbox_relay import prune_messages
from patrol.messaging.topics import canary_topics
from patrol.mqtt import BrokerAddress
from patrol.mqtt.subscriber import CanaryLeader
from patrol.operations.health_server import HealthCheck, Heartbeats, MetricsFailed, serve_metrics
from patrol.operations.metrics import Meters
from patrol.rounds.progress import RoundProgress

log = structlog.get_logger(__name__)

JobWrapper = Callable[[str, Callable[[], object]], Callable[[], None]]
ShowProgress = Callable[[RoundProgress], None]
CANARY_EVERY_S = 1.0  # asked; it decides itself what is due
DELIVERY_WITHIN_S = 120.0  # one try is limited to 10 s, one of a second channel to some 30
PRUNE_AT = time(3, 40)  # local; after the pictures have been deleted


@dataclass(kw_only=True)
class SideServices:
    """Canary, webhooks, notification channels, metrics and heartbeats, beside rounds and relay."""

    app: Application
    integrations: Integrations
    meters: Meters
    heartbeats: Heartbeats
    canary: Canary | None
    stop: threading.Event = field(default_factory=threading.Event)
    mqtt_checks: MqttChecks

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
            mqtt_checks=MqttChecks(store=app.store),
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
            store=self.app.store,
            registry=self.app.registry_watcher.followed,
            targets=self.integrations.targets,
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
        if self.app.cluster is not None:
            self.meters.export_cluster(self.app.cluster.status)
        self._open_port(stack)

    def export_counters(self, **by_component: Counter[str]) -> None:
        """Export the counters of relay, inbox, ladder and sending as metrics."""
        for name, counters in by_component.items():
            self.meters.export_counters(name, lambda c=counters: c)  # type: ignore[misc]

    def checks(self) -> list[HealthCheck]:
        """The health checks that /healthz shows."""
        record = self.app.clock_monitor.record
        found = [*self.heartbeats.checks(), clock_check(record), *self.mqtt_checks.checks()]
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
