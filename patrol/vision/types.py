"""Input and result of judging one visit, and the thresholds of all gauges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.camera import PictureAreas
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.observation import Light, Observation
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.ports import Detection
from patrol.vision.change import ChangeReport
from patrol.vision.fire import FireOptions, FireRegion
from patrol.vision.objects import ZoneHit
from patrol.vision.quality import QualityReport, QualityThresholds, StreamTimings
from patrol.vision.reference import LearningPolicy
from streams.model import BgrImage


class LearnMode(StrEnum):
    """Whether this visit's pictures become part of the camera's normal."""

    AUTO = auto()  # if nothing was found in them
    YES = auto()  # a person accepted them
    NO = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionThresholds:
    """The thresholds of all gauges; made from the site's settings."""

    quality: QualityThresholds = field(default_factory=QualityThresholds)
    learning: LearningPolicy = field(default_factory=LearningPolicy)
    fire: FireOptions = field(default_factory=FireOptions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitInput:
    """One camera's pictures of one visit, with its memories, areas and stream facts."""

    camera: CameraId
    round: RoundId | None
    pictures: Sequence[AnyPicture]  # oldest first; masked in place where they may be written
    at: datetime  # UTC, when the last was taken
    local: datetime  # the same on the site's wall clock
    memories: Mapping[Light, bytes] = field(default_factory=dict)
    areas: PictureAreas = field(default_factory=PictureAreas)
    freshness: str = ""
    corrupt: bool = False
    stream_facts: StreamTimings | None = None
    light: Light | None = None  # None: seen from the pictures
    learn_mode: LearnMode = LearnMode.AUTO


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneResult:
    """What the usable pictures show of the scene: changes, fire, objects in zones."""

    change: ChangeReport
    fire: tuple[FireRegion, ...] = ()
    detections: tuple[Detection, ...] = ()
    hits: tuple[ZoneHit, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether the camera's view is no longer that of its reference."""
        return self.change.shift is not None and self.change.shift.moved

    @property
    def is_clear(self) -> bool:
        """Whether nothing was found that a person should review before it is learned."""
        return not (self.moved or self.fire or self.change.new_objects or self.change.frame_wide)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitJudgement:
    """The result of judging one visit."""

    pyramids: tuple[PicturePyramid, ...]  # of each picture; zero outside the visible area
    quality: QualityReport
    light: Light
    scene: SceneResult | None  # None: nothing could be seen
    observations: tuple[Observation, ...]
    faults: tuple[str, ...]  # picture faults by name, scene_shift among them
    readings: Mapping[str, float]  # gauge → number, for the visit's row
    memories: Mapping[Light, bytes]  # only those that changed
    sampled_at: datetime | None = None  # when the newest picture in them was learned
    learned: bool  # this visit became part of the camera's normal
    best: int  # index of the picture that shows it
    discarded_memory: str = ""  # why a stored memory of this light could not be read

    @property
    def pictures(self) -> tuple[BgrImage, ...]:
        """The whole pictures in BGR, zero outside the visible area."""
        return tuple(pyramid.bgr for pyramid in self.pyramids)

    @property
    def usable(self) -> tuple[bool, ...]:
        """Per picture, whether anything can be judged from it."""
        return self.quality.usable
