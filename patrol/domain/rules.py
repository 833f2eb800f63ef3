"""Rules of the site: which observations make findings, as what, and how urgent (rules.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from patrol.domain.levels import Level
from patrol.domain.observation import Observation, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an observation of one kind becomes."""

    kind: str
    category: str
    level: Level
    min_score: float = 0.5
    min_visits: int = 1  # consecutive visits that must show it; a zone may ask for more
    unreviewed: bool = False  # may go out without a person's confirmation
    enabled: bool = True  # False: the site wants no findings of this kind


PICTURE_FAULT_LEADS = (
    "black_screen", "solid_color", "too_dark", "too_bright", "low_contrast", "blur", "color_cast",
    "noise", "stripes", "freeze", "occlusion", "scene_shift", "artifacts", "infrared_stuck",
)  # fmt: skip


# What a scene observation becomes where the site says nothing. Suspected fire cannot wait for a
# second visit half a day later; what lies or stands about can, and must prove that it stays.
_FIRE = ("open_flame", "smoke", "straw_burning")
_PRESSING = ("person_near_water", "railway_protection", "canal_level")


def _default_rules() -> dict[str, Rule]:
    faults = {
        kind: Rule(kind=kind, category="equipment", level=Level.NOTE)
        for kind in PICTURE_FAULT_LEADS
    }
    fires = {kind: Rule(kind=kind, category=kind, level=Level.PRESSING) for kind in _FIRE}
    pressing = {kind: Rule(kind=kind, category=kind, level=Level.PRESSING) for kind in _PRESSING}
    change = Rule(kind="scene_change", category="scene_change", level=Level.ORDINARY, min_visits=2)
    return {**faults, **fires, **pressing, "scene_change": change}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By kind; a scene kind that no rule names becomes an ordinary finding of its own category."""

    by_kind: Mapping[str, Rule] = field(default_factory=_default_rules)

    def rule_for(self, observation: Observation) -> Rule | None:
        """The rule, or None when this observation makes no finding."""
        rule = self.by_kind.get(observation.kind)
        if rule is None and observation.subject is Subject.SCENE and observation.zone:
            rule = Rule(kind=observation.kind, category=observation.kind, level=Level.ORDINARY)
        if rule is None or not rule.enabled or observation.score < rule.min_score:
            return None
        return rule
