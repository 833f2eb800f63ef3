"""Diagnose picture faults: measure every picture of a visit, read every gauge, keep the causes.

One fault shows in several gauges: a black picture is dark, flat and without edges as well.
`EXPLAINS` says which reading explains which; a reading that is explained is reported and is no
fault. Called by vision/judge.py and `patrol probe`. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from types import MappingProxyType
from typing import Final, NamedTuple

from patrol.domain.camera import Polygon
from patrol.domain.observation import Light
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.vision.quality import exposure_checks, lens_checks, stream_checks
from patrol.vision.quality.baseline import Baseline, QualityHistory
from patrol.vision.quality.features import (
    PictureFeatures,
    largest_change,
    measure_glitches,
    measure_picture,
)
from patrol.vision.quality.image_views import MIN_SIDE_PX, bgr_by_peak, picture_view
from patrol.vision.quality.reencoding import PairFeatures, measure_pair
from patrol.vision.quality.report import (
    GaugeReading,
    PictureFault,
    QualityReport,
    QualityThresholds,
    StreamTimings,
    make_reading,
)

F = PictureFault
GAUGES: Final = {
    F.BLACK_SCREEN: exposure_checks.check_black_screen,
    F.SOLID_COLOR: exposure_checks.check_solid_color,
    F.TOO_DARK: exposure_checks.check_too_dark,
    F.TOO_BRIGHT: exposure_checks.check_too_bright,
    F.LOW_CONTRAST: exposure_checks.check_low_contrast,
    F.COLOR_CAST: exposure_checks.check_color_cast,
    F.BLUR: lens_checks.check_blur,
    F.NOISE: lens_checks.check_noise,
    F.STRIPES: lens_checks.check_stripes,
    F.ARTIFACTS: lens_checks.check_artifacts,
    F.OCCLUSION: lens_checks.check_occlusion,
}

_LEVEL = (F.TOO_DARK, F.TOO_BRIGHT, F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR, F.NOISE, F.STRIPES,
          F.ARTIFACTS, F.OCCLUSION)  # fmt: skip
EXPLAINS: Final[Mapping[PictureFault, tuple[PictureFault, ...]]] = {
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

# Either resembles the other at its edges; the one with the higher score is the cause, or else the
# second. What a decoder drew itself is no rival: nothing else resembles it.
RIVALS: Final = ((F.ARTIFACTS, F.STRIPES),)

# What is black, burnt out or pale has no colour, and its filter need not hang.
COLOURLESS_BY_ITSELF: Final = frozenset(
    {F.BLACK_SCREEN, F.SOLID_COLOR, F.TOO_DARK, F.TOO_BRIGHT, F.LOW_CONTRAST, F.ARTIFACTS}
)

# What a cover with an edge makes of the whole picture's numbers; the rest is as it was.
HIDDEN_BY_A_COVER: Final = frozenset({F.TOO_DARK, F.LOW_CONTRAST, F.BLUR, F.COLOR_CAST})

# A car right before the lens or a headlight spoils one picture; only what spoils all is a fault.
# A decoder's glitch, on the other hand, comes and goes.
IN_EVERY_PICTURE: Final = frozenset({
    F.BLACK_SCREEN, F.SOLID_COLOR, F.TOO_DARK, F.TOO_BRIGHT, F.LOW_CONTRAST, F.COLOR_CAST, F.BLUR,
    F.OCCLUSION,
})  # fmt: skip


# Beside a sound first picture of the same scene, only what a decoder or a cable does to a single
# picture is measured; what must show in every picture is settled by the first.
SAME_SCENE: Final = 12.0  # grey levels in the place that changed most; a cover changes 25 and more


def diagnose(
    pictures: Sequence[AnyPicture],
    *,
    visible: Polygon | None = None,
    history: QualityHistory | None = None,
    other_history: QualityHistory | None = None,
    limits: QualityThresholds | None = None,
    freshness: str = "",
    corrupt: bool = False,
    timings: StreamTimings | None = None,
    now_local: time | None = None,
    local_date: date | None = None,
    light: Light | None = None,
    burnt_in_s: float | None = None,
) -> QualityReport:
    """Diagnose the pictures of one visit (already masked; `visible` says which pixels count).

    `history`: of the light of the pictures; `other_history`: of the other. `light`: what the caller
    knows better. `burnt_in_s`: by how much the burnt-in clock is ahead. Never raises for a picture.
    """
    rules = limits or QualityThresholds()
    plain = [_pyramid(picture) for picture in pictures]
    read = _read_visit(plain, _GaugeReader(visible, history, rules, corrupt), light)
    measured, readings, baseline, light = read.measured, read.readings, read.baseline, read.light
    there = [m for m in measured if m is not None]
    pair = _pair(there)
    causes = [_causes(of_picture) for of_picture in readings]
    agreed, by_light = _agreed(causes), _by_light(history, other_history)
    of_visit = [
        stream_checks.check_freeze([p for p in plain if p is not None], freshness, rules),
        *_freezes_by_history(there, pair, by_light.get(light), freshness, rules),
        stream_checks.check_shake(pair, rules),
        *_timings(timings, burnt_in_s, rules),
        stream_checks.check_infrared_stuck(there, by_light, now_local, rules, on=local_date),
    ]
    visit_readings = _readings_of_visit(of_visit, agreed)
    return QualityReport(
        readings=(*_merged(readings, agreed), *visit_readings),
        faults=_fault_names(agreed, visit_readings),
        usable=_usable(measured, causes, baseline, rules),
        light=light,
        features=tuple(there),
        local=now_local,
        pair=pair,
    )


@dataclass(frozen=True, slots=True)
class _GaugeReader:
    """Measures pictures of one camera and reads the gauges on them."""

    visible: Polygon | None
    history: QualityHistory | None
    limits: QualityThresholds
    corrupt: bool

    def baseline(self, light: Light) -> Baseline | None:
        return _baseline_for(self.history, light, self.limits)

    def read(
        self, features: PictureFeatures | None, baseline: Baseline | None
    ) -> tuple[GaugeReading, ...]:
        return _read_gauges(features, baseline, self.limits, corrupt=self.corrupt)


class _ReadVisit(NamedTuple):
    measured: Sequence[PictureFeatures | None]
    readings: Sequence[tuple[GaugeReading, ...]]
    baseline: Baseline | None
    light: Light


def _read_visit(
    plain: Sequence[PicturePyramid | None], reader: _GaugeReader, light: Light | None
) -> _ReadVisit:
    """The first picture measured and read; the later ones whole only where it is not sound."""
    first = _measured(plain[0], reader.visible) if plain else None
    first_light = light or _light([first] if first is not None else [], reader.history)
    baseline = reader.baseline(first_light)
    first_read = reader.read(first, baseline)
    sound = None if any(reading.over for reading in first_read) else first
    measured = [first, *(_measured(picture, reader.visible, sound) for picture in plain[1:])]
    measured = measured[: len(plain)]
    light = light or _light([m for m in measured if m is not None], reader.history)
    if light is not first_light:
        baseline = reader.baseline(light)
        first_read = reader.read(first, baseline)
    settled = {reading.kind: reading for reading in first_read if reading.kind in IN_EVERY_PICTURE}
    readings = [first_read] if plain else []
    for features in measured[1:]:
        shares = first is not None and features is not None and features.detail is first.detail
        known = settled if shares else {}
        readings.append(
            _read_gauges(features, baseline, reader.limits, corrupt=reader.corrupt, known=known)
        )
    return _ReadVisit(measured, readings, baseline, light)


def detect_light(pictures: Sequence[AnyPicture], *, visible: Polygon | None = None) -> Light:
    """DAY or INFRARED, from the pictures alone; the whole picture where `visible` is None."""
    measured = (_measured(_pyramid(picture), visible) for picture in pictures)
    return _light([m for m in measured if m is not None], None)


def _pyramid(picture: AnyPicture) -> PicturePyramid | None:
    if isinstance(picture, PicturePyramid):
        return picture
    bgr = bgr_by_peak(picture)
    return None if bgr is None else PicturePyramid(bgr)


def _measured(
    picture: PicturePyramid | None,
    visible: Polygon | None,
    sound: PictureFeatures | None = None,
) -> PictureFeatures | None:
    """All features; beside a `sound` picture of the same scene, lens and light are its."""
    if picture is None or min(picture.size_px) < MIN_SIDE_PX:
        return None
    seen = picture_view(picture, visible)
    if not seen.cells.any():
        return None
    if sound is None or largest_change(sound.luma, seen.luma) > SAME_SCENE:
        return measure_picture(seen)
    return measure_glitches(seen, sound)


def _pair(measured: Sequence[PictureFeatures]) -> PairFeatures | None:
    return measure_pair(measured[0], measured[1]) if len(measured) > 1 else None


def _timings(
    timings: StreamTimings | None, burnt_in_s: float | None, limits: QualityThresholds
) -> tuple[GaugeReading | None, ...]:
    """What the stream's own timing tells, and the clock in the picture."""
    return (
        stream_checks.check_slow_keyframe(timings, limits),
        stream_checks.check_clock_skew(timings, limits, burnt_in_s),
    )


def _freezes_by_history(
    measured: Sequence[PictureFeatures],
    pair: PairFeatures | None,
    history: QualityHistory | None,
    freshness: str,
    limits: QualityThresholds,
) -> tuple[GaugeReading | None, ...]:
    """What the history of the same light tells of a picture that stands still."""
    if history is None:
        return ()
    return (
        stream_checks.check_repeated(measured, history, freshness, limits),
        stream_checks.check_recorded_freeze(pair, history, limits),
        stream_checks.check_encoded_twice(pair, history, limits),
    )


def _by_light(*histories: QualityHistory | None) -> dict[Light, QualityHistory]:
    return {history.light: history for history in histories if history is not None}


def _light(measured: Sequence[PictureFeatures], history: QualityHistory | None) -> Light:
    known = history is not None and len(history.rows) > 0
    remembered = history.light if history is not None and known else None
    grey = [exposure_checks.is_grey(m, remembered) for m in measured]
    return Light.INFRARED if grey and all(grey) else Light.DAY


def _baseline_for(
    history: QualityHistory | None, light: Light, limits: QualityThresholds
) -> Baseline | None:
    if history is None or history.light is not light or len(history.rows) < limits.min_history:
        return None
    return history.baseline()


def _read_gauges(
    features: PictureFeatures | None,
    baseline: Baseline | None,
    limits: QualityThresholds,
    *,
    corrupt: bool,
    known: Mapping[PictureFault, GaugeReading] = MappingProxyType({}),
) -> tuple[GaugeReading, ...]:
    """Every gauge on one picture but the known; what is too small to be one is a single colour."""
    if features is None:
        return (
            make_reading(F.SOLID_COLOR, 0, limits.solid_range, "size/1", over=True, below=True),
        )
    readings = tuple(
        known[kind] if kind in known else gauge(features, baseline, limits)
        for kind, gauge in GAUGES.items()
    )
    return tuple(_concealed(r) if corrupt and r.kind is F.ARTIFACTS else r for r in readings)


def _concealed(reading: GaugeReading) -> GaugeReading:
    """The reading where the decoder itself reports that it concealed parts."""
    return replace(reading, over=True, score=max(reading.score, 0.8), gauge="decoder/1")


def _causes(readings: Sequence[GaugeReading]) -> frozenset[PictureFault]:
    """What is over and not explained; a cause that is itself explained still explains."""
    over = {reading.kind: reading.score for reading in readings if reading.over}
    gauges = {reading.gauge for reading in readings if reading.over}
    if lens_checks.EDGED_GAUGE in gauges:
        hidden = HIDDEN_BY_A_COVER
        if lens_checks.EDGES_GAUGE in gauges:  # beside a cover the scene's own edges are steep
            hidden -= {F.BLUR}
        over = {kind: score for kind, score in over.items() if kind not in hidden}
    explained = {effect for cause in over for effect in EXPLAINS.get(cause, ())}
    if any(reading.over and reading.gauge == lens_checks.CONCEALED_GAUGE for reading in readings):
        return frozenset(over) - explained - {F.STRIPES}
    for first, second in RIVALS:
        if first in over and second in over:
            explained.add(first if over[first] <= over[second] else second)
    return frozenset(over) - explained


def _readings_of_visit(
    visit: Sequence[GaugeReading | None], agreed: frozenset[PictureFault]
) -> tuple[GaugeReading, ...]:
    """The readings that could be taken; what shows nothing stands still and is grey by itself."""
    taken = [reading for reading in visit if reading is not None]
    if agreed & COLOURLESS_BY_ITSELF:
        taken = [reading for reading in taken if reading.kind is not F.INFRARED_STUCK]
    if agreed & {F.BLACK_SCREEN, F.SOLID_COLOR}:
        taken = [reading for reading in taken if reading.gauge not in stream_checks.UNMOVED]
    return _one_of_each_kind(taken)


def _one_of_each_kind(readings: Sequence[GaugeReading]) -> tuple[GaugeReading, ...]:
    """Of several gauges of one fault the first that is over, or else the first that was taken."""
    by_kind: dict[PictureFault, GaugeReading] = {}
    for reading in readings:
        known = by_kind.get(reading.kind)
        if known is None or (reading.over and not known.over):
            by_kind[reading.kind] = reading
    return tuple(by_kind.values())


def _agreed(causes: Sequence[frozenset[PictureFault]]) -> frozenset[PictureFault]:
    if not causes:
        return frozenset()
    everywhere = frozenset.intersection(*causes)
    anywhere = frozenset.union(*causes)
    return everywhere | (anywhere - IN_EVERY_PICTURE)


def _fault_names(
    agreed: frozenset[PictureFault], visit_readings: Sequence[GaugeReading]
) -> tuple[str, ...]:
    return (
        *(kind.value for kind in PictureFault if kind in agreed),
        *(reading.kind.value for reading in visit_readings if reading.over),
    )


def _merged(
    per_picture: Sequence[Sequence[GaugeReading]], agreed: frozenset[PictureFault]
) -> tuple[GaugeReading, ...]:
    """One reading per kind: of an agreed fault the highest score, else the lowest."""
    merged: dict[PictureFault, GaugeReading] = {}
    for index, readings in enumerate(per_picture):
        for reading in readings:
            here = replace(reading, picture=index)
            best = merged.get(reading.kind)
            if best is None or (reading.score > best.score) == (reading.kind in agreed):
                merged[reading.kind] = here
    return tuple(merged.values())


def _usable(
    measured: Sequence[PictureFeatures | None],
    causes: Sequence[frozenset[PictureFault]],
    baseline: Baseline | None,
    limits: QualityThresholds,
) -> tuple[bool, ...]:
    judged = zip(measured, causes, strict=True)
    return tuple(_is_usable(features, baseline, kinds, limits) for features, kinds in judged)


def _is_usable(
    features: PictureFeatures | None,
    baseline: Baseline | None,
    kinds: frozenset[PictureFault],
    limits: QualityThresholds,
) -> bool:
    """Whether anything can be judged from this picture."""
    if features is None or kinds & {F.BLACK_SCREEN, F.SOLID_COLOR}:
        return False
    if F.ARTIFACTS in kinds and features.artifacts.worst >= limits.unusable_artifacts:
        return False
    if F.NOISE in kinds and features.detail.noise >= limits.unusable_noise:
        return False
    if F.OCCLUSION in kinds:
        covered = lens_checks.check_occlusion(features, baseline, limits).value
        if covered >= limits.unusable_occluded:
            return False
    return not (F.BLUR in kinds and _hopeless_blur(features, baseline, limits))


def _hopeless_blur(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> bool:
    if baseline is None:
        return features.detail.sharp < limits.blur_hopeless
    return features.sharpness_ratio(baseline.grid["sharpness"]) < limits.unusable_blur_ratio
