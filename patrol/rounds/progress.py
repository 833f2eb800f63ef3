"""A round in numbers: counts and pace while it runs, its cost, and its summary documents.

`RoundCounters` and `ThroughputEstimate` live in the executor's memory and feed `RoundProgress`;
`round_summary` and `progress_payload` are read from the store. The cost is CPU time and peak memory
of this process, as the kernel counts them.
"""

import resource
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from patrol.domain.round import Round, RoundTotals, VisitOutcome
from patrol.domain.schedule import IN_MAINTENANCE
from patrol.domain.timestamps import rfc3339_or_none
from patrol.store import UnitOfWork

THROUGHPUT_WINDOW_S = 20.0  # recent pace; long enough to hold several waves of visits
KIB_PER_MB = 1000.0  # ru_maxrss is in KiB on Linux; 2 % off for decimal megabytes is below noise
BYTES_PER_MB = 1e6


@dataclass(slots=True)
class ResourceMeter:
    """Measures time and CPU of this process from its construction, in laps."""

    wall_from_s: float = field(default_factory=time.monotonic)
    cpu_from_s: float = field(default_factory=time.process_time)

    def lap(self) -> tuple[float, float]:
        """(wall, CPU of all threads) seconds since the lap before, or since the start."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        lap = wall_s - self.wall_from_s, cpu_s - self.cpu_from_s
        self.wall_from_s, self.cpu_from_s = wall_s, cpu_s
        return lap


def peak_rss_mb() -> float:
    """The process's high-water mark since it was started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (BYTES_PER_MB if sys.platform == "darwin" else KIB_PER_MB)


def add_round_cost(uow: UnitOfWork, a_round: Round, meter: ResourceMeter) -> None:
    """Add what this process spent since the meter's last lap to the stored round."""
    stored, (wall_s, cpu_s) = uow.rounds.get(a_round.id), meter.lap()
    uow.rounds.put(
        replace(
            stored,
            wall_s=stored.wall_s + wall_s,
            cpu_s=stored.cpu_s + cpu_s,
            peak_rss_mb=max(stored.peak_rss_mb, peak_rss_mb()),
        )
    )


@dataclass(slots=True)
class ThroughputEstimate:
    """Visits a second over a recent window; times are monotonic seconds."""

    begun_s: float
    done: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def visit_finished(self, at_s: float) -> None:
        """Count one recorded visit."""
        self.done += 1
        self._recent.append(at_s)
        while self._recent and at_s - self._recent[0] > THROUGHPUT_WINDOW_S:
            self._recent.popleft()

    def per_s(self, now_s: float) -> float | None:
        """Visits a second over the recent window; None before the first."""
        if not self.done:
            return None
        span_s = min(THROUGHPUT_WINDOW_S, now_s - self.begun_s)
        return len(self._recent) / span_s if span_s > 0.0 and self._recent else None

    def forecast(self, left: int, now_s: float, now: datetime) -> datetime | None:
        """When `left` more visits will be done; None before the first one."""
        pace = self.per_s(now_s)
        return now + timedelta(seconds=left / pace) if pace else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVisit:
    """What the recorder made of one visit."""

    outcome: VisitOutcome
    findings: int = 0
    messages: int = 0
    suppressed: int = 0  # observations that a suppression kept from becoming findings
    is_repeat: bool = False  # it was recorded before: nothing was written
    is_stale: bool = False  # what it taught was left: another had taught the camera meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundProgress:
    """How far the running round is; shown on the terminal and by the service."""

    round: str
    plan: str
    planned: int
    done: int
    seen: int
    not_viewable: int
    missed: int
    findings: int
    under_way: int
    per_s: float | None
    forecast: datetime | None
    finish_by: datetime


@dataclass(slots=True, kw_only=True)
class RoundCounters:
    """Counts of the running round in memory; the stored visits are the truth."""

    done: int = 0
    seen: int = 0
    not_viewable: int = 0
    missed: int = 0
    findings: int = 0
    messages: int = 0

    @classmethod
    def from_totals(cls, totals: RoundTotals) -> "RoundCounters":
        """The counts that an earlier run of the round left."""
        return cls(
            done=totals.planned - totals.pending,
            seen=totals.seen,
            not_viewable=totals.not_viewable,
            missed=totals.missed,
            findings=totals.findings,
        )

    def add(self, recorded: RecordedVisit) -> None:
        """Count one recorded visit."""
        self.done += 1
        self.findings += recorded.findings
        self.messages += recorded.messages
        if recorded.outcome.is_seen:
            self.seen += 1
        elif recorded.outcome is VisitOutcome.MISSED:
            self.missed += 1
        else:
            self.not_viewable += 1


def round_summary(
    uow: UnitOfWork, a_round: Round, now: datetime, without: Sequence[str] = ()
) -> dict[str, object]:
    """The document of `patrol round --json`, from the store; the order of its keys is public.

    `without`: what the round lacked, and why.
    """
    totals = uow.rounds.totals(a_round.id)
    started = a_round.started_at or a_round.planned_at
    received, of_key_frames = uow.rounds.bytes_received(a_round.id)
    queued, published = uow.outbox.count_queued_and_published(started, a_round.finished_at or now)
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "scope": a_round.scope,
        "state": str(a_round.state),
        "reason": a_round.reason,
        "started_at": rfc3339_or_none(a_round.started_at),
        "finished_at": rfc3339_or_none(a_round.finished_at),
        "planned": totals.planned,
        "seen": totals.seen,
        "not_viewable": totals.not_viewable,
        "missed": totals.missed,
        "pending": totals.pending,
        "refused": sum(a_round.refused.values()) - a_round.refused.get(IN_MAINTENANCE, 0),
        "in_maintenance": a_round.refused.get(IN_MAINTENANCE, 0),
        "refusals": dict(sorted(a_round.refused.items())),
        "failures": dict(sorted((totals.failures or {}).items())),
        "pictures": totals.pictures,
        "observations": totals.observations,
        "findings": totals.findings,
        "messages": {"queued": queued, "published": published},
        "wall_s": round(a_round.wall_s, 2),
        "cpu_s": round(a_round.cpu_s, 2),
        "peak_rss_mb": round(a_round.peak_rss_mb, 1),
        "without": list(without),
        "uplink": {"bytes": received, "key_frame_bytes": of_key_frames},
    }


def progress_payload(a_round: Round, totals: RoundTotals) -> dict[str, object]:
    """The payload of the MQTT topic `P/round/{plan}/latest` while the round runs."""
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "state": str(a_round.state),
        "started_at": rfc3339_or_none(a_round.started_at),
        "finish_by": rfc3339_or_none(a_round.finish_by),
        "planned": totals.planned,
        "seen": totals.seen,
        "not_viewable": totals.not_viewable,
        "pending": totals.pending,
        "findings": totals.findings,
    }
