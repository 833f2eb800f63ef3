"""Every member has a label in both languages, and labels stand in labels.py alone."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from patrol.county.overview import Contact
from patrol.county.town_client import TownProblem
from patrol.domain import county_labels, labels, stream_labels, town_labels
from patrol.domain.account import API_SCOPES, AccountRole
from patrol.domain.broadcast import BroadcastState
from patrol.domain.camera import ConsentState, Priority, Refusal
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.case_timers import ApprovalKind
from patrol.domain.finding import CATEGORIES, DismissReason, FilingSource, FindingState
from patrol.domain.hand_off import HandOffChannel, HandOffState
from patrol.domain.health import CameraCondition, TroubleKind
from patrol.domain.human_patrol import CheckOutcome, HumanPatrolState
from patrol.domain.labels import Labels
from patrol.domain.observation import Light, Subject
from patrol.domain.outage import OutageGroup
from patrol.domain.outbox import DeliveryState
from patrol.domain.picture_link import LinkState
from patrol.domain.priority import DueLight, Level
from patrol.domain.registry import Role
from patrol.domain.review_alarm import AlarmStep
from patrol.domain.round import RoundState, VisitOutcome
from patrol.domain.round_duty import RoundDutyAction
from patrol.domain.schedule import StoppageScope
from patrol.domain.supervision import OverdueStep
from patrol.inference.manifest import COCO80
from patrol.vision.change.regions import Cause
from patrol.vision.quality.report import PictureFault
from patrol.vision.reference.scene_memory import SceneState
from streams.errors import StreamError
from streams.model import Freshness, MediaClock, WallClock

PATROL = Path(__file__).parents[2] / "patrol"
VERB_TABLES = {"verbs.py", "town_verbs.py"}  # verbs of the command line, with their help
LABEL_MODULES = {
    "access_labels.py",
    "county_labels.py",
    "ground_labels.py",
    "document_labels.py",
    "labels.py",
    "log_labels.py",
    "stored_texts.py",
    "object_labels.py",
    "stream_labels.py",
    "town_labels.py",
    "state_labels.py",
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
TEMPLATE_PAIR = re.compile(r"[\"'](\w+)[\"']\s*:\s*[\"'][^\"']*[\u4e00-\u9fff]")
TABLES: dict[str, Labels] = {
    name: table
    for module in (county_labels, labels, stream_labels, town_labels)
    for name, table in vars(module).items()
    if isinstance(table, dict) and name.isupper() and name != "CATEGORY_BY_ID"
}
MEMBERS: dict[str, Iterable[str]] = {
    "ACCESS_ACTIONS": (),
    "COUNTY_FIGURES": (),
    "ROUND_REASONS": (),
    "TOWN_CONTACT": Contact,
    "TOWN_PROBLEMS": TownProblem,
    "ALARM_STEPS": AlarmStep,
    "CHECK_OUTCOMES": CheckOutcome,
    "HUMAN_PATROL_STATES": HumanPatrolState,
    "OVERDUE_STEPS": OverdueStep,
    "PACK_PERIODS": (),
    "BROADCAST_STATES": BroadcastState,
    "HAND_OFF_CHANNELS": HandOffChannel,
    "HAND_OFF_STATES": HandOffState,
    "FILING_SOURCES": FilingSource,
    "FINDING_ENTRIES": (),
    "FINDING_STATES": FindingState,
    "ROUND_DUTY_ACTIONS": RoundDutyAction,
    "API_SCOPES": API_SCOPES,
    "APPROVAL_KINDS": ApprovalKind,
    "CAMERA_CONDITIONS": CameraCondition,
    "CASE_EVENTS": CaseEvent,
    "CASE_STATES": CaseState,
    "CHAPTERS": {category.code for category in CATEGORIES},
    "CONSENT_STATES": ConsentState,
    "DELIVERY_STATES": DeliveryState,
    "DISMISS_REASONS": DismissReason,
    "DUE_LIGHTS": DueLight,
    "DUTIES": AccountRole,
    "FAILURES": {one.kind for one in StreamError.__subclasses__()},
    "FRESHNESS": Freshness,
    "LEVELS": Level,
    "LIGHTS": Light,
    "MEDIA_CLOCKS": MediaClock,
    "LINK_REFUSALS": [state for state in LinkState if not state.opens],
    "OBJECT_CLASSES": COCO80,
    "OUTAGE_GROUPS": OutageGroup,
    "OUTCOMES": VisitOutcome,
    "PICTURE_FAULTS": PictureFault,
    "PRIORITIES": Priority,
    "REFERENCE_STATES": SceneState,
    "REFUSALS": Refusal,
    "ROLES": Role,
    "ROUND_STATES": RoundState,
    "STOPPAGE_SCOPES": StoppageScope,
    "SUBJECTS": Subject,
    "SUBJECT_KINDS": {*StoppageScope, *TroubleKind},
    "TOWN_WIDE_CAUSES": Cause,
    "TROUBLE_STATES": CameraCondition,
    "WALL_CLOCKS": WallClock,
}


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_has_a_label(name: str) -> None:
    assert [member for member in MEMBERS[name] if member not in TABLES[name]] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_label_is_chinese_and_english(name: str) -> None:
    for key, (zh, en) in TABLES[name].items():
        assert CHINESE.search(zh), key
        assert en.strip(), key
        assert not CHINESE.search(en), key


def test_categories_are_labelled_too() -> None:
    assert all(CHINESE.search(one.zh) and not CHINESE.search(one.en) for one in CATEGORIES)


def test_an_unknown_key_is_its_own_label() -> None:
    assert labels.label_of(labels.PLANS, "night") == ("night", "night")
    assert labels.plan_label("night") == "night"
    assert labels.plan_label("morning") == "上午"


@pytest.mark.parametrize(
    "path", sorted({*PATROL.rglob("*.py"), *PATROL.rglob("*.html")}), ids=lambda path: path.name
)
def test_no_other_file_holds_a_table_of_labels(path: Path) -> None:
    if path.parent == PATROL / "domain" and path.name in LABEL_MODULES:
        return
    if path.name in VERB_TABLES:
        return
    text = path.read_text("utf-8")
    if not CHINESE.search(text):
        return
    if path.suffix == ".html":
        assert len(_of_one_vocabulary(TEMPLATE_PAIR.findall(text))) < 2
        return
    for table in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict)):
        keys = [_key_text(k) for k, v in zip(table.keys, table.values, strict=True) if _is_label(v)]
        found = _of_one_vocabulary(filter(None, keys))
        assert len(found) < 2, f"line {table.lineno}: {found}: labels stand in domain/labels.py"


def _of_one_vocabulary(keys: Iterable[str]) -> set[str]:
    """The largest set of these keys that one table, or the members of its enum, knows."""
    used = set(keys)
    return max((used & names for names in _vocabularies()), key=len)


def _vocabularies() -> Iterator[set[str]]:
    for name, table in TABLES.items():
        of_enum = MEMBERS.get(name, ())
        yield {*map(str, table), *(str(getattr(member, "name", member)) for member in of_enum)}


def _key_text(key: ast.expr | None) -> str | None:
    """`"online"` of a literal, `ONLINE` of `CameraCondition.ONLINE`."""
    if isinstance(key, ast.Constant):
        return str(key.value)
    return key.attr if isinstance(key, ast.Attribute) else None


def _is_label(value: ast.expr) -> bool:
    """A text, a pair of texts or a call of the translator `t` with Chinese in it."""
    if isinstance(value, ast.Call):
        called = value.func
        is_translator = getattr(called, "id", getattr(called, "attr", "")) == "t"
        return is_translator and any(_is_label(argument) for argument in value.args)
    if isinstance(value, ast.Tuple):
        return any(_is_label(part) for part in value.elts)
    return isinstance(value, ast.Constant) and bool(CHINESE.search(str(value.value)))
