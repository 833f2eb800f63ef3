"""Which scenes a town has: their kind, stream format, share of the cameras and variants.

A scene is one picture composition. Many cameras share one scene (a loop is encoded once, each
camera plays it from its own phase), as many yards look alike. A *variant* is the same view with
something staged in it: a problem to be found, or a harmless thing that looks like one.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

VENDORS: Final = 5
PROFILES: Final = ("town", "bench", "mixed", "tiny")


class SceneKind(StrEnum):
    """What the camera looks at."""

    YARD = auto()
    GATE = auto()
    ROAD = auto()
    CANAL = auto()


class SceneLight(StrEnum):
    """The light at the hour of the visit."""

    MORNING = auto()
    AFTERNOON = auto()
    INFRARED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFormat:
    """How a camera compresses its stream."""

    codec: str  # "h264" or "hevc"
    width: int
    height: int
    gop_s: int  # key frame interval
    kbit_s: int
    frames_per_s: int = 15
    gops: int = 3  # in a loop: never 1 or 2, or two pictures of a live camera could be bit-equal

    @property
    def gop_frames(self) -> int:
        """Frames from one key frame to the next."""
        return self.gop_s * self.frames_per_s

    @property
    def loop_frames(self) -> int:
        """Frames in the whole loop."""
        return self.gop_frames * self.gops


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A problem or a harmless object staged in a scene."""

    name: str
    problem: str | None  # the category that it truly is; None: harmless, a false alarm if told


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One composition; `name` is e.g. "gate-02"."""

    kind: SceneKind
    serial: int
    main: StreamFormat
    sub: StreamFormat
    share: float  # of all cameras, before normalisation
    vendor: int  # which camera maker's habits on the wire
    variants: tuple[Variant, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the clean scene."""
        return f"{self.kind}-{self.serial:02d}"

    def staged(self, variant: Variant) -> str:
        """Name of this scene with something in it."""
        return f"{self.name}+{variant.name}"

    def variant(self, scene_name: str) -> Variant | None:
        """The variant in a scene's full name; None for the clean scene. KeyError if unknown."""
        _, plus, wanted = scene_name.partition("+")
        if not plus:
            return None
        return {variant.name: variant for variant in self.variants}[wanted]


def _problem(name: str) -> Variant:
    return Variant(name=name, problem=name)


BLOCKING: Final = _problem("blocking_vehicle")
LIVESTOCK: Final = _problem("livestock")
NEAR_WATER: Final = _problem("person_near_water")
DUMPING: Final = _problem("dumping")
VISITOR: Final = Variant(name="visitor", problem=None)  # the household's own car at its gate
PASSER_BY: Final = Variant(name="passer_by", problem=None)  # a van that moves on
CANAL_WORKER: Final = Variant(name="keeper", problem=None)  # the canal keeper at work

BENCH_H264: Final = StreamFormat(codec="h264", width=1920, height=1080, gop_s=4, kbit_s=1500)
CLIP_1080_H264: Final = StreamFormat(codec="h264", width=1920, height=1080, gop_s=3, kbit_s=1500)
CLIP_1080_HEVC: Final = StreamFormat(codec="hevc", width=1920, height=1080, gop_s=2, kbit_s=1500)
CLIP_1440_H264: Final = StreamFormat(codec="h264", width=2560, height=1440, gop_s=3, kbit_s=2000)
CLIP_1440_HEVC: Final = StreamFormat(codec="hevc", width=2560, height=1440, gop_s=2, kbit_s=2000)
CLIP_720_H264: Final = StreamFormat(
    codec="h264", width=1280, height=720, gop_s=2, kbit_s=1000, gops=4
)
CLIP_720_HEVC: Final = StreamFormat(codec="hevc", width=1280, height=720, gop_s=4, kbit_s=1000)

_Row = tuple[SceneKind, StreamFormat, tuple[Variant, ...]]
_Y, _G, _R, _C = SceneKind.YARD, SceneKind.GATE, SceneKind.ROAD, SceneKind.CANAL

_TOWN: Final[tuple[_Row, ...]] = (
    (_Y, CLIP_1080_HEVC, ()),
    (_Y, CLIP_1080_HEVC, ()),
    (_G, CLIP_1080_HEVC, (BLOCKING,)),
    (_G, CLIP_1080_HEVC, (VISITOR,)),
    (_R, CLIP_1080_HEVC, (LIVESTOCK,)),
    (_R, CLIP_1080_HEVC, (PASSER_BY,)),
    (_C, CLIP_1080_HEVC, (CANAL_WORKER, NEAR_WATER)),
    (_Y, CLIP_1080_H264, (DUMPING,)),
    (_Y, CLIP_1080_H264, ()),
    (_G, CLIP_1080_H264, (BLOCKING,)),
    (_R, CLIP_1080_H264, (BLOCKING,)),
    (_R, CLIP_1080_H264, (LIVESTOCK,)),
    (_C, CLIP_1080_H264, (NEAR_WATER,)),
    (_Y, CLIP_1440_HEVC, ()),
    (_G, CLIP_1440_HEVC, ()),
    (_R, CLIP_1440_HEVC, ()),
    (_G, CLIP_1440_H264, ()),
    (_C, CLIP_1440_H264, ()),
    (_R, CLIP_720_H264, ()),
    (_Y, CLIP_720_HEVC, ()),
)
_FORMAT_SHARES: Final = {
    # domain: 1080p 60 %, 1440p 35 %, 720p 5 %; H.265 70 %, H.264 30 %
    CLIP_1080_HEVC: 0.420,
    CLIP_1080_H264: 0.180,
    CLIP_1440_HEVC: 0.245,
    CLIP_1440_H264: 0.105,
    CLIP_720_H264: 0.015,
    CLIP_720_HEVC: 0.035,
}
_BENCH: Final[tuple[_Row, ...]] = tuple((kind, BENCH_H264, ()) for kind in (_Y, _G, _R, _C))

_MIXED: Final[tuple[_Row, ...]] = (
    (_Y, BENCH_H264, ()),
    (_G, CLIP_1440_HEVC, ()),
    (_R, BENCH_H264, ()),
    (_C, CLIP_1440_HEVC, ()),
)

_TINY_H264: Final = StreamFormat(codec="h264", width=320, height=192, gop_s=1, kbit_s=200)
_TINY_HEVC: Final = StreamFormat(codec="hevc", width=320, height=192, gop_s=1, kbit_s=200)
_TINY: Final[tuple[_Row, ...]] = (
    (_Y, _TINY_H264, (DUMPING,)),
    (_G, _TINY_HEVC, (BLOCKING,)),
    (_R, _TINY_H264, (LIVESTOCK,)),
    (_C, _TINY_HEVC, (NEAR_WATER,)),
)


def catalogue(profile: str) -> tuple[Scene, ...]:
    """All scenes of a profile: `town`, `bench` (all 1080p H.264), `mixed`, `tiny` (for tests).

    `mixed`: 1080p H.264 and 1440p H.265, half and half.
    """
    rows = {"town": _TOWN, "bench": _BENCH, "mixed": _MIXED, "tiny": _TINY}[profile]
    shares = _FORMAT_SHARES if profile == "town" else {}
    serials = dict.fromkeys(SceneKind, 0)
    scenes = []
    for number, (kind, main, variants) in enumerate(rows):
        serials[kind] += 1
        alike = sum(1 for _, other, _ in rows if other == main)
        scenes.append(
            Scene(
                kind=kind,
                serial=serials[kind],
                main=main,
                sub=_sub_of(main),
                share=shares.get(main, 1.0) / alike,
                vendor=number % VENDORS,
                variants=variants,
            )
        )
    return tuple(scenes)


def _sub_of(main: StreamFormat) -> StreamFormat:
    """The format of the sub stream: H.264 whatever the main stream is, as most makers have it."""
    width, height, kbit_s = (640, 360, 384) if main.width > 640 else (160, 96, 64)  # noqa: PLR2004 narrower than any sub stream
    return StreamFormat(
        codec="h264",
        width=width,
        height=height,
        gop_s=main.gop_s,
        kbit_s=kbit_s,
        gops=main.gops,
    )


def by_name(scenes: tuple[Scene, ...]) -> dict[str, Scene]:
    """The scenes by their clean name."""
    return {scene.name: scene for scene in scenes}


def clean_name(scene_name: str) -> str:
    """The name of the scene without what is staged in it."""
    return scene_name.partition("+")[0]
