"""Changes against the reference, moved cameras and suspected fire as the domain's observations."""

from collections.abc import Sequence
from datetime import time

from patrol.domain.observation import Box, Observation, Subject
from patrol.domain.zone import Zone
from patrol.vision.change import GAUGE, SHIFT_GAUGE, ChangeReport, FrameWide, Region, ShiftReading
from patrol.vision.change.grouping import KIND
from patrol.vision.fire import FireRegion
from patrol.vision.objects.geometry import inside
from patrol.vision.observe import Occasion

SCENE_CHANGE = "scene_change"
SCENE_SHIFT = "scene_shift"
FRAME_WIDE_GAUGE = "frame_wide/1"
CHANGE_THRESHOLD = 1.0  # differences, in units of what starts to mean something
FRAME_WIDE_THRESHOLD = 0.38


def of_change(
    report: ChangeReport, zones: Sequence[Zone], local: time, occasion: Occasion
) -> tuple[Observation, ...]:
    """A moved camera, the weather, or newcomers — in this order, and only the first that holds."""
    if report.shift is not None and report.shift.moved:
        return (_shift(report.shift, occasion),)
    if report.frame_wide is not None:
        return tuple(_wide(report.frame_wide, occasion))
    return tuple(_newcomer(region, zones, local, occasion) for region in report.newcomers)


def of_fire(regions: Sequence[FireRegion], occasion: Occasion) -> tuple[Observation, ...]:
    """Suspected flame and smoke, each with its place."""
    return tuple(
        _scene(
            occasion, kind=region.kind.value, score=region.score, value=region.score,
            threshold=region.threshold, gauge=region.gauge, box=region.box,
        )
        for region in regions
    )  # fmt: skip


def change_zone(box: Box, zones: Sequence[Zone], local: time) -> Zone | None:
    """The zone that waits for any change where this box stands (its foot, or its middle)."""
    x, y, width, height = box
    points = ((x + width / 2, y + height * 0.999), (x + width / 2, y + height / 2))
    for zone in zones:
        if zone.classes or not zone.active_at(local) or height < zone.min_height:
            continue
        if any(inside(point, zone.polygon) for point in points):
            return zone
    return None


def _shift(shift: ShiftReading, occasion: Occasion) -> Observation:
    return Observation(
        camera=occasion.camera, round=occasion.round, at=occasion.at, subject=Subject.EQUIPMENT,
        kind=SCENE_SHIFT, score=min(1.0, 0.5 + 5 * max(0.0, shift.value - shift.threshold)),
        value=shift.value, threshold=shift.threshold, gauge=SHIFT_GAUGE, picture=occasion.picture,
    )  # fmt: skip


def _wide(wide: FrameWide, occasion: Occasion) -> list[Observation]:
    kind = KIND[wide.cause]
    if not kind:
        return []  # dusk: to be known, not to be dealt with
    return [
        _scene(
            occasion, kind=kind, score=wide.score, value=wide.changed,
            threshold=FRAME_WIDE_THRESHOLD, gauge=FRAME_WIDE_GAUGE, label=wide.cause.value,
        )
    ]  # fmt: skip


def _newcomer(
    region: Region, zones: Sequence[Zone], local: time, occasion: Occasion
) -> Observation:
    zone = change_zone(region.box, zones, local)
    return _scene(
        occasion, kind=zone.kind if zone else SCENE_CHANGE, score=region.score,
        value=max(region.structure, region.colour, region.light), threshold=CHANGE_THRESHOLD,
        gauge=GAUGE, box=region.box, zone=zone.name if zone else "",
    )  # fmt: skip


def _scene(
    occasion: Occasion, *, kind: str, score: float, value: float, threshold: float, gauge: str,
    box: Box | None = None, zone: str = "", label: str = "",
) -> Observation:  # fmt: skip
    return Observation(
        camera=occasion.camera, round=occasion.round, at=occasion.at, subject=Subject.SCENE,
        kind=kind, score=score, value=value, threshold=threshold, gauge=gauge, box=box, zone=zone,
        label=label, picture=occasion.picture,
    )  # fmt: skip
