"""Changed places followed from visit to visit: what persists is no passer-by."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from patrol.vision.change.model import Explanation, Region
from patrol.vision.change.regions import AT_ONCE_AREA, iou
from patrol.vision.reference import Track

SAME_PLACE = 0.35  # intersection over union
FORGET_AFTER = 2  # visits in a row that did not show it
PROMOTE_AFTER = 2  # visits that a small place needs
LASTING = (Explanation.NOTHING, Explanation.SMALL)


def follow(
    tracks: Sequence[Track], regions: Sequence[Region], at: datetime
) -> tuple[tuple[Track, ...], tuple[Region, ...]]:
    """Bring the tracks up to date; the regions with how many visits each was seen."""
    left = list(tracks)
    now: list[Track] = []
    told: list[Region] = []
    for region in regions:
        if region.explained_by not in LASTING:
            told.append(region)
            continue
        track = max(left, key=lambda t: iou(t.box, region.box), default=None)
        if track is not None and iou(track.box, region.box) >= SAME_PLACE:
            left.remove(track)
            track = replace(track, box=region.box, last_seen=at, visits=track.visits + 1, missed=0)
        else:
            track = Track(box=region.box, first_seen=at, last_seen=at)
        now.append(track)
        told.append(_promoted(region, track.visits))
    waiting = [replace(t, missed=t.missed + 1) for t in left if t.missed + 1 < FORGET_AFTER]
    return (*now, *waiting), tuple(told)


def _promoted(region: Region, visits: int) -> Region:
    small = region.area < AT_ONCE_AREA and visits < PROMOTE_AFTER
    why = Explanation.SMALL if small else Explanation.NOTHING
    score = 1 - (1 - region.score) * 0.7 ** (visits - 1)
    return replace(region, explained_by=why, visits=visits, score=score)
