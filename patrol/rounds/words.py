"""Why a lead was made, in words: Chinese first, English beside."""

from patrol.domain import category as categories
from patrol.domain.observation import Observation
from patrol.domain.words import COMPARE, FAULTS, LABELS

UNNAMED = "scene_change"  # a change against the reference that no zone gives a name


def why_found(observation: Observation) -> str:
    """What was seen where, and how surely; or the gauge's number beside its limit.

    A change without a name is a question: as such the blind sample stands beside it unmarked.
    """
    if observation.kind in FAULTS:
        zh, en = FAULTS[observation.kind]
        return (
            f"{zh}:实测 {observation.value:.3g},界限 {observation.threshold:.3g}"
            f" ({en}: measured {observation.value:.3g}, limit {observation.threshold:.3g})"
        )
    if observation.kind == UNNAMED:
        return COMPARE
    category = categories.BY_ID.get(observation.kind, categories.BY_ID["other"])
    if observation.label:
        what = LABELS.get(observation.label, observation.label)
        return (
            f"区域「{observation.zone}」内发现{what},{category.zh}"
            f" ({observation.label} in zone {observation.zone}: {category.en},"
            f" score {observation.score:.2f})"
        )
    return (
        f"{category.zh}:与本机参考画面不同,得分 {observation.score:.2f}"
        f" ({category.en}: differs from this camera's reference, score {observation.score:.2f})"
    )
