"""Observations, and the site's rules for which of them become findings (rules.yaml).

An observation is a measured fact about one sample; a rule gives its kind a category and a level.
patrol.vision makes observations, patrol.rounds.recorder applies the rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.ids import CameraId, PictureId, RoundId
from patrol.domain.priority import Level

Box = tuple[float, float, float, float]  # x, y, width, height in fractions of the picture


class Light(StrEnum):
    """The light of a picture; a camera has a reference for each."""

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
    round: RoundId | None  # None: a visit outside a round, for a recheck
    at: datetime  # UTC, when the picture was taken
    subject: Subject
    kind: str  # picture fault or category identifier: black_screen, blocking_vehicle, …
    score: float  # 0..1, how certain the gauge is
    value: float  # what was measured
    threshold: float  # what it was measured against
    gauge: str  # which gauge, with its version: "luma/1", "yolox_nano/615e2661"
    box: Box | None = None
    zone: str = ""
    label: str = ""  # the detector's class, where there is one
    picture: PictureId | None = None  # evidence that shows it

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score is 0..1: {self!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRule:
    """Which finding an observation of one kind becomes."""

    kind: str
    category: str
    level: Level
    min_score: float = 0.5
    min_visits: int = 1  # consecutive visits that must show it; a zone may ask for more
    unreviewed: bool = False  # may go out without a person's confirmation
    enabled: bool = True  # False: the site wants no findings of this kind


FAULT_FINDING_KINDS = (
    "black_screen", "solid_color", "too_dark", "too_bright", "low_contrast", "blur", "color_cast",
    "noise", "stripes", "freeze", "occlusion", "scene_shift", "artifacts", "infrared_stuck",
    "shake",
)  # fmt: skip


# What a scene observation becomes where the site says nothing. Suspected fire cannot wait for a
# second visit half a day later; what lies or stands about can, and must prove that it stays.
_FIRE_KINDS = ("open_flame", "smoke", "straw_burning")
_PRESSING_KINDS = ("person_near_water", "railway_protection", "canal_level")


def _default_rules() -> dict[str, FindingRule]:
    faults = {
        kind: FindingRule(kind=kind, category="equipment", level=Level.NOTE)
        for kind in FAULT_FINDING_KINDS
    }
    fires = {
        kind: FindingRule(kind=kind, category=kind, level=Level.PRESSING) for kind in _FIRE_KINDS
    }
    pressing = {
        kind: FindingRule(kind=kind, category=kind, level=Level.PRESSING)
        for kind in _PRESSING_KINDS
    }
    change = FindingRule(
        kind="scene_change", category="scene_change", level=Level.ORDINARY, min_visits=2
    )
    return {**faults, **fires, **pressing, "scene_change": change}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRules:
    """The rules by kind; a scene kind without one is an ordinary finding of its own category."""

    by_kind: Mapping[str, FindingRule] = field(default_factory=_default_rules)

    def rule_for(self, observation: Observation) -> FindingRule | None:
        """The rule, or None when this observation makes no finding."""
        rule = self.by_kind.get(observation.kind)
        if rule is None and observation.subject is Subject.SCENE and observation.zone:
            rule = FindingRule(
                kind=observation.kind, category=observation.kind, level=Level.ORDINARY
            )
        if rule is None or not rule.enabled or observation.score < rule.min_score:
            return None
        return rule
