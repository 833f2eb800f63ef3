"""Rounds of a simulated year: the product's own keeper, conductor and recorder, without the walk.

Sockets, seats, threads and decoding have their own tests and benches. Here every planned camera is
visited at once, and everything after the picture is real: consent just before the look, the books,
observations, leads, health, outages, evidence, the round's end. What a power cut does to a visit's
transaction is the chaos suite's subject; so here many visits share one.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from typing_extensions import override

from patrol.domain.calendar import Calendar
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.round import Round
from patrol.rounds.conduct import Conductor, RoundHouse
from patrol.rounds.cost import Meter
from patrol.rounds.judge import VisitStart
from patrol.rounds.keeper import Keeper
from patrol.rounds.progress import RoundProgress
from patrol.rounds.record import RecordPolicy
from patrol.rounds.seats import Caps
from patrol.rounds.walk import WalkDoors, WalkEnd
from patrol.store import Store, UnitOfWork
from patrol.sun import SiteSun
from simulators.clock import ManualClock
from simulators.year_eyes import Eyes
from streams.model import StreamChoice, VisitOptions

VISIT_S: Final = 0.5  # of the clock by hand: some four minutes a round
VISITS_TOGETHER: Final = 50
BREAKS_OFF: Final = 0.01  # of the rounds are killed in the middle, and taken up again
LATITUDE: Final = 39.6
LONGITUDE: Final = 98.75


@dataclass
class Together:
    """A store whose units of work are one transaction for as long as `hold` lasts."""

    store: Store
    _held: UnitOfWork | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """All or nothing of what is committed inside."""
        with self.store.begin() as uow:
            self._held = uow
            try:
                yield
            finally:
                self._held = None
            uow.commit()

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A transaction of its own, or a part of the held one."""
        if self._held is None:
            with self.store.begin() as uow:
                yield uow
        else:
            yield cast("UnitOfWork", _Part(self._held))

    @contextmanager
    def begin_read(self) -> Iterator[UnitOfWork]:
        """What is held may be read, too."""
        if self._held is None:
            with self.store.begin_read() as uow:
                yield uow
        else:
            yield self._held


class _Part:
    """A unit of work inside another one, which commits for it."""

    def __init__(self, whole: UnitOfWork) -> None:
        self._whole = whole

    def __getattr__(self, book: str) -> Any:
        return getattr(self._whole, book)

    def commit(self) -> None:
        """With the whole."""


class QuickConductor(Conductor):
    """Walks a round in the time that its books take."""

    def __init__(
        self, house: RoundHouse, eyes: Eyes, together: Together, clock: ManualClock
    ) -> None:
        super().__init__(house)
        self._eyes, self._together, self._clock = eyes, together, clock

    @override
    def conduct(
        self,
        a_round: Round,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Round:
        started, visits, tally = self._start(a_round)
        sums = cast("Any", SimpleNamespace(tally=tally, meter=Meter()))
        nobody = cast("Any", None)  # no threads here
        doors = self._doors(started, nobody, nobody, sums)
        cameras = self._house.cameras()
        self._eyes.begin_round()
        breaks_off = self._house.rng.random() < BREAKS_OFF
        todo = [cameras[visit.camera] for visit in visits]
        walked = todo[: len(todo) // 2] if breaks_off else todo
        for first in range(0, len(walked), VISITS_TOGETHER):
            with self._together.hold():
                for camera in walked[first : first + VISITS_TOGETHER]:
                    tally.add(doors.record(self._visit(camera, started, doors)))
        if breaks_off:
            return self._end(started, WalkEnd.STOPPED, "killed")
        return self._end(started, WalkEnd.COMPLETE, "")

    def _visit(self, camera: Camera, a_round: Round, doors: WalkDoors) -> Any:
        start = VisitStart(round=a_round.id, at=self._clock.now())
        self._clock.sleep(VISIT_S)
        refusal = doors.why_refused(camera)
        if refusal is not None:
            return doors.fail(camera, start, refusal)
        return self._eyes.look(camera, start, self._clock.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Walkers:
    """Who walks the rounds of a simulated year, and what they share."""

    store: Store
    clock: ManualClock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]
    policy: RecordPolicy
    eyes: Eyes
    rng: random.Random
    calendar: Calendar

    def keeper(self) -> Keeper:
        """Rung every hour, as the bell rings it every few seconds."""
        together = Together(self.store)
        store = cast("Store", together)  # the two methods that are called
        house = RoundHouse(
            store=store,
            clock=self.clock,
            zone=self.zone,
            cameras=self.cameras,
            refresh_cameras=lambda: None,
            visitor=cast("Any", None),
            judge=cast("Any", None),
            policy=self.policy,
            caps=Caps(),
            options=VisitOptions(),
            stream=StreamChoice.MAIN,
            rng=self.rng,
            calendar=self.calendar,
        )
        return Keeper(
            calendar=self.calendar,
            zone=self.zone,
            sun=SiteSun(LATITUDE, LONGITUDE, self.zone),
            clock=self.clock,
            store=store,
            conductor=QuickConductor(house, self.eyes, together, self.clock),
            stop=threading.Event(),
            hold=nullcontext,
        )
