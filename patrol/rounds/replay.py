"""Replay a stored round: judge its pictures again by other models or thresholds; change nothing.

Each visit's stored pictures are judged by the site's present models and thresholds, and by others
where some are named; `patrol replay` shows what would change. Pictures are read as a person reads
them: the access log has its line for each camera before the first byte is read, and a camera that
may not be looked through any more is left out. Judged is what was stored, masked and compressed,
against what is remembered of the camera now; nothing is learned and nothing is written but the log.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Any, Final
from zoneinfo import ZoneInfo

from patrol.domain.access_log import REPLAY
from patrol.domain.camera import Camera, Refusal, area_hash
from patrol.domain.consent import visit_refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.observation import FindingRules, Light, Observation
from patrol.domain.round import AREA_HASH_FACT, StoredPicture, Visit
from patrol.pixels import decode_jpeg
from patrol.ports import Detector, PictureStore
from patrol.rounds.visit_judge import EVIDENCE_FACT, EVIDENCE_MISSING
from patrol.store import Store, UnitOfWork
from patrol.vision.judge import judge_visit
from patrol.vision.types import LearnMode, VisionThresholds, VisitInput
from streams.model import BgrImage

DECODER_GAUGE: Final = "decoder/1"  # recorded where the decoder itself reported concealed parts
SAME_SCORE: Final = 0.005  # the same as far as anybody reads scores


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSetup:
    """Models and thresholds that visits are judged with."""

    detector: Detector | None
    fire_model: Detector | None
    policy: VisionThresholds


class Skipped(StrEnum):
    """Why a visit is not judged again, where it is no refusal of the camera."""

    NO_PICTURE = auto()  # none was taken
    PICTURE_DELETED = auto()  # on schedule, or with the household's consent
    NOT_REGISTERED = auto()
    AREA_CHANGED = auto()  # the pictures are black where the camera may look now


class ChangeKind(StrEnum):
    """How a sighting differs between two judgings."""

    APPEARS = auto()
    GOES = auto()
    SCORE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """All observations of one kind in one zone of one visit: how many, and the best of them."""

    count: int
    score: float
    gauge: str
    is_finding: bool  # the site's rules propose a finding of it


SightingKey = tuple[str, str]  # kind, zone
Sightings = Mapping[SightingKey, Sighting]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedVisit:
    """One visit of the round, judged again or left out."""

    camera: CameraId
    skipped: Skipped | Refusal | None = None
    recorded: Sightings
    present: Sightings
    other: Sightings | None = None  # None: no other models or thresholds were named


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingChange:
    """One row of the table: what one kind in one zone was, and what it would be."""

    camera: CameraId
    kind: str
    zone: str
    change: ChangeKind
    recorded: Sighting | None
    present: Sighting | None
    other: Sighting | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredTimings:
    """What a visit's row tells of its stream, as the gauges ask for it (StreamTimings)."""

    key_frame_interval_s: float | None
    clock_offset_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReplay:
    """Judges the visits of a stored round again; `patrol replay` runs it."""

    store: Store
    evidence: PictureStore
    cameras: Mapping[CameraId, Camera]
    rules: FindingRules
    zone: ZoneInfo
    present: JudgingSetup
    other: JudgingSetup | None
    who: str

    def __call__(self, round_id: RoundId, now: datetime) -> Iterator[ReplayedVisit]:
        """The round's visits one by one. Raises KeyError: there is no such round."""
        with self.store.begin_read() as uow:
            uow.rounds.get(round_id)
            visits = uow.rounds.visits(round_id)
            observed = uow.findings.observed(round_id)
        by_camera: dict[CameraId, list[Observation]] = {}
        for one in observed:
            by_camera.setdefault(one.camera, []).append(one)
        return (self._visit(one, by_camera.get(one.camera, []), now) for one in visits)

    def _visit(self, visit: Visit, recorded: Sequence[Observation], now: datetime) -> ReplayedVisit:
        was, camera = sightings(recorded, self.rules), self.cameras.get(visit.camera)
        skipped: Skipped | Refusal | None = Skipped.NOT_REGISTERED
        pictures: list[BgrImage] = []
        memories: dict[Light, bytes] = {}
        stored = judged_pictures(visit)
        if camera is not None:
            with self.store.begin() as uow:
                skipped = self._refusal(uow, visit, camera, stored, now)
                if skipped is None:
                    why = f"round {visit.round}"
                    uow.access.append(at=now, who=self.who, what=REPLAY, camera=camera.id, why=why)
                    memories = _memories(uow, camera.id)
                    uow.commit()
        if camera is not None and skipped is None:  # the log's line is there before a byte is read
            pictures = self._read(stored)
            skipped = None if pictures else Skipped.PICTURE_DELETED
        if camera is None or skipped is not None:
            return ReplayedVisit(camera=visit.camera, skipped=skipped, recorded=was, present={})

        def judged(setup: JudgingSetup) -> Sightings:
            facts = _StoredVisit(visit, stored[-1].taken_at, recorded, memories)
            return sightings(self._judge(camera, facts, pictures, setup), self.rules)

        return ReplayedVisit(
            camera=camera.id,
            recorded=was,
            present=judged(self.present),
            other=None if self.other is None else judged(self.other),
        )

    def _refusal(
        self,
        uow: UnitOfWork,
        visit: Visit,
        camera: Camera,
        stored: Sequence[StoredPicture],
        now: datetime,
    ) -> Skipped | Refusal | None:
        """Why its pictures are not looked at; the hours of a consent limit visits alone."""
        refusal = visit_refusal(camera, now.astimezone(self.zone), uow.consents.terms(now))
        if refusal is not None and refusal is not Refusal.CONSENT_HOURS:
            return refusal
        if not stored:
            return Skipped.NO_PICTURE
        if any(uow.pictures.get(picture.id) is None for picture in stored):
            return Skipped.PICTURE_DELETED
        here = area_hash(camera.areas.visible)
        same = (visit.facts or {}).get(AREA_HASH_FACT, here) == here
        return None if same else Skipped.AREA_CHANGED

    def _read(self, stored: Sequence[StoredPicture]) -> list[BgrImage]:
        """All of them, or none: one picture alone would be judged by other rules."""
        try:
            read = [decode_jpeg(self.evidence.get(picture.sha256)) for picture in stored]
        except KeyError:
            return []
        pictures = [one for one in read if one is not None]
        return pictures if len(pictures) == len(stored) else []

    def _judge(
        self,
        camera: Camera,
        facts: "_StoredVisit",
        pictures: Sequence[BgrImage],
        setup: JudgingSetup,
    ) -> Sequence[Observation]:
        visit_input = VisitInput(
            camera=camera.id,
            round=facts.visit.round,
            pictures=[picture.copy() for picture in pictures],
            at=facts.at,
            local=facts.at.astimezone(self.zone),
            memories=facts.memories,
            areas=camera.areas,
            freshness=facts.visit.freshness,
            corrupt=any(one.gauge == DECODER_GAUGE for one in facts.recorded),
            stream_facts=facts.timings,
            learn_mode=LearnMode.NO,
        )
        return judge_visit(
            visit_input, detector=setup.detector, fire_model=setup.fire_model, policy=setup.policy
        ).observations


@dataclass(frozen=True, slots=True)
class _StoredVisit:
    """A visit with what else its judging rests on."""

    visit: Visit
    at: datetime
    recorded: Sequence[Observation]
    memories: Mapping[Light, bytes]

    @property
    def timings(self) -> _StoredTimings:
        facts: Mapping[str, Any] = self.visit.facts or {}
        return _StoredTimings(
            key_frame_interval_s=facts.get("key_frame_interval_s"),
            clock_offset_s=facts.get("clock_offset_s"),
        )


def judged_pictures(visit: Visit) -> Sequence[StoredPicture]:
    """The pictures that the visit was judged by: without one fetched as evidence afterwards."""
    evidence = str((visit.facts or {}).get(EVIDENCE_FACT, EVIDENCE_MISSING))
    return visit.pictures if evidence.startswith(EVIDENCE_MISSING) else visit.pictures[:-1]


def sightings(observations: Sequence[Observation], rules: FindingRules) -> Sightings:
    """The observations by kind and zone."""
    grouped: dict[SightingKey, list[Observation]] = {}
    for one in observations:
        grouped.setdefault((one.kind, one.zone), []).append(one)
    return {
        key: Sighting(
            count=len(same),
            score=(best := max(same, key=lambda one: one.score)).score,
            gauge=best.gauge,
            is_finding=any(rules.rule_for(one) is not None for one in same),
        )
        for key, same in grouped.items()
    }


def changes(visits: Sequence[ReplayedVisit]) -> list[SightingChange]:
    """What would change: from present to other, or from recorded to present without others."""
    rows = []
    for visit in visits:
        if visit.skipped is not None:
            continue
        first, second = visit.recorded, visit.present
        if visit.other is not None:
            first, second = visit.present, visit.other
        for key in sorted({*first, *second}):
            change = _change(first.get(key), second.get(key))
            if change is not None:
                rows.append(
                    SightingChange(
                        camera=visit.camera, kind=key[0], zone=key[1], change=change,
                        recorded=visit.recorded.get(key), present=visit.present.get(key),
                        other=None if visit.other is None else visit.other.get(key),
                    )
                )  # fmt: skip
    return rows


def kind_counts(visits: Sequence[ReplayedVisit]) -> dict[str, dict[str, int]]:
    """Visits by kind: in how many it was recorded, is found at present, would be by the others."""
    counts: dict[str, Counter[str]] = {}
    for visit in visits:
        if visit.skipped is not None:
            continue
        columns = {"recorded": visit.recorded, "present": visit.present, "other": visit.other or {}}
        for column, seen in columns.items():
            for kind in {kind for kind, _ in seen}:
                counts.setdefault(kind, Counter())[column] += 1
    with_others = any(visit.other is not None for visit in visits)
    columns_shown = ("recorded", "present", *(("other",) if with_others else ()))
    return {
        kind: {column: counted[column] for column in columns_shown}
        for kind, counted in sorted(counts.items())
    }


def _change(first: Sighting | None, second: Sighting | None) -> ChangeKind | None:
    if first is None or second is None:
        return ChangeKind.APPEARS if first is None else ChangeKind.GOES
    differs = (first.count, first.gauge, first.is_finding) != (
        second.count,
        second.gauge,
        second.is_finding,
    )
    return ChangeKind.SCORE if differs or abs(first.score - second.score) > SAME_SCORE else None


def _memories(uow: UnitOfWork, camera: CameraId) -> dict[Light, bytes]:
    blobs = {light: uow.memories.get(camera, light) for light in Light}
    return {light: blob for light, blob in blobs.items() if blob is not None}
