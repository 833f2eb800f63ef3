"""The results of a comparison with the reference: shift, changed regions, frame-wide change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from patrol.domain.observation import Box
from patrol.vision.reference import SceneMemory, SceneState

CHANGE_GAUGE = "change/1"
SHIFT_GAUGE = "scene_shift/1"


class Explanation(StrEnum):
    """What explains a changed region, so that it is no new object."""

    NOTHING = ""
    OBJECT = auto()  # the detector names it
    MOVING = auto()  # not in both pictures of the visit
    SHADOW = auto()  # the ground's own pattern shines through
    SKY = auto()
    OVERLAY = auto()  # a line of burnt-in text
    SMALL = auto()  # too small to be proposed at the first visit


class Cause(StrEnum):
    """The causes that change a whole picture, often of many cameras at once."""

    SNOW = auto()
    DUST = auto()
    FOG = auto()
    RAIN = auto()
    DUSK = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReading:
    """How far the view moved, as a share of the picture's width."""

    value: float
    threshold: float
    moved: bool
    matched: float  # share of the reference's corner points found again
    dx: float = 0.0  # of the width
    dy: float = 0.0  # of the height
    rotation_deg: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRegion:
    """One changed region of the picture."""

    box: Box
    area: float  # share of the picture that changed, not the box's
    score: float  # 0..1; ranks
    explained_by: Explanation = Explanation.NOTHING
    label: str = ""  # the detector's class
    visits: int = 1  # in a row that showed it
    motion: float | None = None  # share of it that changed within the visit; None: one picture
    structure: float = 0.0  # mean differences, 1.0 = where they start to mean something
    colour: float = 0.0
    light: float = 0.0

    @property
    def proposed(self) -> bool:
        """Whether nothing explains it, so that a person reviews it as a new object."""
        return not self.explained_by


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWide:
    """A change of the whole picture with its one probable cause."""

    cause: Cause
    changed: float  # share of the picture
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """One visit compared with the reference."""

    state: SceneState  # of the memory it was measured against
    memory: SceneMemory | None  # with the tracks brought up to date
    shift: ShiftReading | None = None  # None: there is no reference to measure against
    regions: Sequence[ChangedRegion] = field(default=())
    frame_wide: FrameWide | None = None
    changed: float = 0.0  # share of the picture

    @property
    def new_objects(self) -> tuple[ChangedRegion, ...]:
        """Regions that nothing explains, best first."""
        return tuple(region for region in self.regions if region.proposed)
