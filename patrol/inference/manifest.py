"""The manifest of weight files: ours, and how any other is read (its entries: ports.weights)."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from patrol.inference.errors import ManifestBroken, ModelUnknown
from patrol.ports.weights import (
    EntryBroken,
    InputSpec,
    Layout,
    ModelSpec,
    Resize,
    read_entry,
)

__all__ = [
    "InputSpec", "Layout", "Manifest", "ModelSpec", "Resize", "find", "read_manifest", "shipped",
]  # fmt: skip

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
    """The entry. Raises ModelUnknown."""
    known = shipped() if manifest is None else manifest
    if name not in known:
        raise ModelUnknown(f"model {name!r} is not in the manifest, which has {', '.join(known)}")
    return known[name]
