"""`patrol eval real`: faults on real frames, mild to severe, with a history and at first visits.

Makes the cases; real_results.py judges and counts them. A case is one thing that was put on
(lens_faults.py and here) at one severity, or nothing. The frames are real_scenes.py's; a camera's
history is its own frames, or its one still, under other exposures, shifts and grain.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import cv2
import numpy as np

from patrol.evaluation.augment import Rng, through_jpeg
from patrol.evaluation.camera_optics import Float, through_camera, to_light
from patrol.evaluation.labels import LabelledVisit
from patrol.evaluation.lens_faults import LENS_FAULTS, SEVERITIES
from patrol.evaluation.placeholders import PLACEHOLDERS, draw_placeholder
from patrol.evaluation.real_scenes import RealScene
from streams.model import BgrImage

START: Final = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)  # half past nine, Shanghai
TIMES: Final = (timedelta(0), timedelta(hours=6))  # two rounds a day
LEARNED: Final = 9  # accepted visits
SOUND: Final = 10  # visits with nothing wrong, in harder light than the history's
FROZEN: Final = 3
NINE, FIRST = "nine visits", "first visit"
VIEW: Final = 0.72  # of either side of the frame: the rest is there for the camera to turn to
TURNED: Final = (0.1, 0.2, 0.28)  # of the frame's width and height
SWAYED: Final = (0.006, 0.012, 0.03)  # of the frame's width
SLIDES: Final = 8  # of each kind of placeholder
STUCK: Final = "infrared_by_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCase:
    """What is put onto one visit, how much, and what should be told (empty: nothing)."""

    kind: str
    severity: str
    history: str
    expected: frozenset[str]


Case = tuple[FaultCase, LabelledVisit]
SOUND_KIND: Final = "sound"
NOT_NORMAL: Final = frozenset({"*"})  # any fault will do


def seeded(*names: object) -> Rng:
    """A generator that depends on these names alone."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, names)).encode()))


@dataclass(frozen=True, slots=True, eq=False)
class _Camera:
    """One scene as a camera: makes the pictures of its visits."""

    scene: RealScene

    def light(self, turn: int) -> Sequence[Float]:
        """Two pictures' light, seconds apart; a still stands still."""
        frames = self.scene.frames[turn % len(self.scene.frames)]
        pair = [to_light(frame) for frame in frames[:2]]
        return pair if len(pair) > 1 else [pair[0], pair[0]]

    def visit_light(
        self, turn: int, *, reach: float, moved: tuple[float, float] = (0, 0)
    ) -> list[Float]:
        """A visit's light: part of the frame, a little shifted, at another exposure."""
        rng = seeded(self.scene.name, turn, reach, "light")
        gain = np.float32(2.0 ** rng.uniform(-reach, reach))
        dx, dy = rng.uniform(-0.001, 0.001, 2) * (1 + 2 * reach)
        return [_window(one, dx + moved[0], dy + moved[1]) * gain for one in self.light(turn)]


def _window(light: Float, dx: float, dy: float) -> Float:
    """The middle part of the frame, moved by these shares of its size."""
    height, width = light.shape[:2]
    wide, tall = round(width * VIEW) // 2 * 2, round(height * VIEW) // 2 * 2
    centre = width * (0.5 + dx), height * (0.5 + dy)
    cut = cv2.getRectSubPix(light, (wide, tall), centre)
    return np.asarray(cut, np.float32)


def real_cases(scenes: Iterable[RealScene]) -> Iterator[list[Case]]:
    """All cases, camera by camera, each camera's in time order."""
    for scene in scenes:
        camera = _Camera(scene)
        yield list(_with_history(camera))
        yield list(_stuck(camera))
        for case in _at_first(camera):
            yield [case]


def _case(camera: str, turn: int, case: FaultCase, make: Callable[[], list[BgrImage]]) -> Case:
    at = START + timedelta(days=turn // 2) + TIMES[turn % 2]
    visit = LabelledVisit(
        camera=camera, at=at, pictures=make, accept=case.history == "", faults=case.expected,
        source=f"{camera} {case.kind} {case.severity}",
    )  # fmt: skip
    return case, visit


def _sound(camera: _Camera, turn: int, *, reach: float) -> Callable[[], list[BgrImage]]:
    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, "camera")
        grain = float(rng.uniform(0.8, 2.0 + 2 * reach))
        quality = int(rng.integers(70, 90))
        return [
            through_camera(one, rng, noise=grain, quality=quality)
            for one in camera.visit_light(turn, reach=reach)
        ]

    return make


def _spoiled(camera: _Camera, turn: int, kind: str, how: int) -> Callable[[], list[BgrImage]]:
    """A fault of LENS_FAULTS, the same on both pictures; every second visit through a recorder."""

    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, kind, how)
        seed = int(rng.integers(1 << 31))
        return [
            through_camera(
                LENS_FAULTS[kind][1](one, how, np.random.default_rng(seed)),
                rng, noise=1.2, quality=80, recorded=70 * (turn % 2),
            )
            for one in camera.visit_light(turn, reach=0.2)
        ]  # fmt: skip

    return make


def _reaimed(camera: _Camera, turn: int, how: int) -> Callable[[], list[BgrImage]]:
    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, "reaimed", how)
        most = (1 - VIEW) / 2
        dx = TURNED[how] * rng.choice([-1, 1])
        moved = float(np.clip(dx, -most, most)), float(rng.uniform(-0.4, 0.4) * TURNED[how])
        pictures = camera.visit_light(turn, reach=0.2, moved=moved)
        return [through_camera(one, rng, noise=1.2) for one in pictures]

    return make


def _shaken(camera: _Camera, turn: int, how: int) -> Callable[[], list[BgrImage]]:
    """The mount sways: seconds later the same view lies so far away."""

    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, "shaken", how)
        angle = float(rng.uniform(0, 2 * np.pi))
        far = SWAYED[how]
        moved = far * math.cos(angle), far * math.sin(angle)
        first = camera.visit_light(turn, reach=0.2)[0]
        second = camera.visit_light(turn, reach=0.2, moved=moved)[-1]
        return [through_camera(one, rng, noise=1.2) for one in (first, second)]

    return make


def _frozen(camera: _Camera, turn: int) -> Callable[[], list[BgrImage]]:
    """The last decoded picture over and over, a clock on it, encoded again by a recorder."""

    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, "frozen")
        still = through_camera(camera.visit_light(turn, reach=0.2)[0], rng, noise=1.2, quality=80)
        qualities = rng.integers(62, 88, 2)
        return [
            through_jpeg(with_clock(still, seconds), int(quality))
            for seconds, quality in zip((3, 9), qualities, strict=True)
        ]

    return make


def with_clock(picture: BgrImage, seconds: int) -> BgrImage:
    """The picture with a running clock in its corner, as a recorder burns it in."""
    height = picture.shape[0]
    shown, scale = picture.copy(), height / 720
    where = (round(20 * scale), round(40 * scale))
    for colour, thick in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(shown, f"2026-05-01 09:30:{seconds:02d}", where, cv2.FONT_HERSHEY_SIMPLEX,
                    max(0.35, scale), colour, thick, cv2.LINE_AA)  # fmt: skip
    return shown


def _grey(camera: _Camera, turn: int) -> Callable[[], list[BgrImage]]:
    """Black and white although it is day: the filter hangs."""

    def make() -> list[BgrImage]:
        rng = seeded(camera.scene.name, turn, "grey")
        pictures = []
        for one in camera.visit_light(turn, reach=0.2):
            grey = one @ np.array([0.15, 0.45, 0.40], np.float32)  # infrared counts most as red
            seen = through_camera(np.repeat(grey[..., None], 3, axis=2), rng, noise=1.2)
            level = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
            pictures.append(np.asarray(cv2.cvtColor(level, cv2.COLOR_GRAY2BGR), np.uint8))
        return pictures

    return make


def _accepted(camera: _Camera, name: str) -> Iterator[Case]:
    nothing = FaultCase(kind="history", severity="", history="", expected=frozenset())
    for turn in range(LEARNED):
        yield _case(name, turn, nothing, _sound(camera, turn, reach=0.25))


def _with_history(camera: _Camera) -> Iterator[Case]:
    """Nine accepted visits, then everything, one visit each; nothing of it is learned."""
    name = f"{camera.scene.name}-known"
    yield from _accepted(camera, name)
    turn = LEARNED
    for _ in range(SOUND):
        sound = FaultCase(kind=SOUND_KIND, severity="", history=NINE, expected=frozenset())
        yield _case(name, turn, sound, _sound(camera, turn, reach=0.7))
        turn += 1
    for kind, (fault, _) in LENS_FAULTS.items():
        for how, severity in enumerate(SEVERITIES):
            case = FaultCase(
                kind=kind, severity=severity, history=NINE, expected=frozenset({fault})
            )
            yield _case(name, turn, case, _spoiled(camera, turn, kind, how))
            turn += 1
    for _ in range(FROZEN):
        case = FaultCase(
            kind="freeze_recorded", severity="", history=NINE, expected=frozenset({"freeze"})
        )
        yield _case(name, turn, case, _frozen(camera, turn))
        turn += 1
    for how, severity in enumerate(SEVERITIES):
        shaking = frozenset({"shake"})
        case = FaultCase(kind="shake", severity=severity, history=NINE, expected=shaking)
        yield _case(name, turn, case, _shaken(camera, turn, how))
        turn += 1
    yield from _moved_away(camera, name, turn)


def _moved_away(camera: _Camera, name: str, turn: int) -> Iterator[Case]:
    shifted = frozenset({"scene_shift"})
    for how, severity in enumerate(SEVERITIES):
        case = FaultCase(kind="reaimed", severity=severity, history=NINE, expected=shifted)
        yield _case(name, turn + how, case, _reaimed(camera, turn + how, how))
    later = turn + 200  # the reference has expired: it must still be told
    case = FaultCase(kind="reaimed", severity="months later", history=NINE, expected=shifted)
    yield _case(name, later, case, _reaimed(camera, later, len(SEVERITIES) - 1))


def _stuck(camera: _Camera) -> Iterator[Case]:
    """Two rounds a day, then grey by day."""
    name = f"{camera.scene.name}-stuck"
    yield from _accepted(camera, name)
    for number in (1, 2):
        case = FaultCase(
            kind=STUCK, severity=f"visit {number}", history=NINE,
            expected=frozenset({"infrared_stuck"}),
        )  # fmt: skip
        turn = LEARNED + number
        yield _case(name, turn, case, _grey(camera, turn))


def _at_first(camera: _Camera) -> Iterator[Case]:
    """Everything that can be told at a first visit, each at a camera of its own."""
    for number in range(SOUND // 2):
        sound = FaultCase(kind=SOUND_KIND, severity="", history=FIRST, expected=frozenset())
        name = f"{camera.scene.name}-first-{number}"
        yield _case(name, number, sound, _sound(camera, number, reach=0.5))
    for kind, (fault, _) in LENS_FAULTS.items():
        for how, severity in enumerate(SEVERITIES):
            case = FaultCase(
                kind=kind, severity=severity, history=FIRST, expected=frozenset({fault})
            )
            name = f"{camera.scene.name}-first-{kind}-{severity}"
            yield _case(name, how, case, _spoiled(camera, how, kind, how))


def placeholder_cases() -> Iterator[list[Case]]:
    """Slides instead of a camera, each at a camera of its own, twice the same bytes."""
    for kind in PLACEHOLDERS:
        for number in range(SLIDES):
            name = f"{kind}-{number}"
            picture = draw_placeholder(kind, seeded(name))
            cases = [
                FaultCase(kind=kind, severity=severity, history=FIRST, expected=NOT_NORMAL)
                for severity in ("visit 1", "visit 2")
            ]
            yield [
                _single(_case(name, turn, case, partial(list, [picture])))
                for turn, case in enumerate(cases)
            ]


def _single(case: Case) -> Case:
    """The case as of a source that gives one picture a visit."""
    return case[0], replace(case[1], freshness="single")
