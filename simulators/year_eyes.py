"""What a visit through each camera brings home in a simulated year: pictures are not drawn.

Cameras fall silent and come back, a village loses its power now and then, a lens gets dirty, and
where something is really wrong the eye mostly sees it — and sometimes what is not there. From one
seed; the rest of the way (recorder, leads, health, outages) is the product's own.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.observation import Observation, Subject
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.ports import EvidenceStore
from patrol.rounds.judge import Judged, VisitStart, failed_visit
from simulators.year_town import FAULTS, SCENES, WEIGHTS, Truth
from streams.errors import Unreachable, WentSilent

FALLS_SILENT: Final = 0.012  # of the visits, and …
COMES_BACK: Final = 0.13  # … together: some 8 % are silent at a time, two more fail at random
FAILS: Final = 0.02
POWER_CUTS: Final = 1 / 60  # of villages and rounds
CUT_SHARE: Final = 0.75  # of a village's cameras, while it lasts (one round)
MISSED_BY_THE_EYE: Final = 0.08
SEEN_FOR_NOTHING: Final = 0.11  # of the visits
KEEP: Final = timedelta(days=7)
NO_ANSWER: Final = (Unreachable("no answer"), WentSilent("no key frame"))


@dataclass
class Eyes:
    """`begin_round`, then a `look` for every visit."""

    truth: Truth
    registry: Registry
    evidence: EvidenceStore
    rng: random.Random
    looks: int = 0
    _silent: set[CameraId] = field(default_factory=set)
    _without_power: set[str] = field(default_factory=set)

    def begin_round(self) -> None:
        """Which villages are dark while it is walked."""
        villages = sorted({_village(camera) for camera in self.registry.cameras.values()})
        self._without_power = {one for one in villages if self.rng.random() < POWER_CUTS}

    def look(self, camera: Camera, start: VisitStart, now: datetime) -> Judged:
        """As a judge answers: the visit with what was measured."""
        self.looks += 1
        if self._is_silent(camera):
            return failed_visit(camera, start, self.rng.choice(NO_ANSWER), now)
        shown = [*self._truly(camera), *self._for_nothing()]
        picture = self._picture(camera.id, now) if shown else None
        return Judged(
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
            observations=tuple(self._seen(kind, camera.id, start, picture) for kind in shown),
        )

    def _seen(
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
            picture=picture.sha256 if picture else None,
        )

    def _is_silent(self, camera: Camera) -> bool:
        dice, cut = self.rng.random(), _village(camera) in self._without_power
        if camera.id in self._silent:
            if dice < COMES_BACK:
                self._silent.discard(camera.id)
        elif dice < FALLS_SILENT:
            self._silent.add(camera.id)
        return camera.id in self._silent or self.rng.random() < (CUT_SHARE if cut else FAILS)

    def _truly(self, camera: Camera) -> list[str]:
        there = self.truth.at(camera.id)
        return [kind for kind in there if self.rng.random() >= MISSED_BY_THE_EYE]

    def _for_nothing(self) -> list[str]:
        if self.rng.random() >= SEEN_FOR_NOTHING:
            return []
        return self.rng.choices(SCENES, WEIGHTS)

    def _picture(self, camera: CameraId, now: datetime) -> StoredPicture:
        jpeg = f"{camera} {self.looks}".encode()
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
