"""Convert what the gauges found on a visit into the domain's observations. Pure.

Picture faults, objects in zones, changes against the reference, moved cameras and suspected fire.
Called by vision/judge.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from patrol.domain.camera import Zone
from patrol.domain.ids import CameraId, PictureId, RoundId
from patrol.domain.observation import Box, Observation, Subject
from patrol.ports import Detector
from patrol.vision.change import (
    CHANGE_GAUGE,
    SHIFT_GAUGE,
    ChangedRegion,
    ChangeReport,
    FrameWide,
    ShiftReading,
)
from patrol.vision.change.shared_cause import CATEGORY_BY_CAUSE
from patrol.vision.fire import FireRegion
from patrol.vision.geometry import clipped_box, is_point_in_polygon
from patrol.vision.objects import ZoneHit
from patrol.vision.quality.report import QualityReport

SCENE_CHANGE = "scene_change"
SCENE_SHIFT = "scene_shift"
FRAME_WIDE_GAUGE = "frame_wide/1"
CHANGE_THRESHOLD = 1.0  # differences, in units of what starts to mean something
FRAME_WIDE_THRESHOLD = 0.38


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRef:
    """Which camera's visit an observation is of: camera, round, time, stored picture."""

    camera: CameraId
    round: RoundId | None
    at: datetime
    picture: PictureId | None = None


def quality_observations(report: QualityReport, visit_ref: VisitRef) -> tuple[Observation, ...]:
    """One observation per fault, with the reading that shows it."""
    return tuple(
        Observation(
            camera=visit_ref.camera,
            round=visit_ref.round,
            at=visit_ref.at,
            subject=Subject.EQUIPMENT,
            kind=reading.kind.value,
            score=reading.score,
            value=reading.value,
            threshold=reading.threshold,
            gauge=reading.gauge,
            picture=visit_ref.picture,
        )
        for reading in report.readings
        if reading.kind.value in report.faults
    )


def zone_observations(
    hits: Iterable[ZoneHit], detector: Detector, visit_ref: VisitRef
) -> tuple[Observation, ...]:
    """One observation per object in a zone, of the zone's own kind."""
    return tuple(
        Observation(
            camera=visit_ref.camera,
            round=visit_ref.round,
            at=visit_ref.at,
            subject=Subject.SCENE,
            kind=hit.zone.kind,
            score=hit.detection.score,
            value=hit.detection.score,
            threshold=detector.min_score,
            gauge=detector.gauge,
            box=clipped_box(hit.detection.box),
            zone=hit.zone.name,
            label=hit.detection.label,
            picture=visit_ref.picture,
        )
        for hit in hits
    )


def change_observations(
    report: ChangeReport, zones: Sequence[Zone], local: time, visit_ref: VisitRef
) -> tuple[Observation, ...]:
    """A moved camera, weather, or new objects: only the first of these that there is."""
    if report.shift is not None and report.shift.moved:
        return (_shift_observation(report.shift, visit_ref),)
    if report.frame_wide is not None:
        return tuple(_frame_wide_observations(report.frame_wide, visit_ref))
    return tuple(
        _new_object_observation(region, zones, local, visit_ref) for region in report.new_objects
    )


def fire_observations(
    regions: Sequence[FireRegion], visit_ref: VisitRef
) -> tuple[Observation, ...]:
    """One observation per suspected flame or smoke region."""
    return tuple(
        _scene_observation(
            visit_ref, kind=region.kind.value, score=region.score, value=region.score,
            threshold=region.threshold, gauge=region.gauge, box=region.box,
        )
        for region in regions
    )  # fmt: skip


def change_zone(box: Box, zones: Sequence[Zone], local: time) -> Zone | None:
    """The zone for any change that holds the foot or the middle of this box; None: no such zone."""
    x, y, width, height = box
    points = ((x + width / 2, y + height * 0.999), (x + width / 2, y + height / 2))
    for zone in zones:
        if zone.classes or not zone.active_at(local) or height < zone.min_height:
            continue
        if any(is_point_in_polygon(point, zone.polygon) for point in points):
            return zone
    return None


def _shift_observation(shift: ShiftReading, visit_ref: VisitRef) -> Observation:
    return Observation(
        camera=visit_ref.camera, round=visit_ref.round, at=visit_ref.at, subject=Subject.EQUIPMENT,
        kind=SCENE_SHIFT, score=min(1.0, 0.5 + 5 * max(0.0, shift.value - shift.threshold)),
        value=shift.value, threshold=shift.threshold, gauge=SHIFT_GAUGE, picture=visit_ref.picture,
    )  # fmt: skip


def _frame_wide_observations(wide: FrameWide, visit_ref: VisitRef) -> list[Observation]:
    kind = CATEGORY_BY_CAUSE[wide.cause]
    if not kind:
        return []  # dusk: nothing has to be done
    return [
        _scene_observation(
            visit_ref, kind=kind, score=wide.score, value=wide.changed,
            threshold=FRAME_WIDE_THRESHOLD, gauge=FRAME_WIDE_GAUGE, label=wide.cause.value,
        )
    ]  # fmt: skip


def _new_object_observation(
    region: ChangedRegion, zones: Sequence[Zone], local: time, visit_ref: VisitRef
) -> Observation:
    zone = change_zone(region.box, zones, local)
    return _scene_observation(
        visit_ref, kind=zone.kind if zone else SCENE_CHANGE, score=region.score,
        value=max(region.structure, region.colour, region.light), threshold=CHANGE_THRESHOLD,
        gauge=CHANGE_GAUGE, box=region.box, zone=zone.name if zone else "",
    )  # fmt: skip


def _scene_observation(
    visit_ref: VisitRef, *, kind: str, score: float, value: float, threshold: float, gauge: str,
    box: Box | None = None, zone: str = "", label: str = "",
) -> Observation:  # fmt: skip
    return Observation(
        camera=visit_ref.camera, round=visit_ref.round, at=visit_ref.at, subject=Subject.SCENE,
        kind=kind, score=score, value=value, threshold=threshold, gauge=gauge, box=box, zone=zone,
        label=label, picture=visit_ref.picture,
    )  # fmt: skip
