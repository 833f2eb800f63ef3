"""Judge one sample: decode, look, store the pictures, and say what the visit was.

Runs in a judging thread; at most as many pictures are decoded at a time as there are judges. The
visible area is applied by the eye right after decoding, before anything is measured or stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.observation import Light, Observation
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.domain.zone import area_mark
from patrol.ports import Clock, Detector, EvidenceFull, EvidenceStore
from patrol.vision.judge import EyePolicy, Judgement, Sight, judge_visit
from streams.decode import decode
from streams.errors import StreamError, Unreadable
from streams.model import BgrImage, Picture, Sample

log = structlog.get_logger(__name__)

AREA = "visible_area"  # among a visit's facts: the mark of the area that could be seen
UNUSABLE = "unusable_picture"  # the failure kind of a visit whose every picture was useless
Memories = Mapping[Light, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitStart:
    """What is known of a visit before it brings anything home."""

    round: RoundId | None
    at: datetime
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A visit with everything that the recorder is to write."""

    visit: Visit
    observations: tuple[Observation, ...] = ()
    memories: Memories = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Callable from several threads at once."""

    detector: Detector | None  # None: rounds go on without objects
    policy: EyePolicy
    evidence: EvidenceStore
    encode: Callable[[BgrImage], tuple[bytes, tuple[int, int]]]  # → JPEG, (width, height)
    recall: Callable[[CameraId], Memories]
    clock: Clock
    zone: ZoneInfo
    keep_for: timedelta  # how long an ordinary sample lives
    fire_model: Detector | None = None  # a site's own, beside what flickers

    def __call__(self, camera: Camera, start: VisitStart, sample: Sample) -> Judged:
        """The verdict; a picture that cannot be judged makes the visit not viewable.

        Raises EvidenceFull. Anything unforeseen in one picture must not end the round of all
        others: it becomes this visit's failure, with its traceback in the log.
        """
        try:
            return self._judge(camera, start, sample)
        except EvidenceFull:
            raise
        except StreamError as problem:
            return failed_visit(camera, start, problem, self.clock.now())
        except Exception as exc:  # one strange picture, not the round
            log.exception("judging failed", camera=camera.id)
            unjudged = Unreadable(f"judging failed: {type(exc).__name__}")
            return failed_visit(camera, start, unjudged, self.clock.now())

    def _judge(self, camera: Camera, start: VisitStart, sample: Sample) -> Judged:
        pictures = _decoded(sample)
        sight = Sight(
            camera=camera.id,
            round=start.round,
            pictures=[picture.bgr for picture in pictures],
            at=pictures[-1].taken_at,
            local=pictures[-1].taken_at.astimezone(self.zone),
            memories=self.recall(camera.id),
            areas=camera.areas,
            freshness=str(sample.freshness),
            corrupt=any(picture.corrupt for picture in pictures),
            facts=sample.facts,
        )
        verdict = judge_visit(
            sight, detector=self.detector, fire_model=self.fire_model, policy=self.policy
        )
        shown = [replace(p, bgr=bgr) for p, bgr in zip(pictures, verdict.pictures, strict=True)]
        stored = tuple(self._store_one(camera, picture) for picture in shown)
        proof = stored[verdict.best].sha256
        observations = tuple(replace(seen, picture=proof) for seen in verdict.observations)
        return Judged(
            visit=self._visit(camera, start, sample, verdict, stored),
            observations=observations,
            memories=verdict.memories,
        )

    def _store_one(self, camera: Camera, picture: Picture) -> StoredPicture:
        jpeg, (width_px, height_px) = self.encode(picture.bgr)
        return StoredPicture(
            sha256=self.evidence.put(jpeg),
            camera=camera.id,
            taken_at=picture.taken_at,
            width_px=width_px,
            height_px=height_px,
            bytes=len(jpeg),
            purpose="sample",
            delete_after=picture.taken_at + self.keep_for,
        )

    def _visit(
        self,
        camera: Camera,
        start: VisitStart,
        sample: Sample,
        verdict: Judgement,
        stored: tuple[StoredPicture, ...],
    ) -> Visit:
        usable = sum(verdict.usable)
        outcome = VisitOutcome.NOT_VIEWABLE
        if usable:
            outcome = VisitOutcome.PROBLEM if verdict.observations else VisitOutcome.NORMAL
        return Visit(
            round=start.round,
            camera=camera.id,
            outcome=outcome,
            started_at=start.at,
            finished_at=self.clock.now(),
            tries=start.tries,
            failure="" if usable else UNUSABLE,
            seen="" if usable else " ".join(verdict.faults),
            usable_pictures=usable,
            faults=verdict.faults,
            readings=verdict.readings,
            facts={**asdict(sample.facts), AREA: area_mark(camera.areas.visible)},
            freshness=str(sample.freshness),
            light=str(verdict.light),
            pictures=stored,
        )


def failed_visit(
    camera: Camera, start: VisitStart, why: StreamError | Refusal, now: datetime
) -> Judged:
    """A visit without a picture: the stream failed, or consent ended before it began."""
    refused = isinstance(why, Refusal)
    return Judged(
        visit=Visit(
            round=start.round,
            camera=camera.id,
            outcome=VisitOutcome.MISSED if refused else VisitOutcome.NOT_VIEWABLE,
            started_at=start.at,
            finished_at=now,
            tries=start.tries,
            failure=str(why) if isinstance(why, Refusal) else why.kind,
            seen="" if isinstance(why, Refusal) else why.seen,
        )
    )


def _decoded(sample: Sample) -> tuple[Picture, ...]:
    """All key frames that can be decoded. Raises the last Unreadable when none can."""
    pictures: list[Picture] = []
    problem: Unreadable | None = None
    for key_frame in sample.key_frames:
        try:
            pictures.append(decode(key_frame))
        except Unreadable as exc:
            problem = exc
    if not pictures:
        raise problem or Unreadable("no key frame could be decoded")
    return tuple(pictures)
