"""Real fixed cameras' frames, kept beside the project: read by scene, halved by the scene's name.

The folder has the format of docs/eval.md; its pictures' rights may differ, so they stay outside the
project. The halves go by a hash of the scene's name: a scene stays in its half whatever is added,
and no threshold is chosen on a scene that judges it.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from patrol.evaluation.footage import CLIPS
from patrol.evaluation.labels import LabelledVisit, read_folder
from streams.model import BgrImage

REAL = CLIPS / "real" / "clean"
DEVELOPING, JUDGING = "training", "judging"  # the names of footage.py's halves
LIT_LEVEL = (
    45.0  # mean grey level: in the dark a cover or a blur is no fault that anybody could see
)
COLOUR_LEVEL = 12.0  # 95th percentile of the channels' range: less is infrared
FRAMES = 12  # read of one scene


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealScene:
    """One fixed camera's view, as pairs of pictures seconds apart, or of one picture."""

    name: str
    frames: Sequence[Sequence[BgrImage]]

    @property
    def is_lit(self) -> bool:
        """Whether it is day there, or lamps make it so: faults can be seen, colours too."""
        first = self.frames[0][0].astype(np.int16)
        colour = np.percentile(first.max(axis=2) - first.min(axis=2), 95)
        return float(first.mean()) >= LIT_LEVEL and float(colour) > COLOUR_LEVEL


def half_of(name: str) -> str:
    """The half that a scene belongs to. Clips cut from one place share the name before a dash."""
    return (DEVELOPING, JUDGING)[zlib.crc32(name.encode()) % 2]


def real_visits(half: str, folder: Path = REAL) -> list[LabelledVisit]:
    """The labelled visits of a half; none where the folder is not there. Raises BadLabels."""
    if not folder.is_dir():
        return []
    return [visit for visit in read_folder(folder) if half_of(visit.camera) == half]


def real_scenes(half: str, folder: Path = REAL) -> Iterator[RealScene]:
    """The scenes of a half in which a fault can be seen, one after another."""
    by_name: dict[str, list[LabelledVisit]] = {}
    for visit in real_visits(half, folder):
        by_name.setdefault(visit.camera, []).append(visit)
    for name, visits in by_name.items():
        frames = [visit.pictures() for visit in visits[:FRAMES]]
        scene = RealScene(name=name, frames=_of_one_size(frames))
        if scene.is_lit and len(_views(scene)) == 1:
            yield scene


def _of_one_size(frames: Sequence[Sequence[BgrImage]]) -> list[Sequence[BgrImage]]:
    shape = frames[0][0].shape
    return [pair for pair in frames if pair[0].shape == shape]


def _views(scene: RealScene) -> set[int]:
    """One number where all frames show one view in one light; weeks of a trail camera do not."""
    small = [
        cv2.resize(cv2.cvtColor(pair[0], cv2.COLOR_BGR2GRAY), (32, 18)).astype(np.float32).ravel()
        for pair in scene.frames
    ]
    first = small[0]
    return {int(np.corrcoef(first, one)[0, 1] < 0.8) for one in small}  # noqa: PLR2004  alike
