"""Real frames for the built-in sets: Debian's `opencv-doc`, and clips kept beside the project.

Clips are split by name: thresholds were chosen on TRAINING, the figures of docs/eval.md come from
JUDGING. Clips that are not installed are left out; `patrol eval` fails when a set has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from patrol.pixels import decode_jpeg
from streams.model import BgrImage

DOCS = Path("/usr/share/doc/opencv-doc/examples/data")
CLIPS = Path(__file__).resolve().parents[3] / "shared" / "data"
MOST_FRAMES = 240  # kept of a clip, evenly: enough variety, a bounded memory


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip:
    """A fixed camera's view."""

    name: str
    path: Path
    spans: tuple[tuple[float, float], ...] = ((0.0, 1.0),)  # shares of the clip without a person
    seconds_apart: float = 3.0  # between the pictures of a visit

    @property
    def is_installed(self) -> bool:
        """Whether the file is installed."""
        return self.path.is_file()


TRAINING = (
    VideoClip(name="vtest", path=DOCS / "vtest.avi"),
    VideoClip(name="leuven", path=DOCS / "leuvenA.jpg"),
    VideoClip(name="home", path=DOCS / "home.jpg"),
    VideoClip(name="aloe", path=DOCS / "aloeL.jpg"),
)
JUDGING = (
    VideoClip(name="indoor", path=CLIPS / "person-indoor.mp4", spans=((0.0, 0.03), (0.97, 1.0))),
    VideoClip(name="tree", path=DOCS / "tree.avi", spans=((0.0, 0.65),), seconds_apart=1.0),
    VideoClip(name="fire-house", path=CLIPS / "fire-house6.mp4"),
    VideoClip(name="building", path=DOCS / "building.jpg"),
    VideoClip(name="graf", path=DOCS / "graf1.png"),
)
# More views for the clean set; nothing is put onto them. `stuff.jpg` is not among them: it is as
# soft all over as a lens out of focus by some 0.7 % of the picture's width.
TRAINING_VIEWS = (
    VideoClip(name="box-in-scene", path=DOCS / "box_in_scene.png"),
    VideoClip(name="messi", path=DOCS / "messi5.jpg"),
)
JUDGING_VIEWS = (
    VideoClip(name="basketball", path=DOCS / "basketball1.png"),
    VideoClip(name="rubberwhale", path=DOCS / "rubberwhale1.png"),
    VideoClip(name="aero", path=DOCS / "aero3.jpg"),
)
PHOTOGRAPHS = tuple(
    DOCS / name for name in ("fruits.jpg", "baboon.jpg", "box.png", "board.jpg", "apple.jpg")
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footage:
    """Pairs of frames of one clip, as the pictures of a visit."""

    name: str
    pairs: Sequence[tuple[BgrImage, BgrImage]]


@lru_cache(maxsize=12)
def load_footage(clip: VideoClip) -> Footage:
    """All pairs of a clip, evenly thinned. Raises FileNotFoundError."""
    if not clip.is_installed:
        raise FileNotFoundError(clip.path)
    video = cv2.VideoCapture(str(clip.path))
    frames: list[BgrImage] = []
    per_second = video.get(cv2.CAP_PROP_FPS) or 1.0
    while True:
        got, frame = video.read()
        if not got:
            break
        frames.append(np.asarray(frame, np.uint8))
    video.release()
    if len(frames) <= 1:
        still = frames[0] if frames else _read_still(clip.path)
        return Footage(name=clip.name, pairs=[(still, still)])
    gap = round(clip.seconds_apart * per_second)
    starts = [i for i in _in_spans(clip, len(frames)) if i + gap < len(frames)]
    gaps = gap if starts else 1
    starts = [i for i in starts if _in_one_span(clip, i, i + gaps, len(frames))] or starts
    step = max(1, len(starts) // MOST_FRAMES)
    return Footage(name=clip.name, pairs=[(frames[i], frames[i + gaps]) for i in starts[::step]])


def _read_still(path: Path) -> BgrImage:
    picture = decode_jpeg(path.read_bytes()) if path.is_file() else None
    if picture is None:
        raise FileNotFoundError(path)
    return picture


def _in_spans(clip: VideoClip, count: int) -> list[int]:
    inside = [range(round(a * count), round(b * count)) for a, b in clip.spans]
    return [i for span in inside for i in span]


def _in_one_span(clip: VideoClip, first: int, last: int, count: int) -> bool:
    return any(a * count <= first and last <= b * count for a, b in clip.spans)


@lru_cache(maxsize=1)
def photographs() -> tuple[BgrImage, ...]:
    """Pictures to cut things from; an empty tuple where none is installed."""
    return tuple(_read_still(path) for path in PHOTOGRAPHS if path.is_file())
