"""Learn what a camera's scene looks like when nothing is wrong.

The reference is the per-pixel median of at least seven accepted samples, aligned with one another
and brought to one exposure: a person who walked through one or two of them leaves no trace. What
differs from the median in a quarter of the samples all the same (leaves, clouds, the burnt-in
clock) is remembered as *usual* and must be exceeded before it counts as change.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.domain.zone import Polygon, area_mark
from patrol.vision.reference.align import align, corner_points, onto_reference
from patrol.vision.reference.differences import differences
from patrol.vision.reference.memory import (
    REFERENCE_QUALITY,
    SAMPLE_QUALITY,
    Model,
    SceneMemory,
    SceneState,
    decode,
    encode,
)
from patrol.vision.reference.tone import fit_tone
from patrol.vision.reference.working import (
    Float,
    Mask,
    Working,
    as_float,
    visible_mask,
    working,
)
from streams.model import BgrImage

USUAL_PERCENTILE = 75.0
USUAL_REACH_PX = 5  # a leaf may be elsewhere next time
USUAL_CLOCK = 0.35  # usual differences of a reference made of a single picture


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPolicy:
    """How a reference is made and kept."""

    min_samples: int = 7  # accepted samples before anything is compared
    keep_samples: int = 9  # of which the median is taken
    lives: timedelta = timedelta(days=60)  # not refreshed for so long: learned anew
    refresh_every: timedelta = timedelta(days=3)  # a ready reference takes a new sample so often


DEFAULT = LearningPolicy()


def learn(
    memory: SceneMemory | None,
    picture: NDArray[np.generic],
    at: datetime,
    *,
    visible: Polygon | None = None,
    light: Light = Light.DAY,
    policy: LearningPolicy = DEFAULT,
) -> SceneMemory:
    """The memory with one more accepted sample. A suspended one stays as it is."""
    sample = working(picture)
    new = SceneMemory(light=light, size=sample.size, area=area_mark(visible))
    if memory is None or memory.size != sample.size or memory.light is not light:
        memory = new
    if memory.state is SceneState.SUSPENDED:
        return memory
    if memory.expires_at is not None and at >= memory.expires_at:
        memory = new
    if memory.state is SceneState.LEARNING and memory.area not in {"", new.area}:
        memory = new  # half of its samples would be black where the others are not
    samples = (*memory.samples, encode(sample.bgr, SAMPLE_QUALITY))[-policy.keep_samples :]
    taught = replace(
        memory, samples=samples, accepted=memory.accepted + 1, taught_at=at, area=new.area
    )
    if taught.accepted < policy.min_samples:
        return taught
    model = make_model(samples, light, visible, base=memory.model)
    return replace(
        taught, model=model, state=SceneState.READY, learned_at=at, expires_at=at + policy.lives
    )


def wants_sample(
    memory: SceneMemory | None, at: datetime, policy: LearningPolicy = DEFAULT
) -> bool:
    """Whether an ordinary good picture should be learned from now."""
    if memory is None or memory.accepted < policy.keep_samples:
        return True
    if memory.state is SceneState.SUSPENDED or memory.taught_at is None:
        return False
    return at - memory.taught_at >= policy.refresh_every


def accept_as_new_normal(
    picture: NDArray[np.generic],
    at: datetime,
    *,
    visible: Polygon | None = None,
    light: Light = Light.DAY,
    policy: LearningPolicy = DEFAULT,
) -> SceneMemory:
    """A person said: so it looks from now on. Ready at once; later samples refine it."""
    sample = working(picture)
    samples = (encode(sample.bgr, SAMPLE_QUALITY),)
    return SceneMemory(
        light=light, size=sample.size, state=SceneState.READY, samples=samples,
        accepted=1, learned_at=at, taught_at=at, expires_at=at + policy.lives,
        model=make_model(samples, light, visible, base=None), area=area_mark(visible),
    )  # fmt: skip


def suspend(memory: SceneMemory, why: str) -> SceneMemory:
    """The camera moved: no scene findings until a person re-approves."""
    return replace(memory, state=SceneState.SUSPENDED, why=why, tracks=())


def make_model(
    samples: tuple[bytes, ...], light: Light, visible: Polygon | None, *, base: Model | None
) -> Model:
    """The reference of these samples, in the raster of `base` where there is one."""
    pictures = [decode(jpeg) for jpeg in samples]
    where = visible_mask(pictures[0].size, visible)
    colourless = light is Light.INFRARED
    aligned = _aligned(pictures, where, base)
    anchor = aligned[len(aligned) // 2]
    even = [fit_tone(p.bgr, anchor.bgr, where, grey=colourless).apply(p.bgr) for p in aligned]
    jpeg = encode(_median(even), REFERENCE_QUALITY)
    middle = decode(jpeg)
    return Model(
        jpeg=jpeg,
        picture=middle,
        usual=_usual(aligned, middle, where, colourless=colourless),
        sky=_sky(middle, colourless=colourless),
        points=corner_points(middle, where),
    )


def _aligned(pictures: list[Working], where: Mask | None, base: Model | None) -> list[Working]:
    """All samples in one raster; those that show another view are left out."""
    ground = base.picture if base is not None else pictures[-1]
    points = base.points if base is not None else corner_points(ground, where)
    together: list[Working] = []
    for picture in pictures:
        found = align(ground, picture, points)
        if found.sure:
            together.append(onto_reference(picture, found)[0])
        elif found.refound >= 1.0:  # nothing to align by: taken as it is
            together.append(picture)
    return together or [ground]


def _median(pictures: list[BgrImage]) -> BgrImage:
    stack = np.sort(np.stack(pictures), axis=0)
    return np.ascontiguousarray(stack[len(pictures) // 2])


def _usual(
    pictures: list[Working], middle: Working, where: Mask | None, *, colourless: bool
) -> Float:
    if len(pictures) == 1:
        return np.full(middle.grey.shape, USUAL_CLOCK, np.float32)
    maps = np.stack(
        [differences(p, middle, where, colourless=colourless).strongest for p in pictures]
    )
    rank = round((len(pictures) - 1) * USUAL_PERCENTILE / 100.0)
    usual = np.partition(maps, rank, axis=0)[rank]
    reach = np.ones((USUAL_REACH_PX, USUAL_REACH_PX), np.uint8)
    return as_float(cv2.blur(cv2.dilate(usual, reach), (3, 3)))


def _sky(middle: Working, *, colourless: bool) -> Mask:
    """Bright, smooth and connected with the upper edge: clouds come and go there."""
    grey = middle.grey
    mean = cv2.blur(grey, (9, 9))
    smooth = cv2.blur(grey * grey, (9, 9)) - mean * mean < 40.0  # noqa: PLR2004  σ ≈ 6 levels
    blue, _, red = cv2.split(cv2.blur(middle.bgr, (9, 9)).astype(np.float32))
    likely = smooth & (mean > 110.0) & (blue > red - 8.0)  # noqa: PLR2004
    if colourless:
        return np.zeros(grey.shape, bool)
    count, labels = cv2.connectedComponents(likely.astype(np.uint8))
    touching = np.unique(labels[0][likely[0]]) if count > 1 else np.zeros(0, np.int32)
    return np.isin(labels, touching[touching > 0])
