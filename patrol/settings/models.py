"""A pydantic model over a YAML document: every error noted under the line where it stands."""

from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from patrol.settings.fields import said
from patrol.settings.problems import FileNotes
from patrol.settings.yaml_file import Document

T = TypeVar("T")


def validate(kind: type[T] | Any, document: Document, notes: FileNotes) -> T | None:
    """The document as `kind`, or None after problems were noted."""
    try:
        value: T = TypeAdapter(kind).validate_python(document.data)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            where = _real(error["loc"])
            known = _settings_at(kind, error["loc"][:-1])
            notes.problem(document.line(where), _path(where), said(error, known))
        return None
    return value


def _real(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the marks that pydantic adds for keys and unions."""
    return tuple(part for part in location if not (isinstance(part, str) and _is_mark(part)))


def _is_mark(part: str) -> bool:
    return part == "[key]" or part.startswith(("function-", "lax-or-strict", "is-instance"))


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".") or "file"


def _settings_at(kind: Any, location: tuple[int | str, ...]) -> list[str]:
    """The settings that a mapping at `location` knows."""
    for part in location:
        model = _model(kind)
        if model is not None and part in model.model_fields:
            kind = model.model_fields[str(part)].annotation
        else:  # an item of a list, a value of a mapping
            inner = [arg for arg in get_args(_bare(kind)) if arg is not Ellipsis]
            kind = inner[-1] if inner else None
    model = _model(kind)
    return list(model.model_fields) if model is not None else []


def _bare(kind: Any) -> Any:
    """Without `| None` and Annotated."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _model(kind: Any) -> type[BaseModel] | None:
    kind = _bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
