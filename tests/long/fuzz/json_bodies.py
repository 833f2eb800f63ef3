"""Seeded JSON bodies made from a route's own schema: well-formed, nearly so, and hostile.

`json_bodies` knows the schema of a form (OpenAPI, JSON Schema 2020-12) and gives the text of a
body: most values of the right shape, so that a body gets past the form to what works with it, and
one or two damaged: another type, an extreme number, text that no column holds, nesting, a key that
is missing, strange or given twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

DEEP: Final = 1500  # beyond the parser's recursion
HOSTILE: Final[Sequence[Any]] = (
    None, True, False, 0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0, 0.1, "", " ",
    "0", "a" * 70_000, "一" * 5_000, "\u0000", "\ud800", "\u202e反", "'; DROP TABLE findings;--",
    "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "../../etc/passwd", "${PATROL_CAM_A}",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00-23:59", "2026-02-30", "24:00", "NaN", [], {},
    [[]], [None] * 3_000, {"a": {"b": {}}}, {"__proto__": 1},
)  # fmt: skip
RAW: Final = (
    "", "{", "[]", "null", "NaN", '{"a":1,"a":2}', "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP, '{"a": 1e999}', "\ufeff{}", '"x"', "{'a': 1}",
)  # fmt: skip
TEXTS: Final = ("查看", "x", "2026-11-30", "09:00", "0.1,0.1,0.2,0.2", "smoke", "F000001")
_RAW_SHARE, _EXTRA_SHARE, _MISSING_SHARE, _DAMAGE_SHARE = 0.08, 0.15, 0.25, 0.3


def json_bodies(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], known: Sequence[str], *, seed: int
) -> Iterator[str]:
    """Endless bodies of the form; `known`: ids that are there, for fields of text."""
    rng = Random(seed)
    while True:
        if rng.random() < _RAW_SHARE:
            yield rng.choice(RAW)
            continue
        body = _value(schema, definitions, known, rng)
        yield json.dumps(_damaged(body, rng), ensure_ascii=rng.random() < 0.5)


def _damaged(body: Any, rng: Random) -> Any:
    if not isinstance(body, dict):
        return body
    damaged = dict(body)
    if damaged and rng.random() < _MISSING_SHARE:
        del damaged[rng.choice(sorted(damaged))]
    if damaged and rng.random() < _DAMAGE_SHARE * 2:
        damaged[rng.choice(sorted(damaged))] = rng.choice(HOSTILE)
    if rng.random() < _EXTRA_SHARE:
        damaged[rng.choice(("extra", "", "\u0000", "camera", "by", "a" * 3_000))] = 1
    return damaged


def _value(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], known: Sequence[str], rng: Random
) -> Any:
    if rng.random() < _DAMAGE_SHARE / 5:
        return rng.choice(HOSTILE)
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _value(rng.choice(schema[several]), definitions, known, rng)
    if "enum" in schema or "const" in schema:
        return rng.choice(schema.get("enum") or [schema["const"]])
    if schema.get("type") == "object":
        return {
            name: _value(one, definitions, known, rng)
            for name, one in schema.get("properties", {}).items()
            if name in schema.get("required", ()) or rng.random() < 0.6
        }
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return [_value(items, definitions, known, rng) for _ in range(rng.randrange(4))]
    return _scalar(str(schema.get("type")), schema, known, rng)


def _scalar(kind: str, schema: Mapping[str, Any], known: Sequence[str], rng: Random) -> Any:
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -3), schema.get("maximum", 1000)
        number = rng.uniform(low, high)
        return int(number) if kind == "integer" else number
    if kind == "null":
        return None
    return rng.choice((*TEXTS, *known))
