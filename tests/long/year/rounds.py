"""Rounds of a simulated year: the product's scheduler, runner and recorder, with made-up visits.

Pictures are not drawn. Cameras fall silent and come back, a village loses its power now and then,
a lens gets dirty, and a real problem is mostly observed, sometimes one that is not there; all from
one seed. Sockets, connection limits, threads and decoding have their own tests and benchmarks.
Everything after the picture is real: consent just before the visit, totals, observations,
findings, health, outages, pictures, the round's end. What a power cut does to a visit's
transaction is the subject of tests/long/chaos; so here many visits share one.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from typing_extensions import override

from patrol.clock import SiteSun
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.observation import Observation, Subject
from patrol.domain.registry import GridTree, Registry
from patrol.domain.round import Round, StoredPicture, Visit, VisitOutcome
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Calendar
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import PictureStore
from patrol.rounds.executor import ExecutorServices, StopReason
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.progress import ResourceMeter, RoundProgress
from patrol.rounds.recorder import RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.scheduler import RoundScheduler
from patrol.rounds.visit_judge import JudgedVisit, VisitStart, failed_visit
from patrol.store import Store, UnitOfWork
from streams.errors import Unreachable, WentSilent
from streams.model import VisitOptions
from tests.long.year.town import FAULTS, SCENES, WEIGHTS, TownTruth
from tests.support.clock import ManualClock

FALLS_SILENT: Final = 0.012  # of the visits, and …
COMES_BACK: Final = 0.13  # … together: some 8 % are silent at a time, two more fail at random
FAILS: Final = 0.02
POWER_CUTS: Final = 1 / 60  # of villages and rounds
CUT_SHARE: Final = 0.75  # of a village's cameras, while it lasts (one round)
MISSED_SHARE: Final = 0.08
FALSE_ALARM_SHARE: Final = 0.11  # of the visits
KEEP: Final = timedelta(days=7)
NO_ANSWER: Final = (Unreachable("no answer"), WentSilent("no key frame"))
VISIT_S: Final = 0.5  # of the clock by hand: some four minutes a round
VISITS_TOGETHER: Final = 50
BREAKS_OFF: Final = 0.01  # of the rounds are killed in the middle, and taken up again
LATITUDE: Final = 39.6
LONGITUDE: Final = 98.75


@dataclass
class VisitSimulator:
    """Makes up the result of each visit; call `start_round` before each round."""

    truth: TownTruth
    registry: Registry
    evidence: PictureStore
    rng: random.Random
    visit_count: int = 0
    _silent: set[CameraId] = field(default_factory=set)
    _without_power: set[str] = field(default_factory=set)

    def start_round(self) -> None:
        """Draw the villages that have no power during this round."""
        villages = sorted({_village(camera) for camera in self.registry.cameras.values()})
        self._without_power = {one for one in villages if self.rng.random() < POWER_CUTS}

    def visit(self, camera: Camera, start: VisitStart, now: datetime) -> JudgedVisit:
        """The judged visit of one camera, as the product's judge returns it."""
        self.visit_count += 1
        if self._is_silent(camera):
            return failed_visit(camera, start, self.rng.choice(NO_ANSWER), now)
        shown = [*self._true_kinds(camera), *self._false_kinds()]
        picture = self._picture(camera.id, now) if shown else None
        return JudgedVisit(
            visit=Visit(
                round=start.round,
                camera=camera.id,
                outcome=VisitOutcome.PROBLEM if shown else VisitOutcome.NORMAL,
                started_at=start.at,
                finished_at=now,
                usable_pictures=2,
                faults=tuple(kind for kind in shown if kind in FAULTS),
                freshness="live",
                light="day",
                pictures=() if picture is None else (picture,),
            ),
            observations=tuple(
                self._observation(kind, camera.id, start, picture) for kind in shown
            ),
        )

    def _observation(
        self, kind: str, camera: CameraId, start: VisitStart, picture: StoredPicture | None
    ) -> Observation:
        is_fault, score = kind in FAULTS, round(self.rng.uniform(0.6, 1.0), 3)
        return Observation(
            camera=camera,
            round=start.round,
            at=start.at,
            subject=Subject.EQUIPMENT if is_fault else Subject.SCENE,
            kind=kind,
            score=score,
            value=score,
            threshold=0.5,
            gauge="year/1",
            zone="" if is_fault or kind == "scene_change" else "路面",
            picture=picture.id if picture else None,
        )

    def _is_silent(self, camera: Camera) -> bool:
        dice, cut = self.rng.random(), _village(camera) in self._without_power
        if camera.id in self._silent:
            if dice < COMES_BACK:
                self._silent.discard(camera.id)
        elif dice < FALLS_SILENT:
            self._silent.add(camera.id)
        return camera.id in self._silent or self.rng.random() < (CUT_SHARE if cut else FAILS)

    def _true_kinds(self, camera: Camera) -> list[str]:
        there = self.truth.kinds_at(camera.id)
        return [kind for kind in there if self.rng.random() >= MISSED_SHARE]

    def _false_kinds(self) -> list[str]:
        if self.rng.random() >= FALSE_ALARM_SHARE:
            return []
        return self.rng.choices(SCENES, WEIGHTS)

    def _picture(self, camera: CameraId, now: datetime) -> StoredPicture:
        jpeg = f"{camera} {self.visit_count}".encode()
        return StoredPicture(
            sha256=self.evidence.put(jpeg),
            camera=camera,
            taken_at=now,
            width_px=1280,
            height_px=720,
            bytes=len(jpeg),
            purpose="sample",
            delete_after=now + KEEP,
        )


def _village(camera: Camera) -> str:
    return camera.grid[:12]


@dataclass
class BatchedStore:
    """A store whose units of work share one transaction while `hold` lasts."""

    store: Store
    _held: UnitOfWork | None = None

    def terms_token(self) -> str:
        """As the store's own."""
        return self.store.terms_token()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Commit everything inside the block at once, or nothing."""
        with self.store.begin() as uow:
            self._held = uow
            try:
                yield
            finally:
                self._held = None
            uow.commit()

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A unit of work of its own, or inside the held one."""
        if self._held is None:
            with self.store.begin() as uow:
                yield uow
        else:
            yield cast("UnitOfWork", _NestedUnitOfWork(self._held))

    @contextmanager
    def begin_read(self) -> Iterator[UnitOfWork]:
        """A unit of work that reads, the held one included."""
        if self._held is None:
            with self.store.begin_read() as uow:
                yield uow
        else:
            yield self._held


class _NestedUnitOfWork:
    """A unit of work inside another one, whose commit is left to that one."""

    def __init__(self, whole: UnitOfWork) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def commit(self) -> None:
        """Leave it to the outer unit of work."""


class FastRoundRunner(RoundRunner):
    """A round runner that visits through `VisitSimulator`, in the time the store takes."""

    def __init__(
        self,
        deps: RunnerServices,
        visits: VisitSimulator,
        batched_store: BatchedStore,
        clock: ManualClock,
    ) -> None:
        super().__init__(deps)
        self._visits, self._batched_store, self._clock = visits, batched_store, clock

    @override
    def run(
        self,
        a_round: Round,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Round:
        started, visits, tally = self._start(a_round)
        sums = cast("Any", SimpleNamespace(counters=tally, meter=ResourceMeter()))
        nobody = cast("Any", None)  # no threads here
        executor_deps = self._executor_deps(started, nobody, nobody, sums)
        cameras = self._deps.cameras()
        self._visits.start_round()
        breaks_off = self._deps.rng.random() < BREAKS_OFF
        todo = [cameras[visit.camera] for visit in visits]
        visited = todo[: len(todo) // 2] if breaks_off else todo
        for first in range(0, len(visited), VISITS_TOGETHER):
            with self._batched_store.hold():
                for camera in visited[first : first + VISITS_TOGETHER]:
                    judged = self._visit(camera, started, executor_deps)
                    tally.add(executor_deps.record([judged])[0])
        if breaks_off:
            return self._end(started, StopReason.STOPPED, "killed")
        return self._end(started, StopReason.COMPLETE, "")

    def _visit(self, camera: Camera, a_round: Round, executor_deps: ExecutorServices) -> Any:
        start = VisitStart(round=a_round.id, at=self._clock.now())
        self._clock.sleep(VISIT_S)
        refusal = self._consent_gate.refusal_of(camera.id)
        if refusal is not None:
            return executor_deps.fail(camera, start, refusal)
        return self._visits.visit(camera, start, self._clock.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSetup:
    """What the rounds of a simulated year share."""

    store: Store
    clock: ManualClock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]
    policy: RecorderPolicy
    payloads: PayloadBuilder
    tree: GridTree
    visits: VisitSimulator
    rng: random.Random
    calendar: Calendar

    def make_scheduler(self) -> RoundScheduler:
        """A round scheduler for the simulation, which calls it every hour."""
        batched_store = BatchedStore(self.store)
        store = cast("Store", batched_store)  # the two methods that are called
        deps = RunnerServices(
            store=store,
            clock=self.clock,
            zone=self.zone,
            cameras=self.cameras,
            refresh_cameras=lambda: None,
            client=cast("Any", None),
            judge=cast("Any", None),
            add_evidence=cast("Any", None),
            policy=self.policy,
            payloads=self.payloads,
            tree=self.tree,
            limits=ConnectionLimits(),
            options=VisitOptions(),
            sampling=SamplingPolicy(),
            rng=self.rng,
            calendar=self.calendar,
        )
        return RoundScheduler(
            calendar=self.calendar,
            zone=self.zone,
            sun=SiteSun(LATITUDE, LONGITUDE, self.zone),
            clock=self.clock,
            store=store,
            runner=FastRoundRunner(deps, self.visits, batched_store, self.clock),
            stop=threading.Event(),
            round_lock=nullcontext,
        )
