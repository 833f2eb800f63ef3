"""Ranking: the order of the review queue, with the reasons of each position as text. Pure.

The first findings of the queue must be worth an operator's time. A finding's weight is a sum of
reasons, each a number that can be checked by hand; the level comes first and is never outweighed.
How many earlier findings of the camera were real counts, but cautiously: with few decisions it
hardly moves the weight, so that no camera ranks itself out of being looked at.
review/queue.py reads the facts and calls `rank_findings`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.camera import Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId
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
        return ";".join(part.zh for part in shown) + " / " + "; ".join(part.en for part in shown)


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


def rank_findings(
    findings: Iterable[tuple[Finding, RankingInput]], now: datetime
) -> list[RankedFinding]:
    """The findings in queue order. Equal weights: the older one, then the lower number."""
    weighed = [(finding, _reasons(finding, context, now)) for finding, context in findings]
    weighed.sort(key=lambda pair: _sort_key(*pair))
    return [
        RankedFinding(
            finding=finding,
            position=position,
            weight=round(sum(reason.weight for reason in reasons), 4),
            reasons=sorted(reasons, key=lambda part: -abs(part.weight)),
        )
        for position, (finding, reasons) in enumerate(weighed, start=1)
    ]


def _sort_key(
    finding: Finding, reasons: Sequence[RankingReason]
) -> tuple[int, bool, float, datetime, str]:
    return (
        LEVEL_ORDER[finding.level],
        finding.subject is Subject.EQUIPMENT,  # two queues; shown together, scenes come first
        -round(sum(reason.weight for reason in reasons), 4),
        finding.found_at,
        finding.id,
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
        *_waiting_reason(finding, now),
    ]


def _level_reason(finding: Finding) -> RankingReason:
    zh, _ = LEVELS[finding.level]
    return RankingReason(weight=0.0, zh=zh, en=f"level {finding.level.value}")


def _score_reason(finding: Finding) -> RankingReason:
    return RankingReason(
        weight=finding.score, zh=f"得分 {finding.score:.2f}", en=f"score {finding.score:.2f}"
    )


def _persistence_reason(finding: Finding) -> list[RankingReason]:
    if finding.count < 2:  # noqa: PLR2004  seen once is no persistence
        return []
    weight = 0.3 * min(finding.count - 1, MAX_COUNTED_VISITS) / MAX_COUNTED_VISITS
    times = finding.count
    return [RankingReason(weight=weight, zh=f"连续 {times} 次看到", en=f"seen at {times} visits")]


def _recheck_reason(finding: Finding) -> list[RankingReason]:
    if finding.state is not FindingState.UNSURE:
        return []
    if finding.recheck is None:
        return [RankingReason(weight=0.15, zh="存疑,待复看", en="somebody was unsure")]
    return [RankingReason(weight=0.3, zh="存疑,已复看", en="somebody was unsure, looked again")]


def _priority_reason(context: RankingInput) -> list[RankingReason]:
    if context.priority is not Priority.KEY:
        return []
    return [RankingReason(weight=0.25, zh="重点部位", en="key site")]


def _track_record_reason(context: RankingInput) -> list[RankingReason]:
    if context.decided == 0:
        return []
    right, of = context.confirmed, context.decided
    return [
        RankingReason(
            weight=0.6 * (context.precision - 0.5),
            zh=f"该点位以往 {right}/{of} 属实",
            en=f"{right} of {of} earlier leads were right",
        )
    ]


def _unseen_reason(context: RankingInput) -> list[RankingReason]:
    if context.unseen is None:
        return [RankingReason(weight=0.2, zh="从未有人看过", en="never looked at by a person")]
    if context.unseen < LONG_UNSEEN:
        return []
    days = context.unseen.days
    weight = 0.2 * min(1.0, context.unseen / (7 * LONG_UNSEEN))
    return [RankingReason(weight=weight, zh=f"{days} 天无人看过", en=f"unseen for {days} days")]


def _waiting_reason(finding: Finding, now: datetime) -> list[RankingReason]:
    """A waiting finding gains a little weight, so that none waits for ever behind newer ones."""
    hours = max(0.0, (now - finding.found_at) / timedelta(hours=1))
    weight = 0.2 * min(1.0, hours / 24)
    if hours < 1:
        return [RankingReason(weight=weight, zh="", en="")]
    return [RankingReason(weight=weight, zh=f"已等 {hours:.0f} 小时", en=f"waiting {hours:.0f} h")]
