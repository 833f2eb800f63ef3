"""A YAML document → a pydantic model; every error is noted under the line where it stands."""

from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from patrol.settings.config_file import FileProblemLog
from patrol.settings.yaml_file import YamlDocument
from patrol.settings.yaml_types import error_message

T = TypeVar("T")


def validate(kind: type[T] | Any, document: YamlDocument, notes: FileProblemLog) -> T | None:
    """The document as `kind`, or None after problems were noted."""
    try:
        value: T = TypeAdapter(kind).validate_python(document.data)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            where = _without_markers(error["loc"])
            known = _settings_at(kind, error["loc"][:-1])
            notes.add_problem(document.line(where), _path(where), error_message(error, known))
        return None
    return value


def _without_markers(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the markers that pydantic adds for keys and unions."""
    return tuple(part for part in location if not (isinstance(part, str) and _is_marker(part)))


def _is_marker(part: str) -> bool:
    return part == "[key]" or part.startswith(("function-", "lax-or-strict", "is-instance"))


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".") or "file"


def _settings_at(kind: Any, location: tuple[int | str, ...]) -> list[str]:
    """Names of the settings that the mapping at `location` may have."""
    for part in location:
        model = _model_type(kind)
        fields = _fields_by_key(model) if model is not None else {}
        if part in fields:
            kind = fields[str(part)].annotation
        else:  # an item of a list, a value of a mapping
            inner = [arg for arg in get_args(_unwrapped_type(kind)) if arg is not Ellipsis]
            kind = inner[-1] if inner else None
    model = _model_type(kind)
    return list(_fields_by_key(model)) if model is not None else []


def _fields_by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields under the names that a file gives them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _unwrapped_type(kind: Any) -> Any:
    """Without `| None` and Annotated."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _model_type(kind: Any) -> type[BaseModel] | None:
    kind = _unwrapped_type(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
