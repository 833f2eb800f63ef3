"""Learn the reference of a camera's scene from accepted samples.

The reference is the per-pixel median of at least seven accepted samples, aligned with one another
and brought to one exposure: a person who walked through one or two of them leaves no trace. What
differs from the median in a quarter of the samples all the same (leaves, clouds, the burnt-in
clock) is remembered as the baseline and must be exceeded before it counts as change.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cv2
import numpy as np

from patrol.domain.camera import Polygon, area_hash
from patrol.domain.observation import Light
from patrol.pixels import encode_jpeg
from patrol.vision.reference.difference import compute_differences, fit_exposure
from patrol.vision.reference.registration import align, corner_points, onto_reference
from patrol.vision.reference.scene_memory import (
    REFERENCE_QUALITY,
    SAMPLE_QUALITY,
    ReferenceModel,
    SceneMemory,
    SceneState,
    decode_sample,
)
from patrol.vision.reference.small_picture import (
    Float,
    Mask,
    ScenePicture,
    SmallPicture,
    as_float,
    inner_visible_mask,
    small_picture,
)
from streams.model import BgrImage

BASELINE_PERCENTILE = 75.0
BASELINE_DILATION_PX = 5  # a leaf may be elsewhere next time
SINGLE_SAMPLE_BASELINE = 0.35  # usual differences of a reference made of a single picture


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPolicy:
    """How a reference is made and kept."""

    min_samples: int = 7  # accepted samples before anything is compared
    keep_samples: int = 9  # of which the median is taken
    lives: timedelta = timedelta(days=60)  # not refreshed for so long: learned anew
    refresh_every: timedelta = timedelta(days=3)  # a ready reference takes a new sample so often


DEFAULT_LEARNING_POLICY = LearningPolicy()


def learn_sample(
    memory: SceneMemory | None,
    picture: ScenePicture,
    at: datetime,
    *,
    visible: Polygon | None = None,
    light: Light = Light.DAY,
    policy: LearningPolicy = DEFAULT_LEARNING_POLICY,
) -> SceneMemory:
    """The memory with one more accepted sample. A suspended one stays as it is."""
    sample = small_picture(picture)
    new = SceneMemory(light=light, size=sample.size, area=area_hash(visible))
    if memory is None or memory.size != sample.size or memory.light is not light:
        memory = new
    if memory.state is SceneState.SUSPENDED:
        return memory
    if memory.expires_at is not None and at >= memory.expires_at:
        memory = new
    if memory.state is SceneState.LEARNING and memory.area not in {"", new.area}:
        memory = new  # half of its samples would be black where the others are not
    samples = (*memory.samples, encode_jpeg(sample.bgr, SAMPLE_QUALITY))[-policy.keep_samples :]
    updated = replace(
        memory, samples=samples, accepted=memory.accepted + 1, sampled_at=at, area=new.area
    )
    if updated.accepted < policy.min_samples:
        return updated
    model = make_model(samples, light, visible, base=memory.model)
    return replace(
        updated, model=model, state=SceneState.READY, learned_at=at, expires_at=at + policy.lives
    )


def wants_sample(
    memory: SceneMemory | None, at: datetime, policy: LearningPolicy = DEFAULT_LEARNING_POLICY
) -> bool:
    """Whether an ordinary good picture should be learned from now."""
    if memory is None or memory.accepted < policy.keep_samples:
        return True
    if memory.state is SceneState.SUSPENDED or memory.sampled_at is None:
        return False
    return at - memory.sampled_at >= policy.refresh_every


def accept_as_reference(
    picture: ScenePicture,
    at: datetime,
    *,
    visible: Polygon | None = None,
    light: Light = Light.DAY,
    policy: LearningPolicy = DEFAULT_LEARNING_POLICY,
) -> SceneMemory:
    """The memory with this picture as its reference, as a person accepted it.

    Ready at once; later samples refine it.
    """
    sample = small_picture(picture)
    samples = (encode_jpeg(sample.bgr, SAMPLE_QUALITY),)
    return SceneMemory(
        light=light, size=sample.size, state=SceneState.READY, samples=samples,
        accepted=1, learned_at=at, sampled_at=at, expires_at=at + policy.lives,
        model=make_model(samples, light, visible, base=None), area=area_hash(visible),
    )  # fmt: skip


def suspend_reference(memory: SceneMemory, why: str) -> SceneMemory:
    """The camera moved: no scene findings until a person re-approves."""
    return replace(memory, state=SceneState.SUSPENDED, why=why, tracks=())


def make_model(
    samples: tuple[bytes, ...],
    light: Light,
    visible: Polygon | None,
    *,
    base: ReferenceModel | None,
) -> ReferenceModel:
    """The reference of these samples, in the raster of `base` where there is one."""
    pictures = [decode_sample(jpeg) for jpeg in samples]
    where = inner_visible_mask(pictures[0].size, visible)
    colourless = light is Light.INFRARED
    aligned = _aligned(pictures, where, base)
    anchor = aligned[len(aligned) // 2]
    even = [fit_exposure(p.bgr, anchor.bgr, where, grey=colourless).apply(p.bgr) for p in aligned]
    jpeg = encode_jpeg(_median(even), REFERENCE_QUALITY)
    middle = decode_sample(jpeg)
    return ReferenceModel(
        jpeg=jpeg,
        picture=middle,
        baseline_differences=_baseline_differences(aligned, middle, where, colourless=colourless),
        sky=_sky(middle, colourless=colourless),
        points=corner_points(middle, where),
    )


def _aligned(
    pictures: list[SmallPicture], where: Mask | None, base: ReferenceModel | None
) -> list[SmallPicture]:
    """All samples in one raster; those that show another view are left out."""
    base_picture = base.picture if base is not None else pictures[-1]
    points = base.points if base is not None else corner_points(base_picture, where)
    together: list[SmallPicture] = []
    for picture in pictures:
        found = align(base_picture, picture, points)
        if found.is_reliable:
            together.append(onto_reference(picture, found)[0])
        elif found.refound >= 1.0:  # nothing to align by: taken as it is
            together.append(picture)
    return together or [base_picture]


def _median(pictures: list[BgrImage]) -> BgrImage:
    stack = np.sort(np.stack(pictures), axis=0)
    return np.ascontiguousarray(stack[len(pictures) // 2])


def _baseline_differences(
    pictures: list[SmallPicture], middle: SmallPicture, where: Mask | None, *, colourless: bool
) -> Float:
    if len(pictures) == 1:
        return np.full(middle.grey.shape, SINGLE_SAMPLE_BASELINE, np.float32)
    maps = np.stack(
        [compute_differences(p, middle, where, colourless=colourless).strongest for p in pictures]
    )
    rank = round((len(pictures) - 1) * BASELINE_PERCENTILE / 100.0)
    baseline = np.partition(maps, rank, axis=0)[rank]
    kernel = np.ones((BASELINE_DILATION_PX, BASELINE_DILATION_PX), np.uint8)
    return as_float(cv2.blur(cv2.dilate(baseline, kernel), (3, 3)))


def _sky(middle: SmallPicture, *, colourless: bool) -> Mask:
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
