"""models.yaml → the site's own weight files, each with what it is to be used for.

Only what is written is judged here. Whether the file is there, hashes right and answers as its
entry says is found out when the house is built; a model that does not is refused by name, and the
rounds go on without it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from patrol.inference.manifest import EntryBroken, Layout, ModelSpec, Purpose, read_entry
from patrol.settings.problems import FileNotes
from patrol.settings.yaml_file import Document, read_yaml

BY_PURPOSE: Final = (Purpose.OBJECTS, Purpose.FIRE)
NO_DETECTOR: Final = (Layout.CENTERFACE, Layout.RETINAFACE)


def load_models(path: Path, notes: FileNotes) -> tuple[ModelSpec, ...]:
    """The site's models; none when there is no file or a problem."""
    if not path.exists():
        return ()
    document = read_yaml(path, notes)
    entries = _entries(document, notes) if document is not None else None
    if document is None or entries is None:
        return ()
    models: dict[str, ModelSpec] = {}
    for name, entry in entries.items():
        model = _model(str(name), entry, document, notes)
        if model is None:
            continue
        if model.purpose in models:
            text = f"{models[model.purpose].name} is for {model.purpose} already, keep one"
            notes.problem(document.line(("models", name)), str(name), text)
        models[model.purpose] = model
    return tuple(models.values())


def _entries(document: Document, notes: FileNotes) -> Mapping[str, Any] | None:
    entries = document.data.get("models") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict) or not entries:
        notes.problem(1, "models", "is missing, write `models:` and below it entries by name")
        return None
    for key in document.data:
        if key != "models":
            notes.problem(document.line((key,)), str(key), "unknown, entries stand below `models:`")
    return entries


def _model(name: str, entry: Any, document: Document, notes: FileNotes) -> ModelSpec | None:
    try:
        model = read_entry(name, entry)
    except EntryBroken as exc:
        for where, text in exc.problems:
            notes.problem(document.line(("models", name, *where)), _field(name, *where), text)
        return None
    wrong = list(_unfit(model))
    for field, text in wrong:
        notes.problem(document.line(("models", name, field)), _field(name, field), text)
    return None if wrong else model


def _field(name: str, *where: str) -> str:
    return ".".join(("models", name, *where))


def _unfit(model: ModelSpec) -> list[tuple[str, str]]:
    """What is right in our own manifest and wrong in a site's."""
    wrong = []
    if model.own is None:
        wrong.append(("path", "is missing, say where the .onnx file lies"))
    if model.purpose not in BY_PURPOSE:
        wrong.append(("purpose", f"give one of {', '.join(BY_PURPOSE)}"))
    elif model.layout in NO_DETECTOR:
        fit = ", ".join(layout for layout in Layout if layout not in NO_DETECTOR)
        wrong.append(("layout", f"{model.layout} finds no objects, give one of {fit}"))
    if model.source is not None:
        wrong.append(("source", "a site brings its file itself, give its path"))
    return wrong
