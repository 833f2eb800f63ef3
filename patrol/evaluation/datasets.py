"""The built-in sets of `patrol eval`: real frames with faults, new objects, shadows, fire or smoke.

Each set yields labelled visits, the same every time: everything random is drawn from a generator
seeded by the visit's own name. A camera is a clip in one light; its first visits are accepted, so
that references are learned as in service. The frames come from footage.py.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import numpy as np
from typing_extensions import Unpack

from patrol.domain.observation import Light
from patrol.evaluation.augment import (
    Conditions,
    Rng,
    apply_conditions,
    cast_shadow,
    draw_conditions,
)
from patrol.evaluation.flames import flame_visits
from patrol.evaluation.footage import (
    JUDGING,
    JUDGING_VIEWS,
    TRAINING,
    TRAINING_VIEWS,
    Footage,
    VideoClip,
    load_footage,
    photographs,
)
from patrol.evaluation.insert_objects import (
    ObjectBoxPx,
    ObjectMaker,
    choose_box,
    crate,
    cutting,
    heap,
    paste_object,
    vehicle,
)
from patrol.evaluation.labels import BoxPx, LabelledVisit
from patrol.evaluation.synthesize_faults import FAULT_MAKERS, FREEZE, SEVERITIES, apply_fault
from patrol.evaluation.synthesize_smoke import Plume, draw_plume, plume_box, with_plume
from streams.model import BgrImage

START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)  # ten in the morning, Shanghai
EVERY = timedelta(hours=12)
LEARNED = 9  # accepted visits before anything is judged
PER_CLIP = 60  # judged visits of a camera of new objects: a third with one, two thirds clean
SMOKY = 40  # visits of a clip, half of them under a plume
SHADOWED = 24  # visits of a clip with a cast shadow
CROPS = 4  # cameras made of one clip: parts of its view, every other one mirrored
CROPPED = 0.7  # of either side
FIRST_DAYS = 4  # visits until such a camera has a reference; clean and counted like the others
LATER_DAYS = 6
PAIRS_OF_A_CROP = 40
UNBURNT = 1.15  # exposure: more of it burns out the skies of these views, and that is a fault
VIEWS = {"training": TRAINING + TRAINING_VIEWS, "judging": JUDGING + JUDGING_VIEWS}
HALVES = {"training": TRAINING, "judging": JUDGING}
Change = Callable[[BgrImage, Rng], BgrImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecipe:
    """How one visit's pictures are made; `seed` fixes everything that is drawn."""

    clip: Footage
    infrared: bool
    mild: bool
    seed: str
    brightest: float = 1.4  # most exposure, where it is not mild
    put_on: tuple[ObjectBoxPx, ObjectMaker] | None = None
    shadow: bool = False
    plume: Plume | None = None
    fault: str = ""
    severity: int = 0

    def pictures(self) -> list[BgrImage]:
        """Two pictures of one moment, through the same conditions."""
        rng = seeded_rng(self.seed)
        how = (
            mild_conditions(rng, infrared=self.infrared)
            if self.mild
            else draw_conditions(rng, infrared=self.infrared)
        )
        how = replace(how, exposure=min(how.exposure, self.brightest))
        pair = list(self.clip.pairs[int(rng.integers(len(self.clip.pairs)))])
        if self.shadow:
            pair = [cast_shadow(picture, seeded_rng(self.seed, "shadow")) for picture in pair]
        if self.plume is not None:
            pair = [with_plume(picture, self.plume, later) for later, picture in enumerate(pair)]
        if self.put_on is not None:
            box, kind = self.put_on
            pair = [
                paste_object(picture, box, kind, seeded_rng(self.seed, "thing")) for picture in pair
            ]
        seen = [apply_conditions(picture, how, rng) for picture in pair]
        return apply_fault(self.fault, seen, self.severity, rng) if self.fault else seen


def seeded_rng(*names: object) -> Rng:
    """A generator that depends on these names alone."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, names)).encode()))


def mild_conditions(rng: Rng, *, infrared: bool) -> Conditions:
    """An ordinary day: the light that a reference is learned in."""
    return Conditions(
        exposure=float(rng.uniform(0.88, 1.12)),
        shift_px=(float(rng.uniform(-2, 2)), float(rng.uniform(-2, 2))),
        noise=float(rng.uniform(0.8, 2.0)),
        infrared=infrared,
    )


def installed_clips(half: str) -> list[VideoClip]:
    """The clips of a half (`training` or `judging`) that are installed."""
    return [clip for clip in HALVES[half] if clip.is_installed]


def object_makers() -> list[ObjectMaker]:
    """The kinds of objects that can be pasted into a frame."""
    cut = photographs()
    return [heap, crate, vehicle, *([cutting(cut)] if cut else [])]


class Labels(TypedDict, total=False):
    """The fields of LabelledVisit that say what is truly in a visit."""

    faults: frozenset[str]
    new_objects: tuple[BoxPx, ...]
    smoke: tuple[BoxPx, ...]
    accept: bool


def _visit(camera: str, turn: int, recipe: VisitRecipe, **labels: Unpack[Labels]) -> LabelledVisit:
    return LabelledVisit(
        camera=camera,
        at=START + turn * EVERY,
        pictures=recipe.pictures,
        light=Light.INFRARED if recipe.infrared else Light.DAY,
        source=f"{recipe.clip.name} {turn}",
        **labels,
    )


def _learning_visits(camera: str, clip: Footage, *, infrared: bool) -> Iterator[LabelledVisit]:
    for turn in range(LEARNED):
        recipe = VisitRecipe(clip=clip, infrared=infrared, mild=True, seed=f"{camera}/{turn}")
        yield _visit(camera, turn, recipe, accept=True)


def new_object_set(half: str) -> Iterator[LabelledVisit]:
    """Clean visits and visits with one object, under ±40 % exposure, 8 px shift, in both lights."""
    for clip in installed_clips(half):
        for infrared in (False, True):
            yield from _new_object_visits(load_footage(clip), infrared=infrared)


def _new_object_visits(clip: Footage, *, infrared: bool) -> Iterator[LabelledVisit]:
    camera = f"newcomers-{clip.name}-{'infrared' if infrared else 'day'}"
    yield from _learning_visits(camera, clip, infrared=infrared)
    height, width = clip.pairs[0][0].shape[:2]
    kinds = object_makers()
    for turn in range(LEARNED, LEARNED + PER_CLIP):
        seed = f"{camera}/{turn}"
        box = None
        if turn % 3 == 0:
            rng = seeded_rng(seed, "place")
            box = choose_box((width, height), rng)
        recipe = VisitRecipe(
            clip=clip, infrared=infrared, mild=False, seed=seed,
            put_on=(box, kinds[turn // 3 % len(kinds)]) if box else None,
        )  # fmt: skip
        yield _visit(camera, turn, recipe, new_objects=(box,) if box else ())


def shadow_set(half: str) -> Iterator[LabelledVisit]:
    """Nothing new, but a hard shadow over a part of every picture, in the same changing light."""
    for clip in (load_footage(clip) for clip in installed_clips(half)):
        camera = f"shadows-{clip.name}"
        yield from _learning_visits(camera, clip, infrared=False)
        for turn in range(LEARNED, LEARNED + SHADOWED):
            recipe = VisitRecipe(
                clip=clip, infrared=False, mild=False, seed=f"{camera}/{turn}", shadow=True
            )
            yield _visit(camera, turn, recipe, new_objects=(), smoke=())


def fault_set(half: str, severities: Sequence[int] = (1,)) -> Iterator[LabelledVisit]:
    """Every fault on every clip, day and infrared, with clean visits between."""
    for clip in installed_clips(half):
        for infrared in (False, True):
            for severity in severities:
                yield from _fault_visits(load_footage(clip), severity, infrared=infrared)


def _fault_visits(clip: Footage, severity: int, *, infrared: bool) -> Iterator[LabelledVisit]:
    light = "infrared" if infrared else "day"
    camera = f"faults-{clip.name}-{light}-{SEVERITIES[severity]}"
    yield from _learning_visits(camera, clip, infrared=infrared)
    kinds = [kind for kind in (*FAULT_MAKERS, FREEZE) if not (infrared and kind == "color_cast")]
    for turn, kind in enumerate(_with_clean(kinds), start=LEARNED):
        recipe = VisitRecipe(
            clip=clip, infrared=infrared, mild=True, seed=f"{camera}/{turn}", fault=kind,
            severity=severity,
        )  # fmt: skip
        yield _visit(camera, turn, recipe, faults=frozenset({kind} - {""}))


def _with_clean(kinds: Sequence[str]) -> Iterator[str]:
    """Two rounds of all kinds; scene_shift last, as it suspends the reference."""
    for kind in [*(k for k in kinds if k != "scene_shift")] * 2:
        yield kind
        yield ""
    yield from ("scene_shift", "scene_shift")


def clean_set(half: str) -> Iterator[LabelledVisit]:
    """Nothing wrong at all: many views, from the first visit on, in ever changing light."""
    for clip in (clip for clip in VIEWS[half] if clip.is_installed):
        for crop in range(CROPS):
            for infrared in (False, True):
                yield from _clean_visits(
                    _cropped_footage(load_footage(clip), crop), infrared=infrared
                )


def _clean_visits(clip: Footage, *, infrared: bool) -> Iterator[LabelledVisit]:
    camera = f"clean-{clip.name}-{'infrared' if infrared else 'day'}"
    for turn in range(FIRST_DAYS + LATER_DAYS):
        first = turn < FIRST_DAYS
        recipe = VisitRecipe(
            clip=clip, infrared=infrared, mild=first, seed=f"{camera}/{turn}", brightest=UNBURNT
        )
        yield _visit(camera, turn, recipe, accept=first, faults=frozenset())


def _cropped_footage(whole: Footage, crop: int) -> Footage:
    """One part of the view, as another camera's."""
    rng = seeded_rng("crop", whole.name, crop)
    height, width = whole.pairs[0][0].shape[:2]
    tall, wide = round(height * CROPPED), round(width * CROPPED)
    y, x = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    turned = slice(None, None, -1 if crop % 2 else 1)
    pairs = [
        (
            np.ascontiguousarray(first[y : y + tall, x : x + wide][:, turned]),
            np.ascontiguousarray(second[y : y + tall, x : x + wide][:, turned]),
        )
        for first, second in whole.pairs[:: max(1, len(whole.pairs) // PAIRS_OF_A_CROP)]
    ]
    return Footage(name=f"{whole.name}-{crop}", pairs=pairs)


def flame_set(_half: str) -> Iterator[LabelledVisit]:
    """The clip with labelled flames, and clips without any."""
    return flame_visits(START)


def smoke_set(half: str) -> Iterator[LabelledVisit]:
    """Every other visit under a plume, the rest as clear as ever, in the same changing light."""
    for clip in (load_footage(clip) for clip in installed_clips(half)):
        camera = f"smoke-{clip.name}"
        yield from _learning_visits(camera, clip, infrared=False)
        height, width = clip.pairs[0][0].shape[:2]
        for turn in range(LEARNED, LEARNED + SMOKY):
            seed = f"{camera}/{turn}"
            plume = draw_plume(seeded_rng(seed, "plume")) if turn % 2 else None
            box = plume_box((width, height), plume) if plume is not None else None
            recipe = VisitRecipe(
                clip=clip, infrared=False, mild=True, seed=seed, plume=plume if box else None
            )
            yield _visit(camera, turn, recipe, smoke=(box,) if box else ())


SETS: dict[str, Callable[[str], Iterator[LabelledVisit]]] = {
    "faults": fault_set, "clean": clean_set, "newcomers": new_object_set, "shadows": shadow_set,
    "flames": flame_set, "smoke": smoke_set,
}  # fmt: skip
