"""The result of the fire gauge, and its thresholds."""

from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.observation import Box

FIRE_GAUGE = "fire/3"
FIRE_THRESHOLD = 0.5


class FireKind(StrEnum):
    """What is suspected; the value is the domain's category identifier."""

    OPEN_FLAME = auto()
    SMOKE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRegion:
    """One suspected region."""

    kind: FireKind
    box: Box
    score: float  # 0..1, proposed from `threshold` on
    area: float  # share of the picture
    flicker: float  # how much it changed between the pictures of the visit, grey levels
    growth: float  # area in the last picture ÷ in the first; 1.0 where it is unknown
    gauge: str = FIRE_GAUGE  # which gauge proposes it
    threshold: float = FIRE_THRESHOLD  # the score from which it is proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class FireOptions:
    """The thresholds of the fire gauge; a site with many lamps raises `min_score`."""

    min_score: float = FIRE_THRESHOLD
    min_area: float = 0.0003  # of the picture: 25 pixels square in 1080p
    hot_red: float = 150.0  # level of red at which a flame begins to shine
    warmth: float = 45.0  # red over blue
    smoke_area: float = 0.008  # of the picture; smaller veils cannot be distinguished from blur


DEFAULT_FIRE_OPTIONS = FireOptions()
