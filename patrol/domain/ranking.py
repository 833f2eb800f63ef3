"""Ranking: the order of the review queue, with the reasons of each position as text. Pure.

The first findings of the queue must be worth an operator's time. A finding's weight is a sum of
reasons, each a number that can be checked by hand; the level comes first and is never outweighed.
How many earlier findings of the camera were real counts, but cautiously: with few decisions it
hardly moves the weight, so that no camera ranks itself out of being looked at.
review/queue.py reads the facts. `weigh_findings` sorts what may be thousands and makes no text;
`rank_findings` gives the few that are shown their reasons.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from patrol.domain.camera import Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.labels import LEVELS
from patrol.domain.observation import Subject
from patrol.domain.priority import Level

LEVEL_ORDER: Final = {level: place for place, level in enumerate(Level)}
TRACK_RECORD_WINDOW: Final = timedelta(days=365)  # a camera is judged by its last year
PRIOR_DECISIONS: Final = 6.0  # a camera without a history counts as if half of these were right
LONG_UNSEEN: Final = timedelta(days=2)  # four rounds
MACHINE_ACTORS: Final = frozenset({"patrol", "rules"})  # their decisions are in no track record
MAX_COUNTED_VISITS: Final = 6  # persistence beyond three days adds nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTrackRecord:
    """How many of a camera's findings of one subject people found real."""

    confirmed: int  # or merged into an open case
    decided: int  # confirmed, merged or dismissed; expired ones do not count
    last_at: datetime  # of the newest decision


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingInput:
    """Facts for the ranking beside the finding itself."""

    priority: Priority = Priority.NORMAL
    confirmed: int = 0  # of this camera's decided findings of this subject
    decided: int = 0
    unseen: timedelta | None = None  # since a person last looked through this camera; None: never

    @property
    def precision(self) -> float:
        """Share of its findings that were real, drawn to one half while few were decided."""
        return (self.confirmed + PRIOR_DECISIONS / 2) / (self.decided + PRIOR_DECISIONS)


class Rankable(Protocol):
    """What the ranking reads of a finding: a `Finding`, or the few columns of one that waits."""

    @property
    def id(self) -> FindingId:
        """Its number."""

    @property
    def level(self) -> Level:
        """Its level: what comes first."""

    @property
    def subject(self) -> Subject:
        """Scene or equipment."""

    @property
    def score(self) -> float:
        """The machine's confidence, 0..1."""

    @property
    def count(self) -> int:
        """At how many visits it was seen."""

    @property
    def state(self) -> FindingState:
        """Undecided, or unsure."""

    @property
    def recheck(self) -> object | None:
        """What its camera's next visit showed; None before it."""

    @property
    def found_at(self) -> datetime:
        """When it was found."""


F = TypeVar("F", bound=Rankable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingReason:
    """One reason of a position: the weight that it adds, and its text (Chinese, English)."""

    weight: float
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedFinding:
    """A finding with its position in the queue and the reasons."""

    finding: Finding
    position: int  # from 1
    weight: float
    reasons: Sequence[RankingReason]  # heaviest first

    @property
    def why(self) -> str:
        """The reasons as one text, Chinese first."""
        shown = [reason for reason in self.reasons if reason.zh]
        return "；".join(part.zh for part in shown) + " / " + "; ".join(part.en for part in shown)


def last_viewed_by_person(
    viewed_at: Mapping[CameraId, datetime],
    records: Mapping[tuple[CameraId, Subject], CameraTrackRecord],
    before: datetime,
) -> dict[CameraId, datetime]:
    """When a person last saw each camera: opened its picture, or decided one of its findings."""
    newest = dict(viewed_at)
    for (camera, _), record in records.items():
        if record.last_at < before:
            newest[camera] = max(record.last_at, newest.get(camera, record.last_at))
    return newest


def queue_group(level: Level, subject: Subject) -> tuple[int, bool]:
    """The place of a level and subject in the queue: no weight moves a finding out of its group."""
    return LEVEL_ORDER[level], subject is Subject.EQUIPMENT  # two queues; together, scenes first


def weigh_findings(
    findings: Iterable[tuple[F, RankingInput]], now: datetime
) -> list[tuple[F, RankingInput]]:
    """The findings in queue order. Equal weights: the older one, then the lower number."""

    def place(pair: tuple[F, RankingInput]) -> tuple[tuple[int, bool], float, datetime, FindingId]:
        finding, context = pair
        group = queue_group(finding.level, finding.subject)
        return group, -finding_weight(finding, context, now), finding.found_at, finding.id

    return sorted(findings, key=place)


def rank_findings(
    findings: Iterable[tuple[Finding, RankingInput]], now: datetime, *, first: int = 1
) -> list[RankedFinding]:
    """The findings in queue order with their reasons; the first one has position `first`."""
    return [
        RankedFinding(
            finding=finding,
            position=position,
            weight=finding_weight(finding, context, now),
            reasons=sorted(_reasons(finding, context, now), key=lambda part: -abs(part.weight)),
        )
        for position, (finding, context) in enumerate(weigh_findings(findings, now), start=first)
    ]


def finding_weight(finding: Rankable, context: RankingInput, now: datetime) -> float:
    """The sum of its reasons' weights, to four places."""
    return round(
        finding.score
        + _persistence_weight(finding)
        + _recheck_weight(finding)
        + _priority_weight(context)
        + _track_record_weight(context)
        + _unseen_weight(context)
        + _waiting_weight(_waiting_hours(finding, now)),
        4,
    )


def _reasons(finding: Finding, context: RankingInput, now: datetime) -> list[RankingReason]:
    return [
        _level_reason(finding),
        _score_reason(finding),
        *_persistence_reason(finding),
        *_recheck_reason(finding),
        *_priority_reason(context),
        *_track_record_reason(context),
        *_unseen_reason(context),
        _waiting_reason(finding, now),
    ]


def _level_reason(finding: Finding) -> RankingReason:
    zh, _ = LEVELS[finding.level]
    return RankingReason(weight=0.0, zh=zh, en=f"level {finding.level.value}")


def _score_reason(finding: Finding) -> RankingReason:
    return RankingReason(
        weight=finding.score, zh=f"得分 {finding.score:.2f}", en=f"score {finding.score:.2f}"
    )


def _persistence_weight(finding: Rankable) -> float:
    return 0.3 * min(finding.count - 1, MAX_COUNTED_VISITS) / MAX_COUNTED_VISITS


def _persistence_reason(finding: Finding) -> list[RankingReason]:
    times, weight = finding.count, _persistence_weight(finding)
    if times < 2:  # noqa: PLR2004  seen once is no persistence
        return []
    return [RankingReason(weight=weight, zh=f"连续 {times} 次看到", en=f"seen at {times} visits")]


def _recheck_weight(finding: Rankable) -> float:
    if finding.state is not FindingState.UNSURE:
        return 0.0
    return 0.15 if finding.recheck is None else 0.3


def _recheck_reason(finding: Finding) -> list[RankingReason]:
    weight = _recheck_weight(finding)
    if not weight:
        return []
    if finding.recheck is None:
        return [RankingReason(weight=weight, zh="存疑，待复看", en="somebody was unsure")]
    return [RankingReason(weight=weight, zh="存疑，已复看", en="somebody was unsure, looked again")]


def _priority_weight(context: RankingInput) -> float:
    return 0.25 if context.priority is Priority.KEY else 0.0


def _priority_reason(context: RankingInput) -> list[RankingReason]:
    weight = _priority_weight(context)
    return [RankingReason(weight=weight, zh="重点部位", en="key site")] if weight else []


def _track_record_weight(context: RankingInput) -> float:
    return 0.6 * (context.precision - 0.5) if context.decided else 0.0


def _track_record_reason(context: RankingInput) -> list[RankingReason]:
    if context.decided == 0:
        return []
    right, of = context.confirmed, context.decided
    return [
        RankingReason(
            weight=_track_record_weight(context),
            zh=f"该点位以往 {right}/{of} 属实",
            en=f"{right} of {of} earlier leads were right",
        )
    ]


def _unseen_weight(context: RankingInput) -> float:
    if context.unseen is None:
        return 0.2
    if context.unseen < LONG_UNSEEN:
        return 0.0
    return 0.2 * min(1.0, context.unseen / (7 * LONG_UNSEEN))


def _unseen_reason(context: RankingInput) -> list[RankingReason]:
    weight = _unseen_weight(context)
    if context.unseen is None:
        return [RankingReason(weight=weight, zh="从未有人看过", en="never looked at by a person")]
    if context.unseen < LONG_UNSEEN:
        return []
    days = context.unseen.days
    return [RankingReason(weight=weight, zh=f"{days} 天无人看过", en=f"unseen for {days} days")]


def _waiting_hours(finding: Rankable, now: datetime) -> float:
    return max(0.0, (now - finding.found_at) / timedelta(hours=1))


def _waiting_weight(hours: float) -> float:
    """A waiting finding gains a little, so that none waits for ever behind newer ones."""
    return 0.2 * min(1.0, hours / 24)


def _waiting_reason(finding: Finding, now: datetime) -> RankingReason:
    hours = _waiting_hours(finding, now)
    weight = _waiting_weight(hours)
    if hours < 1:
        return RankingReason(weight=weight, zh="", en="")
    return RankingReason(weight=weight, zh=f"已等 {hours:.0f} 小时", en=f"waiting {hours:.0f} h")
