"""How a cluster stands: workers, links served, shards, throughput; for people and Prometheus."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from patrol.cluster.queue import LinkFigures, read_figures
from patrol.cluster.round_execution import unserved_links
from patrol.domain.camera import Camera
from patrol.domain.ids import LinkId
from patrol.store import Store
from patrol.store.cluster import LeaderRecord, ResultOutcome, WorkerRecord

THROUGHPUT_S: Final = 300.0  # visits of the last five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """Everything that `patrol cluster status` shows."""

    leader: LeaderRecord | None
    workers: Sequence[WorkerRecord]
    links: Sequence[LinkFigures]  # with shards that wait or run
    unserved: Sequence[LinkId]  # links of the site's cameras that no living worker serves
    results_waiting: int
    results_oldest_s: float
    visits_per_min: float
    outcomes: dict[ResultOutcome, int]

    @property
    def waiting(self) -> int:
        """Shards that wait."""
        return sum(link.waiting for link in self.links)

    @property
    def running(self) -> int:
        """Shards that run."""
        return sum(link.running for link in self.links)

    @property
    def stalled(self) -> int:
        """Shards whose worker is silent."""
        return sum(link.stalled for link in self.links)

    @property
    def oldest_s(self) -> float:
        """How long the oldest shard has been in the queue, seconds."""
        return max((link.oldest_s for link in self.links), default=0.0)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "leader": None if self.leader is None else asdict(self.leader),
            "workers": [{**asdict(one), "lives": one.lives} for one in self.workers],
            "links": [asdict(one) for one in self.links],
            "unserved_links": list(self.unserved),
            "shards": {
                "waiting": self.waiting,
                "running": self.running,
                "stalled": self.stalled,
                "oldest_s": round(self.oldest_s, 1),
            },
            "results": {
                "waiting": self.results_waiting,
                "oldest_s": round(self.results_oldest_s, 1),
                **{str(outcome): self.outcomes.get(outcome, 0) for outcome in ResultOutcome},
            },
            "visits_per_min": round(self.visits_per_min, 1),
        }


def read_status(store: Store, url: str, site: str, cameras: Iterable[Camera]) -> ClusterStatus:
    """The cluster as it is now. Raises StoreUnavailable."""
    with store.begin_read() as uow:
        leaders = [leader for leader in uow.cluster.leaders() if leader.site == site]
        workers = [worker for worker in uow.cluster.workers() if worker.site == site]
        waiting, oldest_s = uow.cluster.waiting()
        recorded, outcomes = uow.cluster.recorded_since(THROUGHPUT_S), uow.cluster.counts()
    served = frozenset(link for one in workers if one.lives for link in one.links)
    return ClusterStatus(
        leader=leaders[0] if leaders else None,
        workers=workers,
        links=read_figures(url, site),
        unserved=unserved_links(cameras, served),
        results_waiting=waiting,
        results_oldest_s=oldest_s,
        visits_per_min=recorded * 60.0 / THROUGHPUT_S,
        outcomes=dict(outcomes),
    )
