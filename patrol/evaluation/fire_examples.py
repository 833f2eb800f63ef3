"""The pairs that the flame gauge's weights are fitted to: real fires, and what is none.

Fires: the labelled visits of a folder in `visits.csv` form (shared/data/real/fire) and the clip of
`eval flames`, each also cut closer or wider, turned left to right, drifted, and as other cameras
would show it (exposure, colour, sharpness, noise, JPEG, size). Not fires: real pairs of flameless
clips, the same in other colours and light, stills moved a little, stills with fluttering parts, and
stills with lookalikes (lookalikes.py). Everything is drawn from generators seeded by names.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from patrol.evaluation.augment import Rng, through_jpeg
from patrol.evaluation.datasets import START, seeded_rng
from patrol.evaluation.flames import flame_visits
from patrol.evaluation.footage import PHOTOGRAPHS
from patrol.evaluation.labels import BoxPx, LabelledVisit, read_folder
from patrol.evaluation.lookalikes import LOOKALIKES, as_levels
from patrol.pixels import decode_jpeg
from streams.model import BgrImage

LONGER_PX: Final = 640  # of a negative: enough for the gauge's own size
CUTS: Final = 6  # of every labelled fire
FLAMELESS_TINTS: Final = ("red and blue exchanged", "other hues", "under a warm lamp")
DRIFT: Final = 0.02  # of the width between the pictures, in a third of the cuts
Pair = Sequence[BgrImage]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FireExample:
    """One pair, and where it burns in its first picture."""

    scene: str  # examples of one scene are never on both sides of a split
    kind: str  # `real`, or how it was made
    pictures: Pair
    flames: tuple[BoxPx, ...] = ()


def fire_examples(folder: Path) -> Iterator[FireExample]:
    """All examples of a folder with `fire/`, `clean/`, `newcomers/`, and of the built-in clips."""
    yield from burning_examples(folder)
    yield from flameless_examples(folder)


def burning_examples(folder: Path) -> Iterator[FireExample]:
    """Every labelled fire as it is, cut, and as other cameras would show it."""
    for visit in _pairs(folder / "fire"):
        if not visit.flames:
            continue
        scene, pictures = _scene(visit.camera), visit.pictures()
        yield FireExample(scene=scene, kind="real", pictures=pictures, flames=visit.flames)
        for number in range(CUTS):
            yield _cut(scene, pictures, visit.flames, seeded_rng(visit.camera, number))
    for number, visit in enumerate(flame_visits(START)):
        if not visit.flames:
            continue
        pictures = visit.pictures()
        yield FireExample(scene="house", kind="real", pictures=pictures, flames=visit.flames)
        if number % 2 == 0:
            other = as_another_camera(pictures, seeded_rng("house", number))
            yield FireExample(scene="house", kind="cut", pictures=other, flames=visit.flames)


def flameless_examples(folder: Path) -> Iterator[FireExample]:
    """Real pairs without a fire, the same in other colours, and pairs made of stills."""
    stills: dict[str, BgrImage] = {}
    for scene, pictures in _flameless_pairs(folder):
        fitted = [_fitted(picture) for picture in pictures]
        rng = seeded_rng(scene, len(stills), fitted[0].mean())
        yield FireExample(scene=scene, kind="real", pictures=fitted)
        yield FireExample(scene=scene, kind="real", pictures=as_another_camera(fitted, rng))
        stills.setdefault(scene, fitted[0])
        for kind in FLAMELESS_TINTS:
            shift, warm = int(rng.integers(180)), float(rng.uniform(0.2, 0.6))
            tinted = [_tinted(picture, kind, shift, warm) for picture in fitted]
            yield FireExample(scene=scene, kind=kind, pictures=tinted)
    for path in (*sorted((folder / "clean" / "stills").glob("*.jpg")), *PHOTOGRAPHS):
        picture = decode_jpeg(path.read_bytes()) if path.is_file() else None
        if picture is not None:
            stills[path.stem] = _fitted(picture)
    for scene, still in stills.items():
        yield from _made_of_still(scene, still)


def as_another_camera(pictures: Pair, rng: Rng) -> Pair:
    """Both pictures under one other exposure, white balance, colour, sharpness, noise and JPEG."""
    gamma, gain, colour = rng.uniform(0.6, 1.6), rng.uniform(0.7, 1.4), rng.uniform(0.5, 1.25)
    balance, blur = 1 + rng.normal(0, 0.07, 3), float(rng.choice([0, 0, 0.7, 1.3]))
    noise, quality = rng.uniform(0.5, 5), int(rng.integers(40, 92))
    made = []
    for picture in pictures:
        light = 255 * (picture / 255.0) ** gamma * gain * balance
        grey = light.mean(axis=2, keepdims=True)
        light = np.clip(grey + (light - grey) * colour, 0, 255)
        light = cv2.GaussianBlur(light, (0, 0), blur) if blur else light
        made.append(through_jpeg(as_levels(light + rng.normal(0, noise, light.shape)), quality))
    return made


def _made_of_still(scene: str, still: BgrImage) -> Iterator[FireExample]:
    for number in range(3):
        rng = seeded_rng(scene, "still", number)
        moved = _moved(still, *rng.normal(0, 1.0, 2)) * rng.uniform(0.93, 1.07)
        pair = _as_recorded((still, as_levels(moved)), rng)
        yield FireExample(scene=scene, kind="moved a little", pictures=pair)
        pair = _as_recorded((still, _fluttered(still, rng)), rng)
        yield FireExample(scene=scene, kind="flutters", pictures=pair)
    for name, make in LOOKALIKES.items():
        for number in range(2):
            rng = seeded_rng(scene, name, number)
            yield FireExample(scene=scene, kind=name, pictures=_as_recorded(make(still, rng), rng))


def _flameless_pairs(folder: Path) -> Iterator[tuple[str, Pair]]:
    for name in ("fire", "clean", "newcomers"):
        for visit in _pairs(folder / name):
            if not visit.flames:
                yield _scene(visit.camera), visit.pictures()
    for visit in flame_visits(START):
        if not visit.camera.endswith("house6"):
            yield visit.camera, visit.pictures()


def _pairs(folder: Path) -> Iterator[LabelledVisit]:
    """The folder's visits of two pictures; nothing where it is not there."""
    if folder.is_dir():
        yield from (visit for visit in read_folder(folder) if len(visit.pictures()) > 1)


def _scene(camera: str) -> str:
    """Visits and compositions of one view or one fire are one scene."""
    bare = re.sub(r"(-(day|night))?-?\d+$", "", camera)
    return "camp" if bare.startswith("far-") else bare


def _cut(scene: str, pictures: Pair, flames: tuple[BoxPx, ...], rng: Rng) -> FireExample:
    """A part of the view around the fire, nearer or farther, as another camera would show it."""
    height, width = pictures[0].shape[:2]
    x, y, w, h = flames[0]
    near = float(rng.choice([0.8, 1.2, 2.0, 4.0, 8.0]))
    wide, high = round(min(width, max(40, w * near))), round(min(height, max(36, h * near)))
    middle = x + w / 2 + rng.uniform(-0.2, 0.2) * wide, y + h / 2 + rng.uniform(-0.2, 0.2) * high
    left = int(np.clip(middle[0] - wide / 2, 0, width - wide))
    top = int(np.clip(middle[1] - high / 2, 0, height - high))
    scale = min(4.0, float(rng.choice([320, 480, 640])) / max(wide, high))
    drift = rng.uniform(-DRIFT, DRIFT, 2) * width * (rng.random() < 0.33)  # noqa: PLR2004  a third
    last = _moved(pictures[-1], *drift)
    cut = [_scaled(p[top : top + high, left : left + wide], scale) for p in (pictures[0], last)]
    boxes = tuple(
        ((a - left) * scale, (b - top) * scale, c * scale, d * scale) for a, b, c, d in flames
    )
    return FireExample(scene=scene, kind="cut", pictures=as_another_camera(cut, rng), flames=boxes)


def _scaled(picture: BgrImage, scale: float) -> BgrImage:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def _fitted(picture: BgrImage) -> BgrImage:
    scale = LONGER_PX / max(picture.shape[:2])
    return _scaled(picture, scale) if scale < 1 else picture


def _tinted(picture: BgrImage, kind: str, shift: int, warm: float) -> BgrImage:
    if kind == FLAMELESS_TINTS[0]:
        return np.ascontiguousarray(picture[:, :, ::-1])
    if kind == FLAMELESS_TINTS[1]:
        hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + shift) % 180
        hsv[..., 1:] = np.clip(hsv[..., 1:] * (1.4, 1.1), 0, 255)
        return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR), np.uint8)
    return as_levels(picture * np.array([1 - warm, 1 - 0.45 * warm, 1 + 0.25 * warm]))


def _moved(picture: BgrImage, x: float, y: float) -> BgrImage:
    height, width = picture.shape[:2]
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def _fluttered(picture: BgrImage, rng: Rng) -> BgrImage:
    """Every part moved by itself, as leaves and grass in the wind."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    coarse, depth = int(rng.integers(6, 30)), float(rng.uniform(0.4, 2))
    size = max(2, width // coarse), max(2, height // coarse)
    fields = [
        cv2.resize(rng.normal(0, depth, size[::-1]).astype(np.float32), (width, height))
        for _ in range(2)
    ]
    moved = cv2.remap(
        picture, columns + fields[0], rows + fields[1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return np.asarray(moved, np.uint8)


def _as_recorded(pictures: Pair, rng: Rng) -> Pair:
    noise, quality = rng.uniform(1, 4), int(rng.integers(60, 92))
    return [
        through_jpeg(as_levels(picture + rng.normal(0, noise, picture.shape)), quality)
        for picture in pictures
    ]
