"""Texts of the pages in Chinese and English: the translator, labels, names of cameras and grids.

Both languages of a text stand together where it is used. Times are shown on the site's clock.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final, TypeVar

from patrol.domain import labels
from patrol.domain.case import CaseEntry, CaseState
from patrol.domain.case_timers import ApprovalRequest
from patrol.domain.finding import Finding, FindingState, category_named
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.problem_texts import problem_text
from patrol.domain.registry import Registry
from patrol.domain.round import Visit, VisitOutcome
from patrol.domain.schedule import StoppageScope
from patrol.domain.send_policy import SYSTEM_ACTOR
from patrol.domain.stored_texts import StoredTexts
from patrol.rounds import planner
from patrol.rounds.scheduler import MISSED_REASON

_PAUSED_BY: Final = re.compile(
    r"paused by (?P<by>.*?): (?P<why>.*)", re.DOTALL
)  # Stoppage.description
_MACHINE: Final = frozenset({SYSTEM_ACTOR, planner.ACTOR})  # authors that are no person
LANGUAGES: Final = ("zh", "en")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Translator:
    """Chooses the language of one reader, and writes times on the site's clock."""

    language: str
    zone: tzinfo

    def __call__(self, zh: str, en: str) -> str:
        """The text in this reader's language."""
        return zh if self.language == "zh" else en

    def pair(self, both: tuple[str, str]) -> str:
        """The text of a (zh, en) pair."""
        return self(*both)

    def problem(self, text: str) -> str:
        """What is said of a problem (an exception's text, a reason) in this reader's language."""
        return problem_text(text, self.language)

    @property
    def colon(self) -> str:
        """The colon behind a word of ours: `：`, or `: `."""
        return self("：", ": ")

    def time(self, at: datetime | None) -> str:
        """`09:30`."""
        return "—" if at is None else f"{at.astimezone(self.zone):%H:%M}"

    def short_datetime(self, at: datetime | None) -> str:
        """`11-22 09:30`."""
        return "—" if at is None else f"{at.astimezone(self.zone):%m-%d %H:%M}"

    def full_datetime(self, at: datetime | None) -> str:
        """`2026-11-22 09:30:05`."""
        return "—" if at is None else f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def duration(self, span: timedelta) -> str:
        """`3 分钟`, `2 小时 5 分`, `4 天 3 小时`: two units at most."""
        seconds = int(abs(span.total_seconds()))
        if seconds < _MINUTE:
            return self(f"{seconds} 秒", f"{seconds} s")
        if seconds < _HOUR:
            return self(f"{seconds // _MINUTE} 分钟", f"{seconds // _MINUTE} min")
        if seconds < _DAY:
            hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
            rest = self(f" {minutes} 分", f" {minutes} min") if minutes else ""
            return self(f"{hours} 小时", f"{hours} h") + rest
        days, hours = seconds // _DAY, seconds % _DAY // _HOUR
        rest = self(f" {hours} 小时", f" {hours} h") if hours else ""
        return self(f"{days} 天", f"{days} d") + rest

    def ago(self, at: datetime, now: datetime) -> str:
        """`3 分钟前`."""
        span_text = self.duration(now - at)
        return self(f"{span_text}前", f"{span_text} ago")

    def time_left(self, until: datetime, now: datetime) -> str:
        """`还剩 5 分钟` or `已超 2 小时`."""
        span_text = self.duration(until - now)
        if until >= now:
            return self(f"还剩 {span_text}", f"{span_text} left")
        return self(f"已超 {span_text}", f"{span_text} over")


def paginate(found: Sequence[T], page: int, size: int) -> tuple[Sequence[T], dict[str, int]]:
    """The items of one page, and the template's `page` and `pages`."""
    pages = max(1, -(-len(found) // size))
    page = min(max(1, page), pages)
    return found[(page - 1) * size : page * size], {"page": page, "pages": pages}


def level_label(level: Level, t: Translator) -> str:
    """`紧急`, `pressing`."""
    return t.pair(labels.LEVELS[level])


def category_label(ident: str, t: Translator) -> str:
    """`车辆占道`, `blocking vehicle`."""
    known = category_named(ident)
    return t(known.zh, known.en)


def kind_label(kind: str, t: Translator) -> str:
    """The label of a picture fault, a failure or a category."""
    for known in (labels.PICTURE_FAULTS, labels.FAILURES):
        if kind in known:
            return t.pair(known[kind])
    return category_label(kind, t)


def outcome_label(outcome: VisitOutcome, t: Translator) -> str:
    """正常 / 发现问题 / 无法查看."""
    return t.pair(labels.OUTCOMES[outcome])


def shown_outcome(visit: Visit, findings: Collection[Finding]) -> VisitOutcome:
    """The outcome that a page shows: a problem while a finding of the scene waits for a person.

    Otherwise the wall would give away the blind sample, which is drawn from normal visits. A visit
    whose findings a person all dismissed, and that shows no other fault, was normal after all.
    """
    waits = any(one.is_open and one.subject is Subject.SCENE for one in findings)
    if waits and visit.outcome.is_seen:
        return VisitOutcome.PROBLEM
    is_dismissed = findings and all(one.state is FindingState.DISMISSED for one in findings)
    other_faults = set(visit.faults) - {one.kind for one in findings}
    if visit.outcome is VisitOutcome.PROBLEM and is_dismissed and not other_faults:
        return VisitOutcome.NORMAL
    return visit.outcome


def plan_label(plan: str, t: Translator) -> str:
    """`上午`, `morning`."""
    return t.pair(labels.label_of(labels.PLANS, plan))


def round_reason(reason: str, t: Translator) -> str:
    """Why a round did not run, or not to its end; a text that is not known is shown as it is."""
    if paused := _PAUSED_BY.fullmatch(reason):
        return t(f"{paused['by']} 暂停巡查：{paused['why']}", reason)
    texts = {
        planner.NOT_RUNNING: t("当日服务没有运行", "the service did not run that day"),
        MISSED_REASON: t("时段内服务没有运行", "the service did not run in its window"),
        planner.NOT_IN_WINDOW: t("时限内没有巡完", "not finished in its window"),
        planner.SUPERSEDED: t("另起一轮时没有巡完", "not finished when another was asked for"),
        planner.OUT_OF_TIME: t("到时限为止", "its time was over"),
        "stopped": t("服务停止", "the service stopped"),
    }
    known, comma, rest = reason.partition(",")
    if known not in texts:
        return t.problem(reason)
    days = re.search(r"\d+", rest) if comma else None
    earlier = (
        t(f"（此前 {days[0]} 天亦然）", f" (nor on the {days[0]} days before)") if days else ""
    )
    return texts[known] + earlier


def case_state_label(state: CaseState, t: Translator) -> str:
    """The label of a case's state."""
    return t.pair(labels.CASE_STATES[state])


def village_of(registry: Registry, code: GridCode) -> str:
    """The code of a grid's village; the town's own for the town; "" for a grid that was removed."""
    if code not in registry.tree.grids:
        return ""
    return registry.tree.village_of(code) or code


def grid_name(registry: Registry, code: GridCode) -> str:
    """The grid's name, or the code of one that was removed."""
    grid = registry.tree.grids.get(code)
    return grid.name if grid else code


def camera_name(registry: Registry, camera: CameraId | None) -> str:
    """The camera's name, or the last six digits of one that was removed."""
    if camera is None:
        return "—"
    known = registry.cameras.get(camera)
    return known.name if known else f"…{camera[-6:]}"


def person_name(registry: Registry, who: str, accounts: Mapping[str, str] | None = None) -> str:
    """The name of a person of people.csv or of an account; `who` itself when it is neither."""
    person = next((p for p in registry.people.values() if p.id == who), None)
    if person is not None:
        return person.name
    return (accounts or {}).get(who, who)


def stored_texts(
    registry: Registry, t: Translator, accounts: Mapping[str, str] | None = None
) -> StoredTexts:
    """What the service stored, for this reader: one language, the site's clock, names."""
    return StoredTexts(
        language=t.language,
        zone=t.zone,
        person=lambda who: person_name(registry, who, accounts),
        grid=lambda code: grid_name(registry, GridCode(code)),
    )


def author_name(
    registry: Registry,
    entry: CaseEntry | ApprovalRequest,
    accounts: Mapping[str, str],
    t: Translator,
) -> str:
    """Whose entry it is; a name that nothing proves is shown as claimed."""
    if entry.by in _MACHINE:
        return t("系统", "system")
    name = person_name(registry, entry.by, accounts)
    if not entry.claimed:
        return name
    claimed = person_name(registry, entry.claimed, accounts)
    if entry.claimed == entry.by:
        return t(f"{name}（自称）", f"{name} (claimed)")
    return t(f"{name}（自称 {claimed}）", f"{name} (claims to be {claimed})")


def subject_name(scope: str, subject: str, registry: Registry, t: Translator) -> str:
    """`点位 小沟村五组…`, `village 旧墩村`, `全部巡查`."""
    kind = t.pair(labels.label_of(labels.SUBJECT_KINDS, scope))
    if scope == StoppageScope.CAMERA:
        return f"{kind} {camera_name(registry, CameraId(subject))}"
    if scope in (StoppageScope.GRID, "village"):
        return f"{kind} {grid_name(registry, GridCode(subject))}"
    return f"{kind} {subject}".rstrip()
