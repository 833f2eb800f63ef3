"""The one way from pictures to observations: what a camera's days look like through it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import PictureAreas, Zone
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light, Subject
from patrol.ports import Detection
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.judge import judge_visit
from patrol.vision.types import LearnMode, VisitInput, VisitJudgement

CAMERA = CameraId("62090204011327000001")
START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
Picture = NDArray[np.uint8]
BOX = (360, 210, 120, 90)


def yard(seed: int = 0) -> Picture:
    """A textured yard with edges, and fresh noise for every seed."""
    rng = np.random.default_rng(4)
    made = cv2.resize(rng.normal(115, 30, (60, 107)).astype(np.float32), (640, 360))
    picture = np.dstack([made * 0.8, made, made * 1.1])
    for x in range(20, 640, 70):
        cv2.rectangle(picture, (x, 40), (x + 34, 95), (60, 70, 85), -1)
        cv2.line(picture, (x, 110), (x + 50, 350), (185, 185, 180), 2)
    grain = np.random.default_rng(seed).normal(0, 2.5, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def heap(picture: Picture) -> Picture:
    x, y, w, h = BOX
    rng = np.random.default_rng(8)
    for _ in range(50):
        centre = (x + int(rng.uniform(0.15, 0.85) * w), y + int(rng.uniform(0.15, 0.85) * h))
        cv2.ellipse(picture, centre, (15, 12), 0, 0, 360, rng.uniform(10, 240, 3).tolist(), -1)
    return picture


def grey(picture: Picture) -> Picture:
    return np.asarray(np.dstack([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)] * 3), np.uint8)


class Camera:
    """A camera's life: visits it every twelve hours, keeping its memory."""

    def __init__(self, areas: PictureAreas | None = None) -> None:
        self.memories: Mapping[Light, bytes] = {}
        self.turn = 0
        self.areas = areas or PictureAreas()

    def visit(self, *pictures: Picture, **more: object) -> VisitJudgement:
        at = START + self.turn * timedelta(hours=12)
        visit_input = VisitInput(
            camera=CAMERA, round=None, pictures=pictures, at=at, local=at, areas=self.areas,
            memories=self.memories, freshness="live", **more,  # type: ignore[arg-type]  # spelled by each test
        )  # fmt: skip
        seen = judge_visit(visit_input)
        self.memories = {**self.memories, **seen.memories}
        self.turn += 1
        return seen

    def learn(self, visits: int = 8) -> "Camera":
        for turn in range(visits):
            self.visit(yard(2 * turn), yard(2 * turn + 1))
        return self


@pytest.fixture(scope="module")
def learned() -> Mapping[Light, bytes]:
    return Camera().learn().memories


def known(memories: Mapping[Light, bytes], areas: PictureAreas | None = None) -> Camera:
    camera = Camera(areas)
    camera.memories, camera.turn = memories, 9
    return camera


def test_a_quiet_camera_learns_and_says_nothing() -> None:
    camera = Camera()
    for turn in range(9):
        seen = camera.visit(yard(2 * turn), yard(2 * turn + 1))
        assert (seen.faults, seen.observations, seen.learned) == ((), (), True)
    assert len(camera.memories[Light.DAY]) < 400_000


def test_a_heap_is_a_scene_change_and_teaches_nothing(learned: Mapping[Light, bytes]) -> None:
    seen = known(learned).visit(heap(yard(50)), heap(yard(51)))
    assert [(o.kind, o.subject) for o in seen.observations] == [("scene_change", Subject.SCENE)]
    found = seen.observations[0]
    assert found.box is not None
    assert abs(found.box[0] - BOX[0] / 640) < 0.04
    assert found.value > found.threshold
    assert not seen.learned


def test_in_a_zone_that_waits_for_change_it_is_that_zones_kind(
    learned: Mapping[Light, bytes],
) -> None:
    road = Zone(
        name="road", polygon=((0.4, 0.4), (1, 0.4), (1, 1), (0.4, 1)), classes=frozenset(),
        kind="obstruction",
    )  # fmt: skip
    seen = known(learned, PictureAreas(zones=(road,))).visit(heap(yard(50)), heap(yard(51)))
    assert [(o.kind, o.zone) for o in seen.observations] == [("obstruction", "road")]


def test_a_black_picture_is_a_fault_and_no_change(learned: Mapping[Light, bytes]) -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    seen = known(learned).visit(black, black.copy())
    assert "black_screen" in seen.faults
    assert seen.scene is None
    assert {o.subject for o in seen.observations} == {Subject.EQUIPMENT}


def test_a_moved_camera_is_silent_until_a_person_accepts(learned: Mapping[Light, bytes]) -> None:
    camera = known(learned)

    def aside(picture: Picture) -> Picture:
        return np.roll(picture, 60, axis=1)

    moved = camera.visit(aside(yard(50)), aside(yard(51)))
    assert moved.faults == ("scene_shift",)
    after = camera.visit(heap(aside(yard(52))), heap(aside(yard(53))))
    assert not [o for o in after.observations if o.subject is Subject.SCENE]
    camera.visit(aside(yard(54)), aside(yard(55)), learn_mode=LearnMode.YES)
    again = camera.visit(aside(yard(56)), aside(yard(57)))
    assert again.faults == ()
    found = camera.visit(heap(aside(yard(58))), heap(aside(yard(59))))
    assert [o.kind for o in found.observations] == ["scene_change"]


def test_a_camera_that_came_back_goes_on_by_itself(learned: Mapping[Light, bytes]) -> None:
    camera = known(learned)
    for turn in range(2):
        moved = camera.visit(np.roll(yard(50 + turn), 60, axis=1))
        assert moved.faults == ("scene_shift",)  # told at every visit, not only at the first
    back = camera.visit(heap(yard(54)), heap(yard(55)))
    assert [o.kind for o in back.observations] == ["scene_change"]


def test_what_the_household_did_not_agree_to_is_zero_and_never_remembered() -> None:
    left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    camera = Camera(PictureAreas(visible=left)).learn()
    frozen = yard(60)
    frozen.flags.writeable = False  # a decoder may hand out such pictures
    seen = camera.visit(frozen, yard(61))
    assert not any(picture[:, 330:].any() for picture in seen.pictures)
    scene = CameraMemory.from_bytes(camera.memories[Light.DAY], Light.DAY).scene
    assert scene is not None
    assert scene.model is not None
    assert float(scene.model.picture.grey[:, 175:].max()) < 25  # JPEG's ringing at the seam


def test_day_and_infrared_are_two_memories(learned: Mapping[Light, bytes]) -> None:
    camera = known(learned)
    camera.turn = 10  # two at night
    seen = camera.visit(grey(yard(70)))
    assert (seen.light, seen.faults) == (Light.INFRARED, ())
    assert camera.memories[Light.DAY] == learned[Light.DAY]
    assert Light.INFRARED in camera.memories


def test_grey_by_day_is_told_at_once_and_becomes_no_habit(learned: Mapping[Light, bytes]) -> None:
    camera = known(learned)  # its infrared memory is empty
    for turn in range(9, 60, 2):  # two in the afternoon
        camera.turn = turn
        seen = camera.visit(grey(yard(2 * turn)), grey(yard(2 * turn + 1)))
        assert seen.faults == ("infrared_stuck",)
        assert not seen.learned
    camera.turn = 61
    assert camera.visit(yard(90), yard(91)).faults == ()


def test_what_a_person_accepts_grey_by_day_becomes_a_habit(learned: Mapping[Light, bytes]) -> None:
    camera = known(learned)
    for turn in range(9, 29, 2):
        camera.turn = turn
        camera.visit(grey(yard(2 * turn)), grey(yard(2 * turn + 1)), learn_mode=LearnMode.YES)
    camera.turn = 31
    assert camera.visit(grey(yard(90)), grey(yard(91))).faults == ()


@pytest.mark.parametrize("blob", [b"", b"garbage", b"PEYE" + bytes(40)])
def test_a_memory_that_cannot_be_read_is_learned_anew(blob: bytes) -> None:
    camera = Camera()
    camera.memories = {Light.DAY: blob}
    assert camera.visit(yard(1), yard(2)).learned


class Counting:
    """A detector that sees one car where it is told, and counts its calls."""

    gauge = "fake/1"
    min_score = 0.35
    input_px = (416, 416)

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, bgr: Picture) -> Sequence[Detection]:
        self.calls += 1
        x, y, w, h = BOX
        return [Detection(label="car", score=0.9, box=(x / 640, y / 360, w / 640, h / 360))]


def test_the_detector_is_asked_only_where_something_wants_explaining(
    learned: Mapping[Light, bytes],
) -> None:
    detector = Counting()

    def look(*pictures: Picture) -> VisitJudgement:
        at = START + timedelta(days=6)
        visit_input = VisitInput(
            camera=CAMERA, round=None, pictures=pictures, at=at, local=at, memories=learned
        )
        return judge_visit(visit_input, detector=detector)

    look(yard(80), yard(81))
    assert detector.calls == 0
    explained = look(heap(yard(82)), heap(yard(83)))
    assert detector.calls == 1
    assert explained.observations == ()


@pytest.mark.parametrize(
    "pictures",
    [
        pytest.param((), id="none"),
        pytest.param((np.zeros((1, 1, 3), np.uint8),), id="one pixel"),
        pytest.param((np.full((33, 4000, 3), 90, np.uint8),), id="a strip"),
        pytest.param(
            (np.full((360, 640, 3), 90, np.uint8), np.zeros((8, 8, 3), np.uint8)), id="two sizes"
        ),
    ],
)
def test_never_raises_for_what_a_picture_holds(
    learned: Mapping[Light, bytes], pictures: tuple[Picture, ...]
) -> None:
    known(learned).visit(*pictures)


class Finder:
    """Sees a car wherever the heap is."""

    gauge = "finder/1"
    min_score = 0.3
    input_px = (416, 416)

    def detect(self, bgr: NDArray[np.uint8]) -> Sequence[Detection]:
        x, y, w, h = (BOX[0] / 640, BOX[1] / 360, BOX[2] / 640, BOX[3] / 360)
        return [Detection(label="car", score=0.9, box=(x, y, w, h))]


@pytest.mark.parametrize("ignored", [False, True])
def test_an_ignored_area_silences_objects_and_changes_alike(*, ignored: bool) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    around = ((0.5, 0.5), (0.8, 0.5), (0.8, 0.9), (0.5, 0.9))
    zone = Zone(name="路", polygon=whole, classes=frozenset({"car"}), kind="blocking_vehicle")
    camera = Camera(PictureAreas(zones=(zone,), ignore=(around,) if ignored else ()))
    for turn in range(8):
        camera.visit(yard(turn), yard(turn + 50))
    visit_input = VisitInput(
        camera=CAMERA, round=None, pictures=[heap(yard(90)), heap(yard(91))], areas=camera.areas,
        at=START + 9 * timedelta(hours=12), local=START, memories=camera.memories, freshness="live",
    )  # fmt: skip
    seen = judge_visit(visit_input, detector=Finder())
    assert bool([o for o in seen.observations if o.subject is Subject.SCENE]) is not ignored


@pytest.mark.parametrize("part", ["all", "history", "scene"])
def test_a_memory_that_cannot_be_read_says_so_once_and_is_learned_anew(
    learned: Mapping[Light, bytes], part: str
) -> None:
    blob = bytearray(learned[Light.DAY])
    spoiled = {"all": 0, "history": 14, "scene": 14 + int.from_bytes(blob[6:10], "little")}[part]
    blob[spoiled : spoiled + 4] = b"????"
    camera = known({Light.DAY: bytes(blob)})
    assert camera.visit(yard(1), yard(2)).discarded_memory
    assert not camera.visit(yard(3), yard(4)).discarded_memory
