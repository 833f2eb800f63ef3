"""Prometheus metrics: counters fed by the store's events, gauges read from it at each scrape.

What waits — outbox, deliveries, review queue, escalations — is read from partial indexes of the
store, so that it is right after a restart and whichever process queued it. On loopback only by
default: the numbers show when a town sleeps. No name, no camera, no address is ever a label. The
only importer of prometheus_client beside health_server.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from patrol.domain.round import Visit
from patrol.integrations.canary import Canary
from patrol.ports import Clock
from patrol.store import (
    AfterCommit,
    CaseChanged,
    FindingChanged,
    RoundChanged,
    Store,
    StoreEvent,
    StoreUnavailable,
    UnitOfWork,
    VisitRecorded,
)
from patrol.store.cluster import ResultOutcome

if TYPE_CHECKING:
    from patrol.cluster.status import ClusterStatus

# A visit of two pictures 3 s apart takes some 5 s; the limit is 20 s by default.
VISIT_S = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60)


class Meters:
    """The counters of one application; `observe` is a StoreObserver, `registry` is scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._visits = self._counter("patrol_visits", "Visits by outcome.", "outcome", "failure")
        self._visit_s = Histogram(
            "patrol_visit_duration_seconds", "From connect to the judged pictures.",
            buckets=VISIT_S, registry=self.registry,
        )  # fmt: skip
        self._rounds = self._counter("patrol_rounds", "Rounds by plan and state.", "plan", "state")
        self._findings = self._counter(
            "patrol_findings", "Findings by what became of them.", "state"
        )
        self._deliveries = _DeliveryCollector()
        self.registry.register(self._deliveries)
        self._cases = self._counter("patrol_case_events", "Lines of cases' histories.", "event")

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def observe(self, _uow: UnitOfWork, event: StoreEvent) -> AfterCommit | None:
        """Count what the transaction made, once it is committed."""
        if isinstance(event, VisitRecorded):
            return lambda: self._visited(event.visit)
        if isinstance(event, CaseChanged):
            known = len(event.before.entries) if event.before else 0
            events = [str(entry.what) for entry in event.after.entries[known:]]
            return lambda: self._count(self._cases, events)
        if isinstance(event, FindingChanged):
            return self._changed(event, self._findings)
        return self._changed(event, self._rounds, event.after.plan)

    def _changed(
        self, event: FindingChanged | RoundChanged, counter: Counter, *labels: str
    ) -> AfterCommit | None:
        if event.before is not None and event.before.state is event.after.state:
            return None
        return lambda: counter.labels(*labels, str(event.after.state)).inc()

    def _visited(self, visit: Visit) -> None:
        self._visits.labels(str(visit.outcome), visit.failure).inc()
        if visit.tries:
            self._visit_s.observe((visit.finished_at - visit.started_at).total_seconds())

    def _count(self, counter: Counter, labels: Iterable[str]) -> None:
        for label in labels:
            counter.labels(label).inc()

    def export_store(self, store: Store, clock: Clock) -> None:
        """Export what waits in the store."""
        self.registry.register(_StoreCollector(store, clock))

    def export_cluster(self, read: Callable[[], "ClusterStatus"]) -> None:
        """Export workers, links, shards and results of a cluster."""
        self.registry.register(_ClusterCollector(read))

    def export_counters(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Export counters that a component keeps itself, by what they count."""
        self.registry.register(_CounterCollector(f"patrol_{name}", read))

    def export_deliveries(self, target: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Export the outcomes of a target's deliveries."""
        self._deliveries.counts_by_target[target] = read

    def export_canary(self, canary: Canary) -> None:
        """Export whether canaries come back."""
        self.registry.register(_CanaryCollector(canary))


class _StoreCollector(Collector):
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    @override
    def collect(self) -> Iterator[Metric]:
        try:
            with self._store.begin_read() as uow:
                numbers = list(self._read(uow))
        except StoreUnavailable:
            numbers = []
        yield GaugeMetricFamily("patrol_store_up", "The database answers.", value=bool(numbers))
        yield from numbers

    def _read(self, uow: UnitOfWork) -> Iterator[Metric]:
        now = self._clock.now()
        oldest = uow.outbox.oldest_unsent()
        yield _gauge_metric("patrol_outbox_waiting", "Messages to be sent.", uow.outbox.unsent())
        yield _gauge_metric(
            "patrol_outbox_age_seconds", "Age of the oldest message that waits.",
            (now - oldest).total_seconds() if oldest else 0,
        )  # fmt: skip
        refused = GaugeMetricFamily(
            "patrol_outbox_refused", "Messages that the broker refuses.", labels=["state"]
        )
        for state, count in zip(
            ("retrying", "quarantined"), uow.outbox.count_refused(), strict=True
        ):
            refused.add_metric([state], count)
        yield refused
        due = uow.cases.escalation_due(now, limit=1)
        since = due[0].ladder_due_at if due else None
        yield _gauge_metric(
            "patrol_ladder_lag_seconds", "How late the ladder is with its oldest case.",
            (now - since).total_seconds() if since else 0,
        )  # fmt: skip
        totals = uow.findings.waiting_totals()
        waiting = sum(total.count for total in totals)
        yield _gauge_metric("patrol_review_queue", "Findings that wait for a person.", waiting)
        longest = min((total.oldest for total in totals), default=now)
        yield _gauge_metric(
            "patrol_review_age_seconds", "How long the oldest of them waits.",
            (now - longest).total_seconds(),
        )  # fmt: skip
        queued = GaugeMetricFamily(
            "patrol_deliveries_waiting", "Webhooks and notices to be sent.", labels=["target"]
        )
        age = GaugeMetricFamily(
            "patrol_deliveries_age_seconds", "Age of the oldest of them.", labels=["target"]
        )
        for target, (count, first) in uow.deliveries.waiting().items():
            queued.add_metric([target], count)
            age.add_metric([target], (now - first).total_seconds())
        yield queued
        yield age


class _ClusterCollector(Collector):
    """Of a cluster. A link and a worker are labels: each is a machine's name, no household's."""

    def __init__(self, read: Callable[[], "ClusterStatus"]) -> None:
        self._read = read

    @override
    def collect(self) -> Iterator[Metric]:
        try:
            status = self._read()
        except StoreUnavailable:
            yield _gauge_metric("patrol_cluster_up", "The job queue answers.", value=False)
            return
        yield _gauge_metric("patrol_cluster_up", "The job queue answers.", value=True)
        lives = GaugeMetricFamily("patrol_worker_up", "The worker lives.", labels=["worker"])
        skew = GaugeMetricFamily(
            "patrol_worker_clock_skew_seconds", "Its clock less the database's.", labels=["worker"]
        )
        for worker in status.workers:
            if not worker.has_left:
                lives.add_metric([worker.name], worker.lives)
                skew.add_metric([worker.name], worker.skew_s)
        yield lives
        yield skew
        yield _gauge_metric(
            "patrol_cluster_links_unserved", "Links that no worker reaches.", len(status.unserved)
        )
        unserved = GaugeMetricFamily(
            "patrol_cluster_link_unserved", "No worker reaches this link.", labels=["link"]
        )
        for link in status.unserved:
            unserved.add_metric([link], 1)
        yield unserved
        yield from self._shards(status)
        results = CounterMetricFamily(
            "patrol_cluster_results", "Results by what became of them.", labels=["outcome"]
        )
        for outcome in ResultOutcome:
            results.add_metric([str(outcome)], status.outcomes.get(outcome, 0))
        yield results

    def _shards(self, status: "ClusterStatus") -> Iterator[Metric]:
        shards = GaugeMetricFamily("patrol_cluster_shards", "Shards by state.", labels=["state"])
        for state in ("waiting", "running", "stalled"):
            shards.add_metric([state], getattr(status, state))
        yield shards
        yield _gauge_metric(
            "patrol_cluster_shard_age_seconds", "Age of the oldest shard.", status.oldest_s
        )
        yield _gauge_metric(
            "patrol_cluster_results_waiting", "Results to be recorded.", status.results_waiting
        )
        yield _gauge_metric(
            "patrol_cluster_results_age_seconds", "Age of the oldest of them.",
            status.results_oldest_s,
        )  # fmt: skip
        yield _gauge_metric(
            "patrol_cluster_visits_per_minute", "Visits of the last five minutes.",
            status.visits_per_min,
        )  # fmt: skip


class _CounterCollector(Collector):
    def __init__(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._read = name, read

    @override
    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, "By what it counts.", labels=["what"])
        for what, count in dict(self._read()).items():
            family.add_metric([str(what)], count)
        yield family


class _DeliveryCollector(Collector):
    def __init__(self) -> None:
        self.counts_by_target: dict[str, Callable[[], Mapping[str, int]]] = {}

    @override
    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "patrol_deliveries", "Tries by what became of them.", labels=["target", "fate"]
        )
        for target, read in list(self.counts_by_target.items()):
            for outcome, count in dict(read()).items():
                family.add_metric([target, str(outcome)], count)
        yield family


class _CanaryCollector(Collector):
    def __init__(self, canary: Canary) -> None:
        self._canary = canary

    @override
    def collect(self) -> Iterator[Metric]:
        canary = self._canary
        yield _gauge_metric("patrol_canary_up", "The last canary came back.", not canary.failing)
        yield CounterMetricFamily("patrol_canary_sent", "Sent so far.", value=canary.sent)
        yield CounterMetricFamily("patrol_canary_lost", "Alarms so far.", value=canary.lost)
        if canary.last_return is not None and canary.round_trip_s is not None:
            yield _gauge_metric(
                "patrol_canary_last_return_timestamp_seconds", "When one last came back.",
                canary.last_return.timestamp(),
            )  # fmt: skip
            yield _gauge_metric(
                "patrol_canary_round_trip_seconds", "How long it was under way.",
                canary.round_trip_s,
            )  # fmt: skip


def _gauge_metric(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)
