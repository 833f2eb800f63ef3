"""Weather over the town: a change of the whole picture is one cause, not four hundred findings.

`frame_wide` names the cause of one camera's picture (snow, dust, fog, rain, dusk); `group_by_cause`
joins the cameras of a round that report the same cause into one observation. Pure; used by
compare.py and by patrol/rounds/weather.py.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np

from patrol.domain.labels import TOWN_WIDE_CAUSES, bilingual
from patrol.vision.change.regions import Cause, FrameWide
from patrol.vision.reference.small_picture import Mask, SmallPicture

WIDE = 0.38  # of the visible picture: from here on the whole picture changed
MIN_CAMERAS = 5
MIN_SHARE = 0.2  # of the cameras that could be compared

Key = TypeVar("Key", bound=Hashable)
CATEGORY_BY_CAUSE: Mapping[Cause, str] = {
    Cause.SNOW: "road_condition", Cause.DUST: "severe_weather", Cause.FOG: "severe_weather",
    Cause.RAIN: "severe_weather", Cause.DUSK: "", Cause.UNKNOWN: "scene_change",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseGroup(Generic[Key]):
    """One cause that many cameras of a round share."""

    cause: Cause
    kind: str  # category identifier; empty: nothing has to be done
    cameras: tuple[Key, ...]
    compared: int  # cameras that had a reference to compare with
    score: float

    @property
    def label(self) -> str:
        """The text for the review queue, Chinese first."""
        share = round(100 * len(self.cameras) / self.compared)
        cause = bilingual(TOWN_WIDE_CAUSES[self.cause])
        return f"{cause}：{len(self.cameras)}/{self.compared} 路（{share}%）"


def frame_wide(
    picture: SmallPicture, reference: SmallPicture, where: Mask, changed: float
) -> FrameWide | None:
    """The cause that fits best; None when less than WIDE of the picture changed."""
    if changed < WIDE:
        return None
    level, saturation, warmth, detail = _colour_statistics(picture, where)
    level_0, saturation_0, warmth_0, detail_0 = _colour_statistics(reference, where)
    hazy = detail < 0.6 * detail_0
    cause = Cause.UNKNOWN
    if level < 0.55 * level_0:
        cause = Cause.DUSK
    elif hazy and warmth > warmth_0 + 12:
        cause = Cause.DUST
    elif hazy and saturation <= saturation_0 + 0.02:
        cause = Cause.FOG
    elif level > level_0 + 15 and saturation < 0.75 * saturation_0 + 0.01:
        cause = Cause.SNOW
    elif level < 0.85 * level_0 and saturation < saturation_0:
        cause = Cause.RAIN
    return FrameWide(cause=cause, changed=changed, score=min(1.0, changed / (2 * WIDE) + 0.3))


def group_by_cause(
    answers: Iterable[tuple[Key, FrameWide | None]],
    *,
    min_cameras: int = MIN_CAMERAS,
    min_share: float = MIN_SHARE,
) -> Sequence[CauseGroup[Key]]:
    """The causes that a round's cameras share, most cameras first.

    `answers`: every camera that was compared, with its frame-wide change or None. A camera whose
    cause is not shared by enough others is in no group and keeps its own observation.
    """
    by_cause: dict[Cause, list[Key]] = defaultdict(list)
    scores: Counter[Cause] = Counter()
    compared = 0
    for camera, wide in answers:
        compared += 1
        if wide is not None:
            by_cause[wide.cause].append(camera)
            scores[wide.cause] += wide.score  # type: ignore[assignment]  # Counter adds floats too
    enough = max(min_cameras, min_share * compared)
    groups = [
        CauseGroup(
            cause=cause, kind=CATEGORY_BY_CAUSE[cause], cameras=tuple(cameras), compared=compared,
            score=min(1.0, scores[cause] / len(cameras)),
        )
        for cause, cameras in by_cause.items()
        if len(cameras) >= enough
    ]  # fmt: skip
    return sorted(groups, key=lambda g: -len(g.cameras))


def _colour_statistics(picture: SmallPicture, where: Mask) -> tuple[float, float, float, float]:
    """Mean level, saturation 0..1, warmth (red − blue) and contrast of detail."""
    bgr = picture.bgr[where].astype(np.float32)
    top, low = bgr.max(axis=1), bgr.min(axis=1)
    saturation = float(((top - low) / (top + 20.0)).mean())
    detail = picture.grey - cv2.blur(picture.grey, (9, 9))
    return (
        float(bgr.mean()), saturation, float((bgr[:, 2] - bgr[:, 0]).mean()),
        float(detail[where].std()),
    )  # fmt: skip
