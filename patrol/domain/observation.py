"""Observation: a measured fact about one sample. Not yet an opinion about what to do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.ids import CameraId, RoundId, Sha256

Box = tuple[float, float, float, float]  # x, y, width, height in fractions of the picture


class Light(StrEnum):
    """What the camera sees by; each has its own reference."""

    DAY = auto()
    INFRARED = auto()


class Subject(StrEnum):
    """Which of the two queues an observation belongs to (camera faults and scenes never mix)."""

    EQUIPMENT = auto()
    SCENE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A reading beyond its threshold, an object in a zone, a change against the reference."""

    camera: CameraId
    round: RoundId | None  # None: a visit outside a round (a second look, a verification)
    at: datetime  # UTC, when the picture was taken
    subject: Subject
    kind: str  # picture fault or category identifier: black_screen, blocking_vehicle, …
    score: float  # 0..1, how sure the gauge is
    value: float  # what was measured
    threshold: float  # what it was measured against
    gauge: str  # which gauge, with its version: "luma/1", "yolox_nano/615e2661"
    box: Box | None = None
    zone: str = ""
    label: str = ""  # the detector's class, where there is one
    picture: Sha256 | None = None  # evidence that shows it

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score is 0..1: {self!r}")
