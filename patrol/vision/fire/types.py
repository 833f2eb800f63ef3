"""What the fire gauge answers, and its starting values."""

from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.observation import Box

FIRE_GAUGE = "fire/2"
FIRE_THRESHOLD = 0.5


class FireKind(StrEnum):
    """Category identifiers of the domain."""

    OPEN_FLAME = auto()
    SMOKE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRegion:
    """One suspected place."""

    kind: FireKind
    box: Box
    score: float  # 0..1, THRESHOLD and above is proposed
    area: float  # share of the picture
    flicker: float  # how much it changed between the pictures of the visit, grey levels
    growth: float  # area in the last picture ÷ in the first; 1.0 where it cannot be told
    gauge: str = FIRE_GAUGE  # who says so
    threshold: float = FIRE_THRESHOLD  # from which score it does


@dataclass(frozen=True, slots=True, kw_only=True)
class FireOptions:
    """Starting values; a site with many lamps raises `min_score`."""

    min_score: float = FIRE_THRESHOLD
    min_area: float = 0.0003  # of the picture: 25 pixels square in 1080p
    hot_red: float = 150.0  # level of red at which a flame begins to shine
    warmth: float = 45.0  # red over blue
    smoke_area: float = 0.008  # of the picture; smaller veils are not told from blur


DEFAULT_FIRE_OPTIONS = FireOptions()
