"""The burnt-in clock: read on the simulator's own pictures, and never guessed."""

from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import ClockPattern, ClockTemplate, PictureAreas
from patrol.domain.ids import CameraId
from patrol.vision.judge import judge_visit
from patrol.vision.osd_clock import burnt_in_skew, count_holes, read_clock, read_digit
from patrol.vision.types import VisitInput, VisitJudgement
from simulators.faults import CameraFault
from simulators.scenes.catalogue import SceneLight, catalogue
from simulators.scenes.frames import render_frames

Picture = NDArray[np.uint8]
LOCAL = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 22, 12, 34, 56, tzinfo=LOCAL)
SIM = ClockTemplate(box=(0.005, 0.0, 0.24, 0.09), format="SIM %H:%M:%S")
HERE = ClockTemplate(box=(0.02, 0.02, 0.5, 0.12))


@cache
def filmed(light: SceneLight) -> tuple[Picture, Picture]:
    """Two pictures of a simulated camera, three seconds apart."""
    scene = next(s for s in catalogue("town") if s.main.width == 1920)
    apart = 3 * scene.main.frames_per_s + 1
    frames = list(
        islice(render_frames(scene, scene.name, light, CameraFault.NONE, scene.main), apart)
    )
    first, last = (
        np.asarray(cv2.cvtColor(frames[n], cv2.COLOR_YUV2BGR_I420), np.uint8) for n in (0, -1)
    )
    return first, last


def stamped(text: str, *, ground: int = 90, ink: int = 255, seed: int = 1) -> Picture:
    rng = np.random.default_rng(seed)
    picture = np.clip(rng.normal(ground, 6, (540, 960, 3)), 0, 255).astype(np.uint8)
    cv2.putText(picture, text, (30, 55), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (ink,) * 3, 2, cv2.LINE_AA)
    return picture


def test_the_simulators_clock_is_read() -> None:
    first, last = filmed(SceneLight.MORNING)
    near = NOON.replace(hour=9, minute=12, second=3)
    one, other = read_clock(first, SIM, near), read_clock(last, SIM, near)
    assert one is not None
    assert other is not None
    assert (one.at.time().isoformat(), other.at.time().isoformat()) == ("09:12:00", "09:12:03")


def visited(local: datetime, clock: ClockTemplate | None) -> VisitJudgement:
    visit_input = VisitInput(
        camera=CameraId("62090204011327000001"), round=None,
        pictures=[picture.copy() for picture in filmed(SceneLight.MORNING)], at=local, local=local,
        areas=PictureAreas(clock=clock), freshness="live",
    )  # fmt: skip
    return judge_visit(visit_input)


@pytest.mark.parametrize(("off", "faults"), [
    (timedelta(0), ()), (timedelta(seconds=50), ()), (timedelta(minutes=7), ("clock_skew",)),
    (timedelta(minutes=-7), ("clock_skew",)), (timedelta(hours=8), ("clock_skew",)),
])  # fmt: skip
def test_end_to_end_a_clock_that_is_off_is_a_fault(off: timedelta, faults: tuple[str, ...]) -> None:
    seen = visited(NOON.replace(hour=9, minute=12, second=3) + off, SIM)
    assert seen.faults == faults
    reading = seen.quality.reading("clock_skew")
    assert reading is not None
    assert (reading.value, reading.threshold) == (abs(off.total_seconds()), 60.0)
    assert reading.gauge == "burnt_in/1"


def test_without_a_template_or_where_nothing_stands_nothing_is_said() -> None:
    for clock in (None, ClockTemplate(box=(0.4, 0.4, 0.3, 0.1))):
        assert visited(NOON, clock).quality.reading("clock_skew") is None


@pytest.mark.parametrize(("format_", "text", "at"), [
    ("%Y-%m-%d %H:%M:%S", "2026-11-22 12:34:56", NOON),
    ("%d/%m/%Y %H:%M", "22/11/2026 12:34", NOON.replace(second=0)),
    ("%y.%m.%d %H:%M:%S", "26.11.22 12:34:56", NOON),
    ("%H:%M:%S", "12:34:56", NOON),
])  # fmt: skip
def test_formats(format_: str, text: str, at: datetime) -> None:
    template = ClockTemplate(box=HERE.box, format=format_)
    read = read_clock(stamped(text), template, NOON.replace(second=0))
    assert read is not None
    assert read.at == at


@pytest.mark.parametrize("number", range(10))
def test_every_digit_dark_on_light_too(number: int) -> None:
    text = f"20{number}6-0{max(number, 1)}-1{number} 0{number}:1{number}:2{number}"
    read = read_clock(stamped(text, ground=200, ink=10), HERE, NOON)
    assert read is not None
    assert f"{read.at:%Y-%m-%d %H:%M:%S}" == text


@pytest.mark.parametrize("picture", [
    pytest.param(stamped(""), id="nothing"),
    pytest.param(stamped("2026-13-22 12:34:56"), id="no such month"),
    pytest.param(stamped("2026-11-22 12:34"), id="seconds are missing"),
    pytest.param(stamped("12026-11-22 12:34:56"), id="a digit too many"),
    pytest.param(stamped("2026-11-22 12:34:56", ground=235), id="white on white"),
    pytest.param(np.zeros((1, 1, 3), np.uint8), id="one pixel"),
    pytest.param(np.random.default_rng(2).integers(0, 255, (540, 960, 3), np.uint8), id="noise"),
])  # fmt: skip
def test_what_cannot_be_read_is_no_reading(picture: Picture) -> None:
    assert read_clock(picture, HERE, NOON) is None
    assert burnt_in_skew([picture, picture], HERE, NOON) is None


def test_a_half_covered_clock_is_never_another_time() -> None:
    for column in range(30, 360, 30):
        picture = stamped("2026-11-22 12:34:56")
        picture[20:70, column : column + 10] = 250
        read = read_clock(picture, HERE, NOON)
        assert read is None or read.at == NOON


def test_two_pictures_whose_clocks_do_not_follow_each_other_say_nothing() -> None:
    now, later = stamped("2026-11-22 12:34:56"), stamped("2026-11-22 12:39:56")
    assert burnt_in_skew([now, later], HERE, NOON) is None
    assert burnt_in_skew([later, now], HERE, NOON) is None
    soon = stamped("2026-11-22 12:34:59")
    assert burnt_in_skew([now, soon], HERE, NOON + timedelta(seconds=3)) == 0


def test_without_a_day_midnight_is_not_a_day_off() -> None:
    template = ClockTemplate(box=HERE.box, format="%H:%M:%S")
    picture = stamped("23:59:58")
    past = NOON.replace(hour=0, minute=0, second=2)
    assert burnt_in_skew([picture, picture], template, past) == -4


@pytest.mark.parametrize(("text", "wrong"), [
    ("%H:%M:%S", None), ("%Y年%m月%d日 %H:%M:%S", None), ("%I:%M", None),
    ("%Y-%m-%d", "no hour"), ("%H:%M %H", "twice"), ("%T", "'%T' is unknown"), ("%H:%M %", "'%'"),
])  # fmt: skip
def test_a_format_is_checked(text: str, wrong: str | None) -> None:
    problem = ClockPattern.format_problem(text)
    assert (problem is None) if wrong is None else (problem is not None and wrong in problem)


def test_a_shape_with_the_wrong_holes_is_hardly_a_digit() -> None:
    ring = np.zeros((48, 32), np.uint8)
    cv2.ellipse(ring, (16, 24), (13, 22), 0, 0, 360, 1, 4)
    filled = cv2.ellipse(ring.copy(), (16, 24), (13, 22), 0, 0, 360, 1, -1)
    whole, none = read_digit(ring), read_digit(np.asarray(filled, np.uint8))
    assert (whole.value, count_holes(ring)) == (0, 1)
    assert none.likeness < whole.likeness - 0.2
