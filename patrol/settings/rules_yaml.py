"""rules.yaml, optional → finding rules: what becomes a finding, how urgent, announced unreviewed.

Written by kind; what the file does not name keeps the product's rule, and `KIND: off` makes no
findings.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.observation import FAULT_FINDING_KINDS, FindingRule, FindingRules
from patrol.domain.priority import Level
from patrol.settings.config_file import FileProblemLog, did_you_mean
from patrol.settings.yaml_file import read_yaml
from patrol.settings.yaml_types import SettingsSection
from patrol.settings.yaml_validation import validate

RULE_KINDS = tuple(
    dict.fromkeys([*FAULT_FINDING_KINDS, "clock_skew", "slow_keyframe", *CATEGORY_BY_ID])
)
RULE_LEVELS = {level.value: level for level in Level} | {
    level.name.lower(): level for level in Level
}


def _check_rule_kind(kind: str) -> str:
    if kind not in RULE_KINDS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, list(RULE_KINDS))}")
    return kind


def _check_category(name: str) -> str:
    if name not in CATEGORY_BY_ID:
        raise ValueError(f"unknown category {name!r}{did_you_mean(name, list(CATEGORY_BY_ID))}")
    return name


def _parse_level(value: object) -> Level:
    level = RULE_LEVELS.get(str(value).strip())
    if level is None:
        raise ValueError(f"{value!r} is not a level, give I, II, III or IV")
    return level


class _RuleSection(SettingsSection):
    category: Annotated[str, AfterValidator(_check_category)] | None = None
    level: Annotated[Level, BeforeValidator(_parse_level)] | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    min_visits: int | None = Field(default=None, ge=1, le=50)
    unreviewed: bool = False


_RuleKind = Annotated[str, AfterValidator(_check_rule_kind)]


def _off_as_section(value: object) -> object:
    return {"off": True} if value == "off" else value


class _RuleOrOffSection(_RuleSection):
    off: Literal[True] | None = None


_RulesFile = dict[_RuleKind, Annotated[_RuleOrOffSection, BeforeValidator(_off_as_section)]]


def load_rules(path: Path, notes: FileProblemLog) -> FindingRules:
    """The site's rules over the product's; the product's alone when there is no file."""
    default_rules = FindingRules()
    if not path.exists():
        return default_rules
    document = read_yaml(path, notes)
    file: dict[str, _RuleOrOffSection] | None = (
        validate(_RulesFile, document, notes) if document is not None else None
    )
    if file is None:
        return default_rules
    return FindingRules(
        by_kind={
            **default_rules.by_kind,
            **{k: _merged_rule(k, s, default_rules) for k, s in file.items()},
        }
    )


def _merged_rule(kind: str, section: _RuleOrOffSection, default_rules: FindingRules) -> FindingRule:
    base = default_rules.by_kind.get(kind)
    if base is None:
        own = kind if kind in CATEGORY_BY_ID else "equipment"
        base = FindingRule(kind=kind, category=own, level=Level.ORDINARY)
    return FindingRule(
        kind=kind,
        category=section.category or base.category,
        level=section.level or base.level,
        min_score=base.min_score if section.min_score is None else section.min_score,
        min_visits=section.min_visits or base.min_visits,
        unreviewed=section.unreviewed,
        enabled=not section.off,
    )
