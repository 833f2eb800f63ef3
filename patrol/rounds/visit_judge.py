"""Judge one sample: decode it, have patrol.vision judge it, store the pictures, make the visit.

Runs in a judging thread; at most as many pictures are decoded at a time as there are such threads.
The visible area is applied right after decoding, before anything is measured or stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.camera import Camera, Refusal, area_hash
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.observation import Light, Observation
from patrol.domain.round import (
    AREA_HASH_FACT,
    MEMORY_DISCARDED_FACT,
    PlannedVisit,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.pixels import PicturePyramid
from patrol.ports import Clock, Detector, PictureStore, PictureStoreFull
from patrol.stage_cost import STAGE_COSTS, Stage
from patrol.vision.judge import judge_visit, masked_pyramid
from patrol.vision.types import VisionThresholds, VisitInput, VisitJudgement
from streams.decode import decode_frame
from streams.errors import StreamError, Unreadable
from streams.model import DecodedFrame, Sample

log = structlog.get_logger(__name__)

UNUSABLE_PICTURE = "unusable_picture"  # the failure kind of a visit whose every picture was useless
MAX_JUDGINGS = 2  # of one camera in one round, that the service did not survive
EVIDENCE_FACT = "evidence"  # of a visit's facts: the size of the picture fetched, or why none
EVIDENCE_MISSING = "missing"  # begins that fact where none could be fetched
MemoryBlobs = Mapping[Light, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitStart:
    """What is known of a visit before its sample has arrived."""

    round: RoundId | None
    at: datetime
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedVisit:
    """A visit with its observations and the memories to store: all that the recorder writes."""

    visit: Visit
    observations: tuple[Observation, ...] = ()
    memories: MemoryBlobs = field(default_factory=dict)
    sampled_at: datetime | None = None  # when the newest picture in the memories was learned
    # Of a visit that a worker made: its row among the delivered results, and the versions of the
    # memories that it was judged against.
    delivery: int | None = None
    based_on: Mapping[Light, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceMissing:
    """Why no picture of the evidence stream could be fetched."""

    why: StreamError | Refusal

    @property
    def kind(self) -> str:
        """The failure's kind, as visits name it."""
        return str(self.why) if isinstance(self.why, Refusal) else self.why.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitJudge:
    """Judges the sample of one visit; callable from several threads at once."""

    detector: Detector | None  # None: rounds go on without objects
    policy: VisionThresholds
    evidence: PictureStore
    encode: Callable[[PicturePyramid], tuple[bytes, tuple[int, int]]]  # → JPEG, (width, height)
    load_memories: Callable[[CameraId], MemoryBlobs]
    clock: Clock
    zone: ZoneInfo
    keep_for: timedelta  # how long an ordinary sample lives
    fire_model: Detector | None = None  # a site's own, beside the built-in flame test
    _logged: set[tuple[CameraId, Light, str]] = field(default_factory=set, init=False)

    def __call__(self, camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        """The judged visit; not viewable when no picture can be judged. Raises PictureStoreFull.

        Anything unforeseen in one picture must not end the round of all others: it becomes this
        visit's failure, with its traceback in the log.
        """
        try:
            return self._judge(camera, start, sample)
        except PictureStoreFull:
            raise
        except StreamError as problem:
            return failed_visit(camera, start, problem, self.clock.now())
        except Exception as exc:  # one strange picture, not the round
            log.exception("judging failed", camera=camera.id)
            unjudged = Unreadable(f"judging failed: {type(exc).__name__}")
            return failed_visit(camera, start, unjudged, self.clock.now())

    def _judge(self, camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        with STAGE_COSTS.measure(Stage.DECODE):
            frames = _decode_key_frames(sample)
        visit_input = VisitInput(
            camera=camera.id,
            round=start.round,
            pictures=[_pyramid(frame) for frame in frames],
            at=frames[-1].taken_at,
            local=frames[-1].taken_at.astimezone(self.zone),
            memories=self.load_memories(camera.id),
            areas=camera.areas,
            freshness=str(sample.freshness),
            corrupt=any(frame.corrupt for frame in frames),
            stream_facts=sample.facts,
        )
        judgement = judge_visit(
            visit_input, detector=self.detector, fire_model=self.fire_model, policy=self.policy
        )
        self._log_discarded(camera.id, judgement)
        with STAGE_COSTS.measure(Stage.PICTURES):
            stored = tuple(
                self._store_one(camera, pyramid, frame.taken_at)
                for pyramid, frame in zip(judgement.pyramids, frames, strict=True)
            )
        best_picture = stored[judgement.best].id
        observations = tuple(replace(seen, picture=best_picture) for seen in judgement.observations)
        return JudgedVisit(
            visit=self._visit(camera, start, sample, judgement, stored),
            observations=observations,
            memories=judgement.memories,
            sampled_at=judgement.sampled_at,
        )

    def add_evidence(
        self, camera: Camera, visited: JudgedVisit, fetched: Sample | EvidenceMissing
    ) -> JudgedVisit:
        """The visit with a picture of the evidence stream, which its observations then show.

        The pictures that were judged stay with the visit, and are all it has where none could be
        fetched. Masked as they are; nothing in it is judged or learned. Raises PictureStoreFull.
        """
        visit = visited.visit
        if isinstance(fetched, EvidenceMissing):
            facts = {**(visit.facts or {}), EVIDENCE_FACT: f"{EVIDENCE_MISSING}: {fetched.kind}"}
            return replace(visited, visit=replace(visit, facts=facts))
        try:
            frame = _decode_key_frames(fetched)[-1]
        except StreamError as problem:
            return self.add_evidence(camera, visited, EvidenceMissing(why=problem))
        pyramid = masked_pyramid(_pyramid(frame), camera.areas.visible)
        with STAGE_COSTS.measure(Stage.PICTURES):
            stored = self._store_one(camera, pyramid, frame.taken_at)
        observations = tuple(replace(seen, picture=stored.id) for seen in visited.observations)
        facts = {
            **(visit.facts or {}),
            EVIDENCE_FACT: f"{fetched.facts.width_px}×{fetched.facts.height_px}",
            **_summed_bytes(visit.facts or {}, fetched),
        }
        pictures = (*visit.pictures, stored)
        return replace(
            visited, visit=replace(visit, facts=facts, pictures=pictures), observations=observations
        )

    def _log_discarded(self, camera: CameraId, judgement: VisitJudgement) -> None:
        """A memory that cannot be read is learned anew: one line per camera, light and reason."""
        discarded = camera, judgement.light, judgement.discarded_memory
        if judgement.discarded_memory and discarded not in self._logged:
            self._logged.add(discarded)
            log.warning(
                "camera memory discarded",
                camera=camera,
                light=str(judgement.light),
                reason=judgement.discarded_memory,
            )

    def _store_one(
        self, camera: Camera, pyramid: PicturePyramid, taken_at: datetime
    ) -> StoredPicture:
        jpeg, (width_px, height_px) = self.encode(pyramid)
        due_at = taken_at + self.keep_for
        return StoredPicture(
            sha256=self.evidence.put(jpeg, until=due_at),
            camera=camera.id,
            taken_at=taken_at,
            width_px=width_px,
            height_px=height_px,
            bytes=len(jpeg),
            purpose="sample",
            delete_after=due_at,
        )

    def _visit(
        self,
        camera: Camera,
        start: VisitStart,
        sample: Sample,
        judgement: VisitJudgement,
        stored: tuple[StoredPicture, ...],
    ) -> Visit:
        usable = sum(judgement.usable)
        outcome = VisitOutcome.NOT_VIEWABLE
        if usable:
            outcome = VisitOutcome.PROBLEM if judgement.observations else VisitOutcome.NORMAL
        return Visit(
            round=start.round,
            camera=camera.id,
            outcome=outcome,
            started_at=start.at,
            finished_at=self.clock.now(),
            tries=start.tries,
            failure="" if usable else UNUSABLE_PICTURE,
            seen="" if usable else " ".join(judgement.faults),
            usable_pictures=usable,
            faults=judgement.faults,
            readings=judgement.readings,
            facts=_facts(camera, sample, judgement),
            freshness=str(sample.freshness),
            light=str(judgement.light),
            pictures=stored,
        )


def _summed_bytes(facts: Mapping[str, object], fetched: Sample) -> dict[str, object]:
    """The bytes of both connections: what the visit took of the uplink."""
    more = {
        "bytes_received": fetched.facts.bytes_received,
        "key_frame_bytes": fetched.facts.key_frame_bytes,
    }
    known = {name: facts.get(name) for name in more}
    return {n: v + more[n] if isinstance(v, int) else more[n] for n, v in known.items()}


def _facts(camera: Camera, sample: Sample, judgement: VisitJudgement) -> dict[str, object]:
    facts = {**asdict(sample.facts), AREA_HASH_FACT: area_hash(camera.areas.visible)}
    if judgement.discarded_memory:
        facts[MEMORY_DISCARDED_FACT] = judgement.discarded_memory
    return facts


def failed_visit(
    camera: Camera, start: VisitStart, why: StreamError | Refusal, now: datetime
) -> JudgedVisit:
    """A visit without a picture: the stream failed, or consent ended before it began."""
    refused = isinstance(why, Refusal)
    return JudgedVisit(
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


def unjudgeable_visit(planned: PlannedVisit, now: datetime) -> Visit:
    """A visit that is not made again: each time its picture was judged, the service was killed."""
    return Visit(
        round=planned.round,
        camera=planned.camera,
        outcome=VisitOutcome.NOT_VIEWABLE,
        started_at=now,
        finished_at=now,
        tries=planned.judgings,
        failure=Unreadable.kind,
        seen=f"judging its picture did not end, {planned.judgings} times: the service was killed",
    )


def _pyramid(frame: DecodedFrame) -> PicturePyramid:
    if frame.planes is None:
        return PicturePyramid(frame.to_bgr())
    return PicturePyramid(planes=frame.planes, to_bgr=frame.to_bgr)


def _decode_key_frames(sample: Sample) -> tuple[DecodedFrame, ...]:
    """All key frames that can be decoded. Raises the last Unreadable when none can."""
    frames: list[DecodedFrame] = []
    problem: Unreadable | None = None
    for key_frame in sample.key_frames:
        try:
            frames.append(decode_frame(key_frame))
        except Unreadable as exc:
            problem = exc
    if not frames:
        raise problem or Unreadable("no key frame could be decoded")
    return tuple(frames)
