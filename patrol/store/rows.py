"""Dataclasses of patrol.domain as rows of a table, and back, field by field.

A field lies in the column of its own name; `columns` names the exceptions. How a value lies there
follows from the field's type: enums as their values, tuples and sets as JSON lists, mappings as
JSON objects, a dataclass as a JSON object that pydantic writes and reads (`json_keys` names the
keys that differ from its fields). Every other type is left to its column type.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache, cached_property
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from sqlalchemy import Row

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
Convert = Callable[[Any], Any]


_CONVERTERS: Final[Mapping[Any, tuple[Convert | None, Convert | None]]] = {
    bytes: (None, bytes),  # PostgreSQL's driver gives a memoryview
    frozenset: (sorted, frozenset),
    Mapping: (dict, None),
}


class _MappedField(NamedTuple):
    name: str
    column: str
    to_column: Convert | None  # None: as it is
    from_column: Convert | None


class RowMapper(Generic[T]):
    """Maps one dataclass; one a table."""

    def __init__(
        self,
        kind: type[T],
        *,
        columns: Mapping[str, str] | None = None,
        json_keys: Mapping[str, str] | None = None,
        without: Collection[str] = (),
    ) -> None:
        """`without`: fields that the caller maps itself (or that the database gives)."""
        self._kind = kind
        self._columns, self._json_keys, self._without = columns or {}, json_keys or {}, without

    @cached_property
    def _fields(self) -> Sequence[_MappedField]:
        """Made at the first row: a command reads two or three of the tables."""
        hints, columns = get_type_hints(self._kind), self._columns
        names = [field.name for field in fields(self._kind) if field.name not in self._without]  # type: ignore[arg-type]  # a dataclass
        return [
            _MappedField(name, columns.get(name, name), *_converters(hints[name], self._json_keys))
            for name in names
        ]

    def to_row(self, value: T) -> dict[str, Any]:
        """Values by column."""
        row = {}
        for name, column, convert, _ in self._fields:
            item = getattr(value, name)
            row[column] = item if convert is None or item is None else convert(item)
        return row

    def from_row(self, row: Row[Any], **others: Any) -> T:
        """The dataclass of a row; `others` are the fields of `without`. Raises ValueError."""
        for name, column, _, convert in self._fields:
            item = getattr(row, column)
            others[name] = item if convert is None or item is None else convert(item)
        return self._kind(**others)


def _converters(hint: Any, json_keys: Mapping[str, str]) -> tuple[Convert | None, Convert | None]:
    """(to the column, from the column) of a field of this type; None never comes to them."""
    hint = next((part for part in get_args(hint) if NoneType in get_args(hint)), hint)
    kind = get_origin(hint) or hint
    if is_dataclass(kind):
        return _json_converters(kind, json_keys)
    if kind is tuple:
        return (_float_list if get_args(hint)[0] is float else list), tuple
    is_enum = isinstance(kind, type) and issubclass(kind, StrEnum)
    return (None, kind) if is_enum else _CONVERTERS.get(kind, (None, None))


def _float_list(values: Collection[float]) -> list[float]:
    """Plain floats: numpy's numbers are no JSON."""
    return [float(value) for value in values]


def _json_converters(kind: Any, json_keys: Mapping[str, str]) -> tuple[Convert, Convert]:
    @cache
    def adapter() -> "TypeAdapter[Any]":
        """Made at the first value: most rows have none, and pydantic costs 50 ms."""
        from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415  see above

        config = ConfigDict(
            alias_generator=lambda name: json_keys.get(name, name), ser_json_timedelta="float"
        )
        # Of `kind | None`: a dataclass alone would have to bring its configuration along.
        return TypeAdapter(kind | None, config=config)

    return (
        lambda value: adapter().dump_python(value, mode="json", by_alias=True),
        lambda value: adapter().validate_python(value),
    )
