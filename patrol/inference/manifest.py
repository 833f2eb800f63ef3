"""What is known of each weight file: source, hash, licence, and how to speak with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from patrol.inference.errors import ManifestBroken, ModelUnknown
from patrol.inference.labels import NAMED
from patrol.parcels import Source

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)


class Layout(StrEnum):
    """How a model's output is to be read (models.yaml says it in words)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What the model eats."""

    width_px: int
    height_px: int
    rgb: bool = False
    resize: Resize = Resize.LETTERBOX
    pad: int = 114
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One weight file."""

    name: str
    purpose: str  # objects, faces, plates, fire
    sha256: str
    licence: str
    layout: Layout
    labels: tuple[str, ...]
    input: InputSpec
    credit: str = ""
    source: Source | None = None  # None: the site brings the file itself

    @property
    def gauge(self) -> str:
        """Name and version, as readings carry it."""
        return f"{self.name}/{self.sha256[:8]}"

    @property
    def file(self) -> str:
        """What its file is called."""
        return f"{self.name}.onnx"

    def path(self, models_dir: Path) -> Path:
        """Where its file lies."""
        return models_dir / self.file


Manifest = Mapping[str, ModelSpec]


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
        raise ManifestBroken(f"{where}: not YAML: {exc}".replace("\n", " ")) from exc
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ManifestBroken(f"{where}: no `models:` with entries by name")
    specs: dict[str, ModelSpec] = {}
    problems: list[str] = []
    for name, entry in entries.items():
        try:
            specs[str(name)] = read_entry(str(name), entry)
        except (KeyError, TypeError, ValueError) as exc:
            problems.append(f"{where}: {name}: {_words(exc)}")
    if problems:
        raise ManifestBroken("; ".join(problems))
    return specs


def find(name: str, manifest: Manifest | None = None) -> ModelSpec:
    """The entry. Raises ModelUnknown."""
    known = shipped() if manifest is None else manifest
    if name not in known:
        raise ModelUnknown(f"model {name!r} is not in the manifest, which has {', '.join(known)}")
    return known[name]


def read_entry(name: str, entry: Mapping[str, Any]) -> ModelSpec:
    """One entry. Raises KeyError, TypeError, ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name has lower-case letters, digits and _")
    sha256 = str(entry["sha256"])
    if not _SHA256.fullmatch(sha256):
        raise ValueError("sha256 is 64 lower-case hex digits")
    source = entry.get("source")
    return ModelSpec(
        name=name,
        purpose=str(entry.get("purpose", "objects")),
        sha256=sha256,
        licence=str(entry["licence"]),
        credit=str(entry.get("credit", "")),
        layout=Layout(entry["layout"]),
        labels=_labels(entry["labels"]),
        input=_input(entry["input"]),
        source=None if source is None else Source(**{k: str(v) for k, v in source.items()}),
    )


def _labels(value: str | list[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        if value not in NAMED:
            raise ValueError(f"labels: {value!r} is not known, give a list or {', '.join(NAMED)}")
        return NAMED[value]
    if not value:
        raise ValueError("labels: the list is empty")
    return tuple(str(label) for label in value)


def _input(value: Mapping[str, Any]) -> InputSpec:
    width, height = (int(side) for side in value["size"])
    if not (0 < width <= 4096 and 0 < height <= 4096):  # noqa: PLR2004  no detector is larger
        raise ValueError(f"input: size {width} × {height} is not one")
    channels = value.get("channels", "bgr")
    if channels not in ("bgr", "rgb"):
        raise ValueError(f"input: channels {channels!r}, give bgr or rgb")
    return InputSpec(
        width_px=width,
        height_px=height,
        rgb=channels == "rgb",
        resize=Resize(value.get("resize", "letterbox")),
        pad=int(value.get("pad", 114)),
        mean=_triple(value.get("mean", 0.0)),
        scale=_triple(value.get("scale", 1.0)),
    )


def _triple(value: float | list[float]) -> tuple[float, float, float]:
    if isinstance(value, list):
        first, second, third = (float(number) for number in value)
        return first, second, third
    return float(value), float(value), float(value)


def _words(exc: Exception) -> str:
    return f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else str(exc)
