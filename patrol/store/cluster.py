"""A cluster in the store: living workers, results that wait for the recorder, what became of them.

Moments are the database's own (`now()`), so that no machine's clock decides who lives. PostgreSQL
only: a site on SQLite has no workers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, delete, extract, func, select

from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.domain.round import PlannedVisit
from patrol.store.column_types import UtcTime
from patrol.store.rounds import PENDING
from patrol.store.schema import visits
from patrol.store.schema_cluster import (
    cluster_counts,
    cluster_leaders,
    cluster_results,
    cluster_workers,
)
from patrol.store.transaction import Transaction

LIVES_S: Final = 30.0  # a worker that was silent for longer serves no link; it beats every 5 s
_NOW: Final = func.now(type_=UtcTime)


def _age_s(moment: ColumnElement[datetime]) -> ColumnElement[int]:
    """Seconds from a moment until now, by the database's clock."""
    return extract("epoch", _NOW) - extract("epoch", moment)


_SILENT: Final = _age_s(cluster_workers.c.beat_at)
# Statements of every visit and of every look are built once: that costs more than running them.
_DELIVER: Final = cluster_results.insert().inline()  # no RETURNING: a worker may read no result
_OF_THIS_ROUND: Final = cluster_results.c.round == bindparam("of_round")
_CAMERAS_DELIVERED: Final = select(cluster_results.c.camera).where(_OF_THIS_ROUND)
_UNDELIVERED: Final = (
    select(visits.c.camera, visits.c.place, visits.c.tries)
    .where(
        visits.c.round == bindparam("of_round"),
        PENDING,
        visits.c.camera.in_(bindparam("these", expanding=True)),
        visits.c.camera.not_in(_CAMERAS_DELIVERED),
    )
    .order_by(visits.c.place)
)
_WAITING: Final = (
    select(cluster_results)
    .where(cluster_results.c.number > bindparam("after"))
    .order_by(cluster_results.c.number)
    .limit(bindparam("most"))
)
_WAITING_OF_ROUND: Final = _WAITING.where(_OF_THIS_ROUND)
_SETTLE: Final = (
    delete(cluster_results)
    .where(cluster_results.c.number.in_(bindparam("these", expanding=True)))
    .returning(cluster_results.c.number)
)


class ResultOutcome(StrEnum):
    """What became of a delivered result."""

    RECORDED = auto()
    REPEATED = auto()  # the camera's visit in this round was recorded before
    LATE = auto()  # the round had ended
    REFUSED = auto()  # it could not be read, or its pictures did not arrive whole
    STALE_REFERENCE = auto()  # recorded; what it taught was left, another had taught meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker as its last heartbeat left it."""

    name: str
    site: str
    instance: str
    host: str
    version: str
    links: tuple[LinkId, ...]
    slots: int
    running: int = 0
    skew_s: float = 0.0
    note: str = ""
    silent_s: float = 0.0  # since the last heartbeat, by the database's clock
    has_left: bool = False

    @property
    def lives(self) -> bool:
        """Whether its links count as served."""
        return not self.has_left and self.silent_s <= LIVES_S


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredResult:
    """A result that waits to be recorded."""

    number: int
    round: RoundId
    camera: CameraId
    worker: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderRecord:
    """The service that leads a site, as it last said."""

    site: str
    holder: str
    host: str
    version: str
    silent_s: float


class ClusterRepository:
    """Reads and writes workers and results."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def leaders(self) -> Sequence[LeaderRecord]:
        """Who leads which site in this database: one row, or none before the first lead."""
        silent = _age_s(cluster_leaders.c.beat_at).label("silent_s")
        columns = [cluster_leaders.c[name] for name in ("site", "holder", "host", "version")]
        return [
            LeaderRecord(
                site=row.site, holder=row.holder, host=row.host, version=row.version,
                silent_s=float(row.silent_s),
            )
            for row in self._db.all(select(*columns, silent))
        ]  # fmt: skip

    def database_now(self) -> datetime:
        """The database's clock."""
        moment: datetime = self._db.scalar(select(func.clock_timestamp(type_=UtcTime)))
        return moment

    # -- workers --------------------------------------------------------------------------------

    def workers(self) -> Sequence[WorkerRecord]:
        """Every worker that ever came, by name."""
        found = select(cluster_workers, _SILENT.label("silent_s")).order_by(cluster_workers.c.name)
        return [_worker_from_row(row) for row in self._db.all(found)]

    def worker(self, name: str) -> WorkerRecord | None:
        """The worker of this name."""
        mine = select(cluster_workers, _SILENT.label("silent_s"))
        row = self._db.first(mine.where(cluster_workers.c.name == name))
        return None if row is None else _worker_from_row(row)

    def register(self, worker: WorkerRecord) -> None:
        """Write the row of a worker that begins; it takes the place of another of its name."""
        row = {
            "name": worker.name, "site": worker.site, "instance": worker.instance,
            "host": worker.host, "version": worker.version, "links": list(worker.links),
            "slots": worker.slots, "running": 0, "skew_s": worker.skew_s, "note": worker.note,
            "started_at": _NOW, "beat_at": _NOW, "left_at": None,
        }  # fmt: skip
        insert = self._db.insert(cluster_workers).values(row)
        rest = {name: insert.excluded[name] for name in row if name != "name"}
        self._db.run(insert.on_conflict_do_update(index_elements=["name"], set_=rest))

    def beat(self, worker: WorkerRecord) -> bool:
        """Note that it lives; False: another of its name took its row."""
        mine = (
            cluster_workers.c.name == worker.name,
            cluster_workers.c.instance == worker.instance,
        )
        more = {"running": worker.running, "skew_s": worker.skew_s, "note": worker.note}
        lives = cluster_workers.update().where(*mine).values(beat_at=_NOW, **more)
        return self._db.changed(lives) == 1

    def leave(self, worker: WorkerRecord) -> None:
        """Note that it ended in good order: its links are not served by it from now on."""
        mine = (
            cluster_workers.c.name == worker.name,
            cluster_workers.c.instance == worker.instance,
        )
        self._db.run(cluster_workers.update().where(*mine).values(left_at=_NOW, running=0))

    def served_links(self) -> frozenset[LinkId]:
        """The links that a living worker serves."""
        return frozenset(link for one in self.workers() if one.lives for link in one.links)

    # -- results --------------------------------------------------------------------------------

    def undelivered(
        self, round_id: RoundId, cameras: Collection[CameraId]
    ) -> Sequence[PlannedVisit]:
        """Of these cameras the visits that are pending and that no result waits for, in order."""
        rows = self._db.all(_UNDELIVERED, {"of_round": round_id, "these": list(cameras)})
        return [
            PlannedVisit(round=round_id, camera=row.camera, order=row.place, judgings=row.tries)
            for row in rows
        ]

    def deliver(
        self, worker: str, results: Iterable[tuple[RoundId, CameraId, Mapping[str, Any]]]
    ) -> None:
        """Hand results to the recorder: round, camera and body of each."""
        rows = [
            {"round": round_id, "camera": camera, "worker": worker, "body": dict(body)}
            for round_id, camera, body in results
        ]
        if rows:
            self._db.run(_DELIVER, rows)

    def results(
        self, *, limit: int, after: int = 0, of_round: RoundId | None = None
    ) -> Sequence[DeliveredResult]:
        """Results that wait, the oldest first; of one round, or of all."""
        values = {"after": after, "most": limit}
        if of_round is None:
            rows = self._db.all(_WAITING, values)
        else:
            rows = self._db.all(_WAITING_OF_ROUND, {**values, "of_round": of_round})
        return [
            DeliveredResult(
                number=row.number, round=row.round, camera=row.camera, worker=row.worker,
                body=row.body,
            )
            for row in rows
        ]  # fmt: skip

    def cameras_delivered(self, round_id: RoundId) -> frozenset[CameraId]:
        """The cameras of the round whose results wait."""
        rows = self._db.all(_CAMERAS_DELIVERED, {"of_round": round_id})
        return frozenset(row.camera for row in rows)

    def settle(self, round_id: RoundId, became: Mapping[int, Collection[ResultOutcome]]) -> int:
        """Delete results and count what became of each, those that are still there; how many."""
        rows = self._db.all(_SETTLE, {"these": list(became)}) if became else ()
        counts = Counter(outcome for row in rows for outcome in became[row.number])
        for outcome, count in sorted(counts.items()):  # in one order: two recorders never wait
            row = {"round": round_id, "name": outcome, "value": count}
            insert = self._db.insert(cluster_counts).values(row)
            more = {"value": cluster_counts.c.value + count}
            key = ["round", "name"]
            self._db.run(insert.on_conflict_do_update(index_elements=key, set_=more))
        return len(rows)

    def counts(self, round_id: RoundId | None = None) -> Mapping[ResultOutcome, int]:
        """How many results had which outcome, of one round or of all."""
        found = select(cluster_counts.c.name, func.sum(cluster_counts.c.value))
        if round_id is not None:
            found = found.where(cluster_counts.c.round == round_id)
        rows = self._db.pairs(found.group_by(cluster_counts.c.name))
        return {ResultOutcome(name): int(value) for name, value in rows}

    def waiting(self) -> tuple[int, float]:
        """How many results wait to be recorded, and for how many seconds the oldest has."""
        oldest = func.max(_age_s(cluster_results.c.delivered_at))
        row = self._db.first(select(func.count(), oldest).select_from(cluster_results))
        count, age_s = tuple(row) if row is not None else (0, None)
        return int(count), float(age_s or 0.0)

    def recorded_since(self, seconds: float) -> int:
        """How many visits of rounds were finished in the last seconds."""
        since = self.database_now() - timedelta(seconds=seconds)
        mine = visits.c.round.is_not(None), visits.c.finished_at > since
        return int(self._db.scalar(select(func.count()).where(*mine)) or 0)


def _worker_from_row(row: Row[Any]) -> WorkerRecord:
    return WorkerRecord(
        name=row.name,
        site=row.site,
        instance=row.instance,
        host=row.host,
        version=row.version,
        links=tuple(LinkId(link) for link in row.links),
        slots=row.slots,
        running=row.running,
        skew_s=row.skew_s,
        note=row.note,
        silent_s=float(row.silent_s),
        has_left=row.left_at is not None,
    )
