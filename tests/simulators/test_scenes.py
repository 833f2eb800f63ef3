"""Scenes: what is staged lies in its zone, is seen in its light, and streams are what they say."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import Zone
from patrol.domain.observation import Light
from patrol.inference.onnx_detector import import_onnxruntime
from simulators.faults import SHOWN_IN_PICTURE, CameraFault
from simulators.scenes.annotations import objects_of, zones_of
from simulators.scenes.canvas import PinholeView
from simulators.scenes.catalogue import Scene, SceneKind, SceneLight, by_name, catalogue
from simulators.scenes.encode import read_loop
from simulators.scenes.frames import render_frames, with_picture_fault
from simulators.scenes.library import EncodingCancelled, LoopLibrary, LoopSpec
from simulators.scenes.rendering import render_scene
from simulators.scenes.solids import ellipsoid

TINY = by_name(catalogue("tiny"))
TOWN = by_name(catalogue("town"))
STAGED = [
    pytest.param(scene, variant, id=scene.staged(variant))
    for scene in catalogue("town")
    for variant in scene.variants
    if scene.kind is not SceneKind.YARD
]


def test_a_point_on_the_axis_is_in_the_middle_of_the_picture() -> None:
    view = PinholeView(height_m=4, down_deg=45)
    assert view.project((0, 4, 0)) == pytest.approx((0.5, 0.5))
    left, right = view.project((-1, 4, 0)), view.project((1, 4, 0))
    assert left[0] == pytest.approx(1 - right[0])
    assert view.project((0, 3, 0))[1] > 0.5


def test_rays_and_projection_agree() -> None:
    view = PinholeView(turned_deg=12)
    ray = view.rays(160, 90)[60, 40]
    ground = ray * (view.height_m / -ray[2])
    x, y = view.project((float(ground[0]), float(ground[1]), 0.0))
    assert (x * 160, y * 90) == pytest.approx((40.5, 60.5), abs=0.01)


def test_an_ellipsoid_is_zero_on_its_skin() -> None:
    shape = ellipsoid((1, 2, 3), (0.5, 1.0, 2.0))
    skin = np.array([[1.5, 2, 3], [1, 3, 3], [1, 2, 5]], np.float32)
    assert np.abs(shape(skin)).max() < 1e-4
    assert shape(np.array([[1.2, 2, 3]], np.float32))[0] < 0


@pytest.mark.parametrize(("scene", "variant"), STAGED)
def test_what_is_staged_stands_in_a_zone_for_its_kind(scene: Scene, variant: object) -> None:
    name = scene.staged(variant)  # type: ignore[arg-type]  # parametrised
    zones = zones_of(scene)
    for thing in objects_of(scene, name):
        x, y, width, height = thing.box
        foot = (x + width / 2, y + height * 0.97)
        fitting = [
            zone
            for zone in zones
            if thing.label in zone.classes
            and cv2.pointPolygonTest(np.array(zone.polygon, np.float32), foot, measureDist=False)
            > 0
        ]
        assert fitting, (name, thing)
        assert height >= fitting[0].min_height


@pytest.mark.parametrize("scene", catalogue("town"), ids=lambda scene: scene.name)
def test_a_clean_scene_has_nothing_in_its_zones(scene: Scene) -> None:
    if scene.kind is not SceneKind.YARD:
        assert objects_of(scene, scene.name) == ()


def test_infrared_is_grey_and_day_is_not() -> None:
    scene = TINY["gate-01"]
    night = render_scene(scene, None, SceneLight.INFRARED).bgr
    day = render_scene(scene, None, SceneLight.MORNING).bgr
    assert np.ptp(night, axis=2).max() == 0
    assert np.ptp(day, axis=2).mean() > 0.03
    assert night.mean() < 0.7 * day.mean()
    assert {light.value for light in Light} == {"day", "infrared"}


def test_staging_changes_the_picture_only_around_the_object() -> None:
    scene = TINY["canal-01"]
    clean = render_scene(scene, None, SceneLight.AFTERNOON).bgr
    staged = render_scene(scene, "person_near_water", SceneLight.AFTERNOON).bgr
    changed = np.abs(clean - staged).max(axis=2) > 0.05
    assert 0.002 < changed.mean() < 0.15


@pytest.mark.parametrize(
    "fault", sorted(SHOWN_IN_PICTURE - {CameraFault.FROZEN, CameraFault.SHIFTED})
)
def test_every_picture_fault_spoils_the_picture_its_own_way(fault: CameraFault) -> None:
    bgr = render_scene(TINY["yard-01"], None, SceneLight.MORNING).bgr
    bad = with_picture_fault(bgr, fault, 1)
    sharp = cv2.Laplacian(bgr.mean(axis=2), cv2.CV_32F).var()
    left = cv2.Laplacian(bad.mean(axis=2), cv2.CV_32F).var()
    assert left < 0.4 * sharp
    assert {
        CameraFault.BLACK: bad.mean() < 0.05,
        CameraFault.SOLID: np.ptp(bad, axis=(0, 1)).max() == 0,
        CameraFault.BLURRED: abs(float(bad.mean() - bgr.mean())) < 0.02,
        CameraFault.DARK: bad.mean() < 0.12,
        CameraFault.BRIGHT: bad.mean() > 0.9,
        CameraFault.COVERED: left < 0.3 * sharp,
        CameraFault.DUSTY: bad[..., 1].std() < 0.5 * bgr[..., 1].std(),
    }[fault]


def test_a_loop_is_what_its_format_says(stream_cache: Path) -> None:
    library = LoopLibrary(stream_cache)
    spec = LoopSpec(profile="tiny", scene="road-01", light=SceneLight.MORNING)
    loop = library.load(spec).main
    assert len(loop.units) == loop.format.loop_frames == 45
    decoder = av.CodecContext.create(loop.format.codec, "r")
    frames = [f for unit in loop.units for f in decoder.decode(av.Packet(unit))]
    frames += decoder.decode(None)
    assert [n for n, frame in enumerate(frames) if frame.key_frame] == [0, 15, 30]
    assert {(frame.width, frame.height) for frame in frames} == {(320, 192)}


def test_frames_of_a_film_move_and_those_of_a_frozen_one_do_not() -> None:
    scene = TINY["road-01"]
    live = list(render_frames(scene, "road-01", SceneLight.MORNING, CameraFault.NONE, scene.sub))[
        :8
    ]
    frozen = list(
        render_frames(scene, "road-01", SceneLight.MORNING, CameraFault.FROZEN, scene.sub)
    )[:8]
    assert len({frame.tobytes() for frame in live}) == 8
    assert len({frame.tobytes() for frame in frozen}) == 1


def test_the_cache_is_used_and_a_broken_file_is_noticed(tmp_path: Path) -> None:
    library = LoopLibrary(tmp_path)
    spec = LoopSpec(
        profile="tiny", scene="yard-01", light=SceneLight.MORNING, fault=CameraFault.BLACK
    )
    told: list[tuple[int, int]] = []
    assert library.ensure([spec, spec], lambda done, of: told.append((done, of))) == 1
    assert told == [(1, 1)]
    assert library.ensure([spec]) == 0
    path = next(tmp_path.glob("*320x192*.loop"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="cut short"):
        read_loop(path, TINY["yard-01"].main)
    assert len(library.load(spec).main.units) == 45, "a broken file is made again"


def test_encoding_can_be_cancelled_at_once(tmp_path: Path) -> None:
    spec = LoopSpec(profile="town", scene="yard-01", light=SceneLight.MORNING)
    with pytest.raises(EncodingCancelled):
        LoopLibrary(tmp_path).ensure([spec], cancelled=lambda: True)
    assert not list(tmp_path.glob("*.loop"))


def test_an_unknown_scene_is_no_specification() -> None:
    with pytest.raises(KeyError):
        LoopSpec(profile="town", scene="gate-01+volcano", light=SceneLight.MORNING).find_scene()


def _weights() -> Path:
    for place in (os.environ.get("PATROL_MODELS", ""), "var/models"):
        for found in Path(place).rglob("*.onnx") if place else ():
            if "yolox" in found.name:
                return found
    if os.environ.get("CI") == "true":
        pytest.fail("the detector's weights are not installed: patrol models install")
    pytest.skip("the detector's weights are not installed: patrol models install")


@pytest.mark.slow
@pytest.mark.parametrize("light", list(SceneLight))
def test_a_real_detector_sees_what_is_staged_and_nothing_on_clean_scenes(light: SceneLight) -> None:
    """The premise of the whole chain, at half the size of the streams' stills."""
    detector = _Yolox(_weights())
    for scene in catalogue("town"):
        problems = [v for v in scene.variants if v.problem and v.problem in _kinds(scene)]
        for variant in (None, *problems) if problems else ():
            name = variant.name if variant else None
            picture = render_scene(scene, name, light, widest=960).bgr
            seen = detector.kinds_in_zones((picture * 255).astype(np.uint8), scene)
            assert seen == ({variant.problem} if variant else set()), (scene.name, name)


def _kinds(scene: Scene) -> set[str]:
    return {zone.kind for zone in zones_of(scene)}


def _inside(zone: Zone, point: tuple[float, float]) -> bool:
    polygon = np.array(zone.polygon, np.float32)
    return cv2.pointPolygonTest(polygon, point, measureDist=False) > 0


class _Yolox:
    """YOLOX-nano at 416, just enough of it."""

    def __init__(self, weights: Path) -> None:
        pytest.importorskip("onnxruntime")
        self.session = import_onnxruntime().InferenceSession(str(weights))
        cells = ((step, 416 // step) for step in (8, 16, 32))
        steps = [(s, i % side, i // side) for s, side in cells for i in range(side * side)]
        self.grid = np.array(steps, np.float32)

    def kinds_in_zones(self, picture: NDArray[np.uint8], scene: Scene) -> set[str]:
        """The kinds of zones in which an object of one of their classes has its foot."""
        height, width = picture.shape[:2]
        scaled = cv2.resize(picture, (416, round(416 * height / width)))
        square = np.full((416, 416, 3), 114, np.uint8)
        square[: len(scaled)] = scaled
        name = self.session.get_inputs()[0].name
        batch = square.transpose(2, 0, 1)[None].astype(np.float32)
        out = self.session.run(None, {name: batch})[0][0]
        score = out[:, 4:5] * out[:, 5:]
        found = set()
        for row in np.flatnonzero(score.max(axis=1) > 0.5):
            label = COCO.get(int(score[row].argmax()), "")
            step, x, y = self.grid[row]
            bottom = (out[row, 1] + y + 0.47 * np.exp(out[row, 3])) * step / len(scaled)
            foot = (float((out[row, 0] + x) * step / 416), float(bottom))
            found |= {z.kind for z in zones_of(scene) if label in z.classes and _inside(z, foot)}
        return found


COCO = {
    0: "person", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck",
    16: "dog", 17: "horse", 18: "sheep", 19: "cow",
}  # fmt: skip
