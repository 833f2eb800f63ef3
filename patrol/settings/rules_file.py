"""rules.yaml → which observations make findings, as what, how urgent, and which go out unreviewed.

Written by kind; what the file does not name keeps the house's own rule, and `KIND: off` makes no
findings at all.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from patrol.domain.category import BY_ID
from patrol.domain.levels import Level
from patrol.domain.rules import PICTURE_FAULT_LEADS, Rule, Rules
from patrol.settings.fields import Section
from patrol.settings.models import validate
from patrol.settings.problems import FileNotes, did_you_mean
from patrol.settings.yaml_file import read_yaml

KINDS = tuple(dict.fromkeys([*PICTURE_FAULT_LEADS, "clock_skew", "slow_keyframe", *BY_ID]))
LEVELS = {level.value: level for level in Level} | {level.name.lower(): level for level in Level}


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, list(KINDS))}")
    return kind


def _category(name: str) -> str:
    if name not in BY_ID:
        raise ValueError(f"unknown category {name!r}{did_you_mean(name, list(BY_ID))}")
    return name


def _level(value: object) -> Level:
    level = LEVELS.get(str(value).strip())
    if level is None:
        raise ValueError(f"{value!r} is not a level, give I, II, III or IV")
    return level


class _RuleSection(Section):
    category: Annotated[str, AfterValidator(_category)] | None = None
    level: Annotated[Level, BeforeValidator(_level)] | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    min_visits: int | None = Field(default=None, ge=1, le=50)
    unreviewed: bool = False


_Kind = Annotated[str, AfterValidator(_known_kind)]


def _off(value: object) -> object:
    return {"off": True} if value == "off" else value


class _RuleOrOff(_RuleSection):
    off: Literal[True] | None = None


_File = dict[_Kind, Annotated[_RuleOrOff, BeforeValidator(_off)]]


def load_rules(path: Path, notes: FileNotes) -> Rules:
    """The site's rules over the house's; the house's alone when there is no file."""
    house = Rules()
    if not path.exists():
        return house
    document = read_yaml(path, notes)
    file: dict[str, _RuleOrOff] | None = (
        validate(_File, document, notes) if document is not None else None
    )
    if file is None:
        return house
    return Rules(by_kind={**house.by_kind, **{k: _rule(k, s, house) for k, s in file.items()}})


def _rule(kind: str, section: _RuleOrOff, house: Rules) -> Rule:
    base = house.by_kind.get(kind)
    if base is None:
        own = kind if kind in BY_ID else "equipment"
        base = Rule(kind=kind, category=own, level=Level.ORDINARY)
    return Rule(
        kind=kind,
        category=section.category or base.category,
        level=section.level or base.level,
        min_score=base.min_score if section.min_score is None else section.min_score,
        min_visits=section.min_visits or base.min_visits,
        unreviewed=section.unreviewed,
        enabled=not section.off,
    )
