"""Faults as optics make them, on a real street: at a first visit and beside a history."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.evaluation.camera_optics import defocus, through_camera, to_light
from patrol.evaluation.lens_faults import LENS_FAULTS
from patrol.vision.quality import QualityHistory, diagnose
from patrol.vision.quality.baseline import SLOPE
from patrol.vision.quality.edges import edge_slope
from patrol.vision.quality.image_views import picture_view
from patrol.vision.quality.soft_cover import softly_covered_share

Picture = NDArray[np.uint8]
MODERATE, SEVERE = 1, 2


def spoiled(frame: Picture, kind: str, how: int, seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    return through_camera(LENS_FAULTS[kind][1](to_light(frame), how, rng), rng)


@pytest.mark.parametrize("kind", ["hand", "cloth", "pale_cover", "plastic_bag"])
@pytest.mark.parametrize("how", [MODERATE, SEVERE])
def test_a_cover_is_told_beside_the_own_contrast(
    kind: str, how: int, street: list[Picture], baseline: QualityHistory
) -> None:
    told = [
        diagnose([spoiled(frame, kind, how, seed)], history=baseline).faults
        for seed, frame in enumerate(street[20:38:3])
    ]
    # One in six may fade as haze does; a bag scatters what is left, and may read as blur.
    assert sum(map(bool, told)) >= len(told) - 1
    assert sum("occlusion" in faults for faults in told) >= len(told) // 2


@pytest.mark.parametrize("bend", [0.4, 0.6, 1.0])
@pytest.mark.parametrize("far", [0.1, 0.3, 0.5])
def test_haze_that_takes_all_that_is_far_is_no_cover(
    far: float, bend: float, street: list[Picture], baseline: QualityHistory
) -> None:
    height = street[0].shape[0]
    near = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None] ** bend
    for frame in street[20:38:5]:
        light = to_light(frame)
        left = far + (1 - far) * near  # of the scene's light: the rest is the haze's own
        hazy = through_camera(light * left + 0.45 * (1 - left), np.random.default_rng(1))
        assert "occlusion" not in diagnose([hazy], history=baseline).faults


@pytest.mark.parametrize("width", [640, 768, 1920])
@pytest.mark.parametrize(("radius", "blurred"), [(0.0, False), (0.005, True), (0.016, True)])
def test_blur_at_a_first_visit_is_a_share_of_the_width(
    width: int, radius: float, street: list[Picture], *, blurred: bool
) -> None:
    frame = street[12]
    size = (width, round(width * frame.shape[0] / frame.shape[1]))
    light = to_light(np.asarray(cv2.resize(frame, size), np.uint8))
    picture = through_camera(defocus(light, radius), np.random.default_rng(3))
    assert ("blur" in diagnose([picture]).faults) is blurred


def test_a_plain_area_with_a_soft_edge_lies_on_the_glass(street: list[Picture]) -> None:
    frame = street[5].astype(np.float32)
    edge = np.zeros(frame.shape[:2], np.float32)
    edge[:, : frame.shape[1] // 2] = 1
    for wide, covered in ((0.02, True), (0.0, False)):  # a wall ends sharply
        soft = cv2.GaussianBlur(edge, (0, 0), wide * frame.shape[1]) if wide else edge
        seen = frame * (1 - soft[..., None]) + 110 * soft[..., None]
        share = softly_covered_share(picture_view(seen.astype(np.uint8), None).luma)
        assert (share > 0.4) is covered


@pytest.mark.parametrize(
    ("level", "warmth", "covered"),
    [
        (95, 0.0, True),  # a sheet hangs from the top: a sky is brighter than what is under it
        (250, 0.0, False),  # as a cloudy sky would be
        (95, -20.0, False),  # a clear sky over white walls
    ],
)
def test_what_hangs_from_the_top_is_no_sky(
    level: float, warmth: float, street: list[Picture], *, covered: bool
) -> None:
    """Its rim has no outline of its own, and things cross it."""
    frame = street[5].astype(np.float32)
    height = frame.shape[0]
    edge = np.zeros(frame.shape[:2], np.float32)
    edge[: height // 2] = 1
    soft = cv2.GaussianBlur(edge, (0, 0), 0.02 * frame.shape[1])
    seen = frame * (1 - soft[..., None]) + level * soft[..., None]
    luma = cv2.cvtColor(seen.astype(np.uint8), cv2.COLOR_BGR2GRAY)
    share = softly_covered_share(
        halved(np.asarray(luma, np.uint8)), warmth=np.full((6, 8), warmth, np.float32)
    )
    assert (share > 0.4) is covered


def test_a_dim_street_three_times_as_bright_is_too_bright(street: list[Picture]) -> None:
    """Its lights are as they were, the rest is a dusk's."""
    dim = [np.asarray(255 * (frame / 255) ** 1.7, np.uint8) for frame in street[:38]]
    history = QualityHistory()
    for frame in dim[:14:2]:
        history = history.learn(diagnose([frame]), accepted=True)
    for frame in dim[20:38:6]:
        for times, too_bright in ((3.0, True), (1.3, False)):
            light = to_light(frame) * np.float32(times)
            picture = through_camera(light, np.random.default_rng(2))
            assert ("too_bright" in diagnose([picture], history=history).faults) is too_bright


def test_three_times_the_light_is_too_bright_and_snow_on_the_ground_is_not(
    street: list[Picture], baseline: QualityHistory
) -> None:
    for frame in street[20:38:4]:
        bright = through_camera(to_light(frame) * np.float32(4.0), np.random.default_rng(2))
        assert diagnose([bright], history=baseline).faults == ("too_bright",)
        snow = frame.astype(np.float32)
        ground = frame.shape[0] // 2
        snow[ground:] = 0.25 * snow[ground:] + 0.75 * 244
        snowy = through_camera(to_light(snow.astype(np.uint8)), np.random.default_rng(2))
        assert "too_bright" not in diagnose([snowy], history=baseline).faults


@pytest.mark.parametrize(("gains", "cast"), [
    ((0.75, 1.0, 1.2), False),  # blue, green, red: an hour before sunset
    ((1.25, 1.0, 0.8), False),  # before sunrise
    ((1.0, 1.9, 0.7), True), ((1.9, 0.6, 1.5), True),  # no light is green, or magenta
])  # fmt: skip
def test_daylight_changes_colour_along_its_own_axis(
    gains: tuple[float, float, float],
    street: list[Picture],
    baseline: QualityHistory,
    *,
    cast: bool,
) -> None:
    light = to_light(street[25]) * np.array(gains, np.float32)
    picture = through_camera(light, np.random.default_rng(4))
    assert ("color_cast" in diagnose([picture], history=baseline).faults) is cast


def test_a_little_defocus_is_told_by_structure_and_edges_together(
    street: list[Picture], baseline: QualityHistory
) -> None:
    for seed, frame in enumerate(street[20:38:4]):
        for radius, told in ((0.0, False), (0.004, True)):
            light = defocus(to_light(frame), radius)
            picture = through_camera(light, np.random.default_rng(seed))
            assert ("blur" in diagnose([picture], history=baseline).faults) is told


def test_edges_are_kept_of_a_few_samples_and_survive_the_store(
    street: list[Picture], baseline: QualityHistory
) -> None:
    kept = QualityHistory.from_bytes(baseline.to_bytes()).baseline()
    assert kept is not None
    assert kept.slope == pytest.approx(
        np.median([edge_slope(diagnose([one]).features[0].luma) for one in street[:14:2]]), rel=0.05
    )
    without = QualityHistory(light=baseline.light, rows=baseline.rows.copy(), hours=baseline.hours)
    without.rows[:, SLOPE] = 0  # as stored before edges were kept
    older = without.baseline()
    assert older is not None
    assert np.isnan(older.slope)
    assert diagnose([street[20]], history=without).faults == ()


def test_a_soft_cover_does_not_explain_a_picture_without_any_steep_edge(
    street: list[Picture],
) -> None:
    told = [
        diagnose([spoiled(frame, "blur", SEVERE, seed)]).faults
        for seed, frame in enumerate(street[4:20:5])
    ]
    assert all("blur" in faults for faults in told)
