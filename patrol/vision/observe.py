"""Readings and zone hits as the domain's observations. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from patrol.domain.ids import CameraId, RoundId, Sha256
from patrol.domain.observation import Box, Observation, Subject
from patrol.ports import Detector
from patrol.vision.objects.zones import ZoneHit
from patrol.vision.quality.report import QualityReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Whose picture, of which round, when."""

    camera: CameraId
    round: RoundId | None
    at: datetime
    picture: Sha256 | None = None


def of_quality(report: QualityReport, occasion: Occasion) -> tuple[Observation, ...]:
    """One observation per fault, with the reading that shows it."""
    return tuple(
        Observation(
            camera=occasion.camera,
            round=occasion.round,
            at=occasion.at,
            subject=Subject.EQUIPMENT,
            kind=reading.kind.value,
            score=reading.score,
            value=reading.value,
            threshold=reading.threshold,
            gauge=reading.gauge,
            picture=occasion.picture,
        )
        for reading in report.readings
        if reading.kind.value in report.faults
    )


def of_hits(
    hits: Iterable[ZoneHit], detector: Detector, occasion: Occasion
) -> tuple[Observation, ...]:
    """One observation per object in a zone, of the zone's own kind."""
    return tuple(
        Observation(
            camera=occasion.camera,
            round=occasion.round,
            at=occasion.at,
            subject=Subject.SCENE,
            kind=hit.zone.kind,
            score=hit.detection.score,
            value=hit.detection.score,
            threshold=detector.min_score,
            gauge=detector.gauge,
            box=clipped(hit.detection.box),
            zone=hit.zone.name,
            label=hit.detection.label,
            picture=occasion.picture,
        )
        for hit in hits
    )


def clipped(box: Box) -> Box:
    """The part of the box that lies in the picture."""
    x, y = min(1.0, max(0.0, box[0])), min(1.0, max(0.0, box[1]))
    right, bottom = min(1.0, box[0] + box[2]), min(1.0, box[1] + box[3])
    return (x, y, max(0.0, right - x), max(0.0, bottom - y))
