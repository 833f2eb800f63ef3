"""Finding (线索): proposed from observations by the machine, decided by a person; its category.

Entered by rounds/recorder.py, rounds/weather.py and the blind sample; decided by
review/decisions.py through `FINDING_TRANSITIONS`. `CATEGORIES` are the product's, of findings and
of cases; the rules of a site (rules.yaml) may name others, which count as 其他. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto
from hashlib import sha256
from typing import Final

from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, CaseId, FindingId, GridCode, PictureId, RoundId
from patrol.domain.observation import Box, Subject
from patrol.domain.priority import Level
from patrol.domain.timestamps import rfc3339_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A kind of problem as people on the ground know it, with its code and labels."""

    id: str
    code: str  # of its chapter (CHAPTERS), two digits
    zh: str
    en: str
    check: str  # what to check on the ground, in Chinese


def _category(code: str, ident: str, zh: str, en: str, check: str) -> Category:
    return Category(id=ident, code=code, zh=zh, en=en, check=check)


EQUIPMENT_CHAPTER: Final = "09"
UNNAMED_CHAPTER: Final = "99"
CATEGORIES: Final[tuple[Category, ...]] = (
    _category(
        "01", "open_flame", "疑似明火", "suspected open flame", "到场查看是否有明火，确认后先报警"
    ),
    _category("01", "smoke", "疑似烟雾", "suspected smoke", "查看烟雾来源"),
    _category(
        "01",
        "straw_burning",
        "疑似焚烧秸秆",
        "suspected straw burning",
        "查看是否焚烧秸秆，劝止并扑灭",
    ),
    _category(
        "01", "combustible_pile", "可燃物堆放", "combustible pile", "查看柴草等可燃物堆放，督促清理"
    ),
    _category("02", "clutter", "乱堆乱放", "clutter", "查看乱堆乱放，督促清理"),
    _category("02", "dumping", "垃圾倾倒", "dumping", "查看倾倒垃圾，联系清运"),
    _category("02", "sewage", "污水", "sewage", "查看污水来源"),
    _category("02", "film_waste", "废旧地膜", "film waste", "查看废旧地膜，督促回收"),
    _category("03", "obstruction", "道路障碍", "road obstruction", "查看道路障碍物，恢复通行"),
    _category(
        "03", "blocking_vehicle", "车辆占道", "blocking vehicle", "查看车辆占道，联系车主挪车"
    ),
    _category(
        "03", "grain_drying", "占道晒粮", "grain drying on the road", "查看占道晒粮，劝导收起"
    ),
    _category("03", "livestock", "牲畜上路", "livestock on the road", "查看牲畜，联系农户赶回"),
    _category(
        "03", "road_condition", "路面积水结冰积雪", "water, ice or snow", "查看路面，设置警示"
    ),
    _category("03", "road_damage", "道路损坏", "road damage", "查看路面损坏，设置警示"),
    _category("04", "canal_level", "渠道水位异常", "canal level", "查看渠道水位"),
    _category("04", "person_near_water", "水边有人", "person near water", "到水边查看，劝离"),
    _category("04", "blocked_canal", "渠道堵塞", "blocked canal", "查看渠道堵塞，组织清理"),
    _category(
        "05", "railway_protection", "铁路护路", "railway protection", "查看铁路沿线，联系护路队"
    ),
    _category("06", "structure", "房屋设施", "structure", "查看房屋设施险情"),
    _category(
        "07", "night_activity", "夜间异常活动", "night activity at a key site", "查看重点部位"
    ),
    _category("07", "gate_open", "大门未关", "gate left open", "查看大门是否关闭"),
    _category("08", "severe_weather", "灾害天气", "severe weather", "查看受灾情况"),
    _category("09", "equipment", "前端设备故障", "camera fault", "检查摄像机供电、网络和镜头"),
    _category("99", "scene_change", "画面变化待核", "change not yet named", "到场核实画面中的变化"),
    _category("99", "other", "其他", "other", "到场核实"),
)
CATEGORY_BY_ID: Final[dict[str, Category]] = {category.id: category for category in CATEGORIES}


def category_named(ident: str) -> Category:
    """The category of that identifier; one that only a site's rules name counts as 其他."""
    return CATEGORY_BY_ID.get(ident) or _category(
        "99", ident, ident, ident.replace("_", " "), "到场核实"
    )


class FindingState(StrEnum):
    """State of a finding; the values are public: in the API and the store."""

    CANDIDATE = auto()
    UNSURE = auto()  # rechecked, then another person decides
    CONFIRMED = auto()
    DISMISSED = auto()
    MERGED = auto()  # same camera and category as an open case: counted there
    # Nobody decided in time (a later round finds it anew), or before the household withdrew.
    AGED = auto()


EXPIRY_ACTOR: Final = "patrol"  # who decides that a finding is AGED
# Reasons of AGED beside the expiry of an undecided one; public: in the API and the store.
CONSENT_WITHDRAWN: Final = "consent_withdrawn"  # the picture went with the household's consent
CAMERA_LEFT: Final = "camera_retired"  # … or with the camera
REAL_STATES: Final = (FindingState.CONFIRMED, FindingState.MERGED)  # a person found it real


class Origin(StrEnum):
    """Origin of a finding; sample and probe are hidden until decided: they must be blind."""

    MACHINE = auto()
    SAMPLE = auto()  # drawn blindly from what the machine found normal
    PROBE = auto()  # a known positive (review/blind_sample.py); in no statistics
    OPERATOR = auto()  # a person saw it (review/own_findings.py): what the machine missed


class FilingSource(StrEnum):
    """Where a person saw what was filed as an own finding (人工发现)."""

    WALL = auto()  # a tile of a round's wall
    ROUND = auto()  # a camera's page within a round
    LIVE = auto()  # a live view
    CAMERA = auto()  # the camera's page in the registry
    PHONE = auto()  # a telephone call: there may be no picture and no camera
    PATROL = auto()  # a checkpoint of a human patrol
    ROTATION = auto()  # the rotation of a wall
    HELPER = auto()  # 随手拍: a helper's report, with a photo or without
    GROUND = auto()  # at a point of a patrol on the ground


class Decision(StrEnum):
    """Decisions on a finding: of a person, of a merge, of expiry."""

    CONFIRM = auto()
    DISMISS = auto()
    UNSURE = auto()
    MERGE = auto()
    AGE = auto()
    UNDO = auto()  # a dismissal, confirmation or merge is taken back (review/undo.py)


_S, _D = FindingState, Decision
FINDING_TRANSITIONS: Mapping[tuple[FindingState, Decision], FindingState] = {
    (_S.CANDIDATE, _D.CONFIRM): _S.CONFIRMED,
    (_S.CANDIDATE, _D.DISMISS): _S.DISMISSED,
    (_S.CANDIDATE, _D.UNSURE): _S.UNSURE,
    (_S.CANDIDATE, _D.MERGE): _S.MERGED,
    (_S.CANDIDATE, _D.AGE): _S.AGED,
    (_S.UNSURE, _D.CONFIRM): _S.CONFIRMED,
    (_S.UNSURE, _D.DISMISS): _S.DISMISSED,
    (_S.UNSURE, _D.MERGE): _S.MERGED,
    (_S.UNSURE, _D.AGE): _S.AGED,
    **{(s, _D.UNDO): _S.CANDIDATE for s in (_S.CONFIRMED, _S.DISMISSED, _S.MERGED)},
}


class DismissReason(StrEnum):
    """Why a finding was dismissed; the reason decides what is suppressed afterwards."""

    SHADOW = auto()
    ANIMAL = auto()
    KNOWN_OBJECT = auto()
    WEATHER = auto()
    CAMERA_FAULT = auto()
    DUPLICATE = auto()
    NOT_A_PROBLEM = auto()
    OTHER = auto()


class AlreadyDecided(Failed):
    """The finding was decided before; the text names the state, who and when."""

    def __init__(self, finding: "Finding") -> None:
        super().__init__(
            f"finding {finding.id} was already {finding.state} by {finding.decided_by}"
            f" at {rfc3339_or_none(finding.decided_at)}"
        )
        self.finding = finding


class KnownPositive(AlreadyDecided):
    """A known positive was confirmed: recognised as it should be, and no case is made of it."""

    def __init__(self, finding: "Finding") -> None:
        zh = f"{finding.id} 是已知阳性测试件，看得准；不另立案"
        en = f"{finding.id} was a known positive, well seen; no case is made"
        Exception.__init__(self, f"{zh} / {en}")
        self.finding = finding


class FindingNotAsShown(Failed):
    """The finding is not as the decider saw it: its state or its picture has changed since."""

    def __init__(self, finding: "Finding") -> None:
        super().__init__(f"finding {finding.id} changed after it was shown, look at it again")
        self.finding = finding


class IllegalUndo(Failed):
    """The decision cannot be taken back any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecheck:
    """What a fresh visit showed after an "unsure"; without a picture the visit failed."""

    at: datetime  # UTC
    why: str  # text, Chinese first
    picture: PictureId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingEntry:
    """One entry of a finding's history: filed, undone; appended, never changed."""

    at: datetime  # UTC
    by: str
    what: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTotal:
    """How many findings of one level and subject wait for a person, however many there are."""

    level: Level
    subject: Subject
    count: int
    oldest: datetime  # found at


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding; immutable, `decide` gives the next state."""

    id: FindingId
    camera: CameraId  # empty: of a telephone call that named no camera
    grid: GridCode
    round: RoundId | None
    subject: Subject
    kind: str
    score: float
    found_at: datetime  # UTC
    why: str  # text, Chinese first
    level: Level
    category: str  # of the case, unless the operator chooses another
    picture: PictureId | None = None
    box: Box | None = None
    zone: str = ""
    count: int = 1  # visits that showed it while it waited
    unreviewed_ok: bool = False  # the site's rules name it urgent
    state: FindingState = FindingState.CANDIDATE
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""
    case: CaseId | None = None
    origin: Origin = Origin.MACHINE
    recheck: FindingRecheck | None = None  # after an "unsure"
    filed_by: str = ""  # of an own finding: the account that filed it …
    filed_from: str = ""  # … where it was seen (FilingSource) …
    place: str = ""  # … and where that is, if no camera tells
    undone_count: int = 0  # how often a decision was taken back
    gauge: str = ""  # what saw it, with its version: "blur/2", "yolox_nano/615e2661"

    def decide(self, decision: Decision, *, by: str, now: datetime, reason: str = "") -> "Finding":
        """The finding after `decision`, moved by the table. Raises AlreadyDecided."""
        target = FINDING_TRANSITIONS.get((self.state, decision))
        if target is None:
            raise AlreadyDecided(self)
        return replace(self, state=target, decided_by=by, decided_at=now, reason=reason)

    def undone(self) -> "Finding":
        """The finding as before its decision: it waits again. Raises IllegalUndo."""
        target = FINDING_TRANSITIONS.get((self.state, Decision.UNDO))
        if target is None:
            raise IllegalUndo(f"finding {self.id} is {self.state}: nothing to undo")
        times = self.undone_count + 1
        waiting = replace(self, state=target, undone_count=times, case=None, reason="")
        return replace(waiting, decided_by="", decided_at=None)

    @property
    def revision(self) -> str:
        """What a decision on it rests on, as a short text: its state, who set it, its picture."""
        decided_at = rfc3339_or_none(self.decided_at)
        basis = (self.id, self.state, self.decided_by, decided_at, self.picture)
        return sha256("|".join(map(str, basis)).encode()).hexdigest()[:16]

    @property
    def is_open(self) -> bool:
        """Whether it still waits for a decision."""
        return self.state in (FindingState.CANDIDATE, FindingState.UNSURE)
