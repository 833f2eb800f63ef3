"""Column types: the same values on SQLite and on PostgreSQL.

Moments are aware and UTC. PostgreSQL has a type for that; SQLite gets fixed-width text
(`2026-11-22T01:02:03.000004Z`), whose order is the order of time and which a person with the
sqlite3 shell can read — integers would save 19 bytes a column and nobody could.
Text from outside (a camera's banner, a leader's reply) is cleaned when it is written: PostgreSQL
takes no NUL, no driver takes half a surrogate, and no column ever holds a URL with a password.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Dialect, Float, Text, TypeDecorator
from sqlalchemy.types import TypeEngine
from typing_extensions import override

from patrol.domain.access_log import utc_microseconds_text
from streams.url_secrets import hide_credentials

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def clean_text(text: str) -> str:
    """The text without NUL, lone surrogates, and user:password@ in URLs."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    text = hide_credentials(text)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, UTC on both sides; naive ones are refused."""

    impl = Text
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import TIMESTAMP  # noqa: PLC0415  40 ms

            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"not UTC, not even aware: {value!r}")
        return (
            value.astimezone(UTC) if dialect.name == "postgresql" else utc_microseconds_text(value)
        )

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Free text, cleaned by `clean_text` when it is written."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean_text(value)


class NullableFloat(TypeDecorator[float]):
    """A measured number; not-a-number is stored as NULL (SQLite has no other way)."""

    impl = Float
    cache_ok = True

    @override
    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    @override
    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


def dump_json(value: object) -> str:
    """JSON that both databases read: NaN and infinities become null, text is cleaned."""
    try:
        text = _COMPACT.encode(value)
    except ValueError:
        text = _COMPACT.encode(_without_strange_numbers(value))
    return clean_text(text.replace("\\u0000", "\ufffd"))


def _without_strange_numbers(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_strange_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_strange_numbers(item) for item in value]
    return value
