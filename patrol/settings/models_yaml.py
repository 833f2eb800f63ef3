"""models.yaml, optional → the site's own weight files, each with its purpose.

Only what is written is checked here. Whether the file is there, hashes right and answers as its
entry says is found out when it is opened (app/detectors.py): a model that does not is refused by
name, and rounds run without it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from patrol.inference.manifest import EntryBroken, Layout, ModelSpec, Purpose, read_entry
from patrol.settings.config_file import FileProblemLog
from patrol.settings.yaml_file import YamlDocument, read_yaml

SITE_PURPOSES: Final = (Purpose.OBJECTS, Purpose.FIRE)
NON_DETECTOR_LAYOUTS: Final = (Layout.CENTERFACE, Layout.RETINAFACE)


def load_models(path: Path, base: Path, notes: FileProblemLog) -> tuple[ModelSpec, ...]:
    """The site's models; none when there is no file or a problem. Paths count from `base`."""
    if not path.exists():
        return ()
    document = read_yaml(path, notes)
    entries = _model_entries(document, notes) if document is not None else None
    if document is None or entries is None:
        return ()
    models: dict[str, ModelSpec] = {}
    for name, entry in entries.items():
        model = _read_model(str(name), entry, document, notes)
        if model is None:
            continue
        if model.purpose in models:
            text = f"{models[model.purpose].name} is for {model.purpose} already, keep one"
            notes.add_problem(document.line(("models", name)), str(name), text)
        own = None if model.own is None else base.resolve() / model.own
        models[model.purpose] = replace(model, own=own)
    return tuple(models.values())


def _model_entries(document: YamlDocument, notes: FileProblemLog) -> Mapping[str, Any] | None:
    entries = document.data.get("models") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict) or not entries:
        notes.add_problem(1, "models", "is missing, write `models:` and below it entries by name")
        return None
    for key in document.data:
        if key != "models":
            notes.add_problem(
                document.line((key,)), str(key), "unknown, entries stand below `models:`"
            )
    return entries


def _read_model(
    name: str, entry: Any, document: YamlDocument, notes: FileProblemLog
) -> ModelSpec | None:
    try:
        model = read_entry(name, entry)
    except EntryBroken as exc:
        for where, text in exc.problems:
            notes.add_problem(
                document.line(("models", name, *where)), _model_field(name, *where), text
            )
        return None
    wrong = list(_site_model_problems(model))
    for field, text in wrong:
        notes.add_problem(document.line(("models", name, field)), _model_field(name, field), text)
    return None if wrong else model


def _model_field(name: str, *where: str) -> str:
    return ".".join(("models", name, *where))


def _site_model_problems(model: ModelSpec) -> list[tuple[str, str]]:
    """Problems of an entry that only the product's own manifest may have."""
    wrong = []
    if model.own is None:
        wrong.append(("path", "is missing, say where the .onnx file lies"))
    if model.purpose not in SITE_PURPOSES:
        wrong.append(("purpose", f"give one of {', '.join(SITE_PURPOSES)}"))
    elif model.layout in NON_DETECTOR_LAYOUTS:
        fit = ", ".join(layout for layout in Layout if layout not in NON_DETECTOR_LAYOUTS)
        wrong.append(("layout", f"{model.layout} finds no objects, give one of {fit}"))
    if model.source is not None:
        wrong.append(("source", "a site brings its file itself, give its path"))
    return wrong
