"""Judge one visit: measure every picture, read every gauge, name the causes.

One fault looks like several: a black picture is dark, flat and without edges as well. `EXPLAINS`
says which reading explains which; what is explained stays a reading and is no fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import time
from typing import Final

from patrol.domain.observation import Light
from patrol.domain.zone import Polygon
from patrol.vision.quality import flaws, gauges, passing
from patrol.vision.quality.history import QualityHistory, Usual
from patrol.vision.quality.limits import QualityLimits
from patrol.vision.quality.measures import Measures, measure
from patrol.vision.quality.report import Fault, QualityReport, Reading, StreamTimings, take
from patrol.vision.quality.view import MIN_SIDE_PX, as_bgr, view
from streams.model import BgrImage

GAUGES: Final = (
    gauges.black_screen, gauges.solid_color, gauges.too_dark, gauges.too_bright,
    gauges.low_contrast, gauges.color_cast, flaws.blur, flaws.noise, flaws.stripes,
    flaws.artifacts, flaws.occlusion,
)  # fmt: skip

F = Fault
_LEVEL = (F.TOO_DARK, F.TOO_BRIGHT, F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR, F.NOISE, F.STRIPES,
          F.ARTIFACTS, F.OCCLUSION)  # fmt: skip
EXPLAINS: Final[Mapping[Fault, tuple[Fault, ...]]] = {
    F.BLACK_SCREEN: (F.SOLID_COLOR, *_LEVEL),
    F.SOLID_COLOR: _LEVEL,
    F.TOO_DARK: (F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR, F.OCCLUSION),
    F.TOO_BRIGHT: (F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR, F.OCCLUSION, F.NOISE),
    F.ARTIFACTS: (F.BLUR, F.OCCLUSION, F.NOISE, F.LOW_CONTRAST, F.COLOR_CAST),
    F.STRIPES: (F.NOISE, F.BLUR),
    F.NOISE: (F.LOW_CONTRAST, F.BLUR),
    F.BLUR: (F.OCCLUSION, F.LOW_CONTRAST),
    F.LOW_CONTRAST: (F.OCCLUSION,),
    F.COLOR_CAST: (F.OCCLUSION,),
}

# Either looks like the other at its edges; the surer reading is the cause, or else the second. What
# a decoder drew itself is no rival: nothing else looks like it.
RIVALS: Final = ((F.ARTIFACTS, F.STRIPES),)

# A car right before the lens or a headlight spoils one picture; only what spoils all is a fault.
# A decoder's glitch, on the other hand, comes and goes.
IN_EVERY_PICTURE: Final = frozenset({
    F.BLACK_SCREEN, F.SOLID_COLOR, F.TOO_DARK, F.TOO_BRIGHT, F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR,
    F.OCCLUSION,
})  # fmt: skip


def judge(
    pictures: Sequence[BgrImage],
    *,
    visible: Polygon | None = None,
    history: QualityHistory | None = None,
    limits: QualityLimits | None = None,
    freshness: str = "",
    corrupt: bool = False,
    facts: StreamTimings | None = None,
    now_local: time | None = None,
    light: Light | None = None,
    burnt_in_s: float | None = None,
) -> QualityReport:
    """The verdict on the pictures of one visit (already masked; `visible` says where to look).

    `light`: what the caller knows better than the pictures can tell; None: they tell.
    `burnt_in_s`: how far the burnt-in clock is ahead of ours; None: there is none that can be read.
    Never raises for what a picture holds: what is no picture is not usable.
    """
    rules = limits or QualityLimits()
    plain = [as_bgr(picture) for picture in pictures]
    measured = [_measured(picture, visible) for picture in plain]
    light = light or _light([m for m in measured if m is not None], history)
    usual = _usual(history, light, rules)
    per_picture = [_read(m, usual, rules, corrupt=corrupt) for m in measured]
    causes = [_causes(readings) for readings in per_picture]
    visit = [
        passing.freeze([p for p in plain if p is not None], freshness, rules),
        passing.slow_keyframe(facts, rules),
        passing.clock_skew(facts, rules, burnt_in_s),
        passing.infrared_stuck(light, history, now_local, rules),
    ]
    agreed = _agreed(causes)
    said = _of_the_visit(visit, agreed)
    return QualityReport(
        readings=(*_merged(per_picture, agreed), *said),
        faults=(*(k.value for k in Fault if k in agreed), *(r.kind.value for r in said if r.over)),
        usable=tuple(
            m is not None and _usable(m, usual, kinds, rules)
            for m, kinds in zip(measured, causes, strict=True)
        ),
        light=light,
        measures=tuple(m for m in measured if m is not None),
        local=now_local,
    )


def detect_light(pictures: Sequence[BgrImage], *, visible: Polygon | None = None) -> Light:
    """DAY or INFRARED, to fetch the right memory before judging."""
    measured = (_measured(as_bgr(picture), visible) for picture in pictures)
    return _light([m for m in measured if m is not None], None)


def _measured(picture: BgrImage | None, visible: Polygon | None) -> Measures | None:
    if picture is None or min(picture.shape[:2]) < MIN_SIDE_PX:
        return None
    seen = view(picture, visible)
    return measure(seen) if seen.cells.any() else None


def _light(measured: Sequence[Measures], history: QualityHistory | None) -> Light:
    known = history is not None and len(history.rows) > 0
    remembered = history.light if history is not None and known else None
    grey = [gauges.is_grey(m, remembered) for m in measured]
    return Light.INFRARED if grey and all(grey) else Light.DAY


def _usual(history: QualityHistory | None, light: Light, limits: QualityLimits) -> Usual | None:
    if history is None or history.light is not light or len(history.rows) < limits.min_history:
        return None
    return history.usual()


def _read(
    measures: Measures | None, usual: Usual | None, limits: QualityLimits, *, corrupt: bool
) -> tuple[Reading, ...]:
    """Every gauge on one picture; what is too small to be one reads as a single colour."""
    if measures is None:
        return (take(F.SOLID_COLOR, 0, limits.solid_range, "size/1", over=True, below=True),)
    readings = tuple(gauge(measures, usual, limits) for gauge in GAUGES)
    return tuple(_concealed(r) if corrupt and r.kind is F.ARTIFACTS else r for r in readings)


def _concealed(reading: Reading) -> Reading:
    """The decoder itself says that it had to make parts up."""
    return replace(reading, over=True, score=max(reading.score, 0.8), gauge="decoder/1")


def _causes(readings: Sequence[Reading]) -> frozenset[Fault]:
    """What is over and not explained; a cause that is itself explained still explains."""
    over = {reading.kind: reading.score for reading in readings if reading.over}
    explained = {effect for cause in over for effect in EXPLAINS.get(cause, ())}
    if any(reading.over and reading.gauge == flaws.CONCEALED_GAUGE for reading in readings):
        return frozenset(over) - explained - {F.STRIPES}
    for first, second in RIVALS:
        if first in over and second in over:
            explained.add(first if over[first] <= over[second] else second)
    return frozenset(over) - explained


def _of_the_visit(visit: Sequence[Reading | None], agreed: frozenset[Fault]) -> tuple[Reading, ...]:
    """The readings that could be taken; a black or empty picture stands still by itself."""
    taken = [reading for reading in visit if reading is not None]
    if agreed & {F.BLACK_SCREEN, F.SOLID_COLOR}:
        taken = [reading for reading in taken if reading.gauge != passing.STILL_GAUGE]
    return tuple(taken)


def _agreed(causes: Sequence[frozenset[Fault]]) -> frozenset[Fault]:
    if not causes:
        return frozenset()
    everywhere = frozenset.intersection(*causes)
    anywhere = frozenset.union(*causes)
    return everywhere | (anywhere - IN_EVERY_PICTURE)


def _merged(
    per_picture: Sequence[Sequence[Reading]], agreed: frozenset[Fault]
) -> tuple[Reading, ...]:
    """One reading per kind: of an agreed fault the surest, else the least sure."""
    merged: dict[Fault, Reading] = {}
    for index, readings in enumerate(per_picture):
        for reading in readings:
            here = replace(reading, picture=index)
            best = merged.get(reading.kind)
            if best is None or (reading.score > best.score) == (reading.kind in agreed):
                merged[reading.kind] = here
    return tuple(merged.values())


def _usable(
    measures: Measures, usual: Usual | None, kinds: frozenset[Fault], limits: QualityLimits
) -> bool:
    """Whether anything can be judged from this picture."""
    if kinds & {F.BLACK_SCREEN, F.SOLID_COLOR}:
        return False
    if F.ARTIFACTS in kinds and measures.blocks.worst >= limits.unusable_artifacts:
        return False
    if F.NOISE in kinds and measures.detail.noise >= limits.unusable_noise:
        return False
    if F.OCCLUSION in kinds:
        covered = flaws.occlusion(measures, usual, limits).value
        if covered >= limits.unusable_occluded:
            return False
    return not (F.BLUR in kinds and _hopeless_blur(measures, usual, limits))


def _hopeless_blur(measures: Measures, usual: Usual | None, limits: QualityLimits) -> bool:
    if usual is None:
        return measures.detail.sharp < limits.blur_hopeless
    return measures.sharpness_ratio(usual.grid["sharpness"]) < limits.unusable_blur_ratio
