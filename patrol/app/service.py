"""`patrol run`: start every part of the service, and stop them all when one fails or `stop` is set.

Threads: the outbox relay, one delivery worker for each webhook and channel, the reply subscriber,
the canary's leader, the metrics port, and the job scheduler's pool, which runs rounds, rechecks,
escalation and upkeep. The first part that raises ends the service with its reason, and so does a
scheduler that stands still (watchdog.py); systemd starts it again, and everything resumes from the
store.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import time
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from patrol.app.anchors import publish_anchor, stamp_anchors
from patrol.app.application import Application
from patrol.app.clock_monitor import ClockMonitor
from patrol.app.finding_service import new_review_alarms
from patrol.app.ground_service import new_ground_worker
from patrol.app.human_patrol_service import new_human_patrol_worker
from patrol.app.jobs import daily_upkeep, make_round_scheduler, recheck_cases
from patrol.app.reply_session import service_lock_path
from patrol.app.scheduler import JobScheduler, ScheduledJob
from patrol.app.side_services import ShowProgress, SideServices
from patrol.app.town_service import daily_overdue_list
from patrol.app.watchdog import wait_until_stopped
from patrol.domain.errors import Failed
from patrol.files import process_lock
from patrol.integrations.canary import Canary
from patrol.logs import LastReason
from patrol.mqtt import MqttPublisher, ReplySubscriber
from patrol.operations.backup import remove_unfinished_restore
from patrol.ports import Clock, PictureStoreFull
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

NewScheduler = Callable[[ZoneInfo, Callable[[str, BaseException], None], Clock], JobScheduler]
ROUND_EVERY_S = 2.0
ESCALATE_EVERY_S = 1.0
REGISTRY_EVERY_S = 1.0
ALARM_EVERY_S = 5.0
PATROL_EVERY_S = 5.0
RECHECK_EVERY_S = 1.0
WITHDRAWAL_EVERY_S = 1.0
CLUSTER_EVERY_S = 5.0
# Without a heartbeat for so long, a part is stuck (/healthz). A relay backs off up to 30 s and
# waits 5 s for the broker; a recheck takes a visit's 20 s and its retry; a round beats each visit.
RELAY_WITHIN_S = 120.0
ESCALATE_WITHIN_S = 60.0
REGISTRY_WITHIN_S = 60.0
ALARM_WITHIN_S = 120.0
RECHECK_WITHIN_S = 300.0
ANCHOR_EVERY_S = 60.0
ANCHOR_WITHIN_S = 600.0
STAMP_EVERY_S = 600.0
STAMP_WITHIN_S = 3600.0
ROUND_WITHIN_S = 600.0
# One turn of a job is stuck after so long: the service ends itself, and systemd starts it again.
LADDER_STUCK_AFTER_S = 300.0  # a turn writes for seconds, and the shortest silence is five minutes
STUCK_AFTER_S = 1800.0  # rechecks wait for links that a round uses
SUBSCRIBE_POLL_S = 0.25
MAX_SUBSCRIBE_WAIT_S = 15.0  # longer: the broker's access list refuses the subscription
SWEEP_AT = time(3, 30)  # local; nobody patrols then


class ServiceFailed(Failed):
    """A part of the service failed; the text says which and why.

    `is_frozen`: the scheduler stands still, so its threads may never end, nor the process.
    """

    def __init__(self, text: str, *, is_frozen: bool = False) -> None:
        super().__init__(text)
        self.is_frozen = is_frozen


def run_service(
    app: Application, stop: threading.Event, *, on_progress: ShowProgress | None = None,
    ready: Callable[[], None] = lambda: None, with_rounds: bool = True,
    new_scheduler: NewScheduler = JobScheduler,
) -> None:  # fmt: skip
    """Run until `stop`. Raises ServiceFailed, ProcessBusy (another service has this site).

    A scheduler that stands still is not waited for (`ServiceFailed.is_frozen`). `new_scheduler`
    makes what runs the jobs: a test's own runs them in turns of its clock.
    """
    failures: list[tuple[str, BaseException]] = []

    def failed(name: str, why: BaseException) -> None:
        failures.append((name, why))
        stop.set()

    with ExitStack() as stack:
        stack.enter_context(process_lock(service_lock_path(app.site.settings)))
        remove_unfinished_restore(app.site.settings.database, app.site.settings.evidence)
        stack.callback(_save_clock, app.clock_monitor)
        side_services = SideServices.create(app)
        app.service_checks = side_services.checks

        def run(name: str, work: Callable[[], None]) -> None:
            child = threading.Thread(target=_run_child, args=(name, work, failed), name=name)
            child.start()
            stack.callback(child.join, 5.0)
            stack.callback(stop.set)  # an error in this block ends the thread too

        _start_messaging(app, side_services, stack, stop, run)
        scheduler = new_scheduler(app.site.settings.site.tz, failed, app.clock)
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
    """Start publisher, reply subscriber, sources and relay, then the side services."""
    name = f"patrol-{app.site.settings.site.id}"
    publisher = stack.enter_context(MqttPublisher(app.broker, name=name))
    subscriber = stack.enter_context(app.new_reply_subscriber(side_services.canary))
    _end_former_session(app, side_services.canary, stop)
    app.sources.start()
    relay = app.new_relay(publisher, republishes=True)
    side_services.mqtt_checks.watch(relay, subscriber)
    relay.on_turn = side_services.heartbeats.expect("relay", RELAY_WITHIN_S)

    def run_relay() -> None:
        _wait_until_subscribed(subscriber, publisher, relay.on_turn, stop)
        relay.run(stop)

    run("relay", run_relay)
    stack.callback(relay.wake)
    side_services.start(stack, stop, run)
    side_services.export_counters(relay=relay.counters, inbox=app.reply_handler.counters)


def _end_former_session(app: Application, canary: Canary | None, stop: threading.Event) -> None:
    """End the session of former releases' client id in the background, once for good."""
    if app.site.settings.mqtt.embedded:
        return  # its sessions ended with the process
    work = partial(app.reply_session.end_former, app.broker, app.on_reply(canary), stop)
    threading.Thread(target=work, name="former session", daemon=True).start()


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
    alarms, patrols = new_review_alarms(app), _patrol_workers(app)

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
        every(ALARM_EVERY_S, "alarms", lambda: alarms.run_due(app.clock.now()), ALARM_WITHIN_S),
        every(PATROL_EVERY_S, "patrols", patrols, ALARM_WITHIN_S),
        every(REGISTRY_EVERY_S, "registry", app.follow_registry, REGISTRY_WITHIN_S),
        every(ANCHOR_EVERY_S, "anchors", lambda: publish_anchor(app), ANCHOR_WITHIN_S),
        every(
            WITHDRAWAL_EVERY_S, "withdrawals", app.households.remove_withdrawn, REGISTRY_WITHIN_S
        ),
        every(RECHECK_EVERY_S, "looks", lambda: recheck_cases(app), RECHECK_WITHIN_S),
        every(RECHECK_EVERY_S, "doubts", app.rechecks.findings.run_due, RECHECK_WITHIN_S),
        *side_services.jobs(_retry_while_store_away),
        *_cluster_jobs(app),
        *_daily_jobs(app, side_services),
    ]
    if app.site.settings.timestamp is not None:
        jobs.append(every(STAMP_EVERY_S, "stamps", lambda: stamp_anchors(app), STAMP_WITHIN_S))
    if with_rounds:
        beat = side_services.heartbeats.expect("rounds", ROUND_WITHIN_S)
        show = side_services.progress_with_heartbeat(beat, on_progress)
        round_scheduler = make_round_scheduler(app, stop, show)
        rounds = every(ROUND_EVERY_S, "rounds", round_scheduler.run_due, ROUND_WITHIN_S, None)
        jobs.append(rounds)
    return jobs


def _cluster_jobs(app: Application) -> list[ScheduledJob]:
    """Of a cluster: results that came too late are counted and dropped."""
    if app.cluster is None:
        return []
    settle = _retry_while_store_away("cluster", app.cluster.settle_late)
    return [ScheduledJob(name="cluster", run=settle, every_s=CLUSTER_EVERY_S)]


def _patrol_workers(app: Application) -> Callable[[], None]:
    """One turn of the workers of people's patrols: online, and on the ground."""
    online, on_the_ground = new_human_patrol_worker(app), new_ground_worker(app)

    def run() -> None:
        online.run_due(app.clock.now())
        on_the_ground.run_due(app.clock.now())

    return run


def _daily_jobs(app: Application, side_services: SideServices) -> list[ScheduledJob]:
    """Upkeep by night; the overdue lists in the morning, where the site wants them."""
    daily: list[tuple[str, time | None, Callable[[], object]]] = [
        ("upkeep", SWEEP_AT, lambda: daily_upkeep(app)),
        ("overdue", app.site.settings.supervision.overdue_at, daily_overdue_list(app)),
    ]
    return [
        ScheduledJob(
            name=name,
            run=_retry_while_store_away(name, work),
            daily_at=at,
            may_run=side_services.may_write_history,
        )
        for name, at, work in daily
        if at is not None
    ]


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
