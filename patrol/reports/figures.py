"""The figures of a report: each with its part, its whole, and what the whole leaves out.

Three groups: coverage (what the rounds of the plans saw, without 专项), review (what people decided
of the findings) and cases (what became of them). The three origins of findings are never mixed:
the machine's give the precision, the blind sample the miss rate, known positives a figure of their
own. No figure ranks grids by findings: that would make people hide problems.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ground_patrol import GroundState, count_stops
from patrol.domain.human_patrol import HumanPatrolState, count_checks
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.ranking import MACHINE_ACTORS
from patrol.domain.round import VisitOutcome
from patrol.domain.statistics import DecidedShare, decided_share, wilson_interval
from patrol.reports.ledger import OFFLINE, ledger_totals
from patrol.reports.queries import ReportMaterial, first_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A rate (part of whole), a count or a measure (whole None), or minutes (a median)."""

    id: str
    zh: str
    en: str
    part: float | None
    whole: int | None = None
    minutes: bool = False
    unit: str = ""  # of a measure
    interval: tuple[float, float] | None = None  # of a rate that stands for more than was judged
    note: str = ""  # what the whole leaves out, or what is counted

    @property
    def value(self) -> float | None:
        """A share 0..1, a count, or minutes; None where there is nothing to divide by."""
        if self.whole is None or self.minutes:
            return self.part
        return self.part / self.whole if self.whole and self.part is not None else None

    @property
    def text(self) -> str:
        """For people: `95.2 %（571/600）`; a dash on a zero base."""
        if self.part is None or (self.whole == 0):
            return "—（n=0）"
        if self.minutes:
            return f"{self.part:.1f} 分钟（n={self.whole}）"
        if self.whole is None:
            return f"{self.part:g}{self.unit and ' '}{self.unit}"
        share = f"{100 * self.part / self.whole:.1f} %（{self.part:g}/{self.whole}）"
        if self.interval is None:
            return share
        low, high = self.interval
        return f"{share}，95 % 区间 {100 * low:.1f}–{100 * high:.1f} %"


def change_text(new: Figure, old: Figure | None) -> str:
    """Against an earlier period: percentage points for a rate, per cent for a count."""
    if old is None or new.value is None or old.value is None:
        return "—"
    if new.whole is not None and not new.minutes:
        return f"{100 * (new.value - old.value):+.1f} 个百分点"
    return f"{100 * (new.value - old.value) / old.value:+.1f} %" if old.value else "—"


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """By linear interpolation between the neighbours; None of nothing."""
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    low, high = math.floor(position), math.ceil(position)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


TARGETS: Final = "目标：重点部位 98 %，其他 95 %"
DAY: Final = timedelta(days=1)


def report_figures(material: ReportMaterial, now: datetime) -> list[Figure]:
    """All figures, in the order of a report; `now` decides which limits have passed."""
    return [
        *coverage_figures(material, now),
        *review_figures(material),
        *case_figures(material, now),
    ]


def coverage_figures(material: ReportMaterial, now: datetime) -> list[Figure]:
    """Coverage of the plans' rounds, and the longest time that a camera was not seen."""
    totals = ledger_totals(material)
    visits = [visit for records in material.planned_rounds for visit in records.visits]
    visited = [v for v in visits if v.outcome not in (VisitOutcome.MISSED, VisitOutcome.PENDING)]
    seen = [v for v in visited if v.outcome.is_seen]
    online = sum(v.failure not in OFFLINE for v in visited)
    intact = sum(not v.faults for v in seen)
    pictured = [v for v in visited if v.outcome.is_seen or v.faults]
    left_out = f"不含未授权 {totals.refused} 路次"
    if totals.in_maintenance:
        left_out += f"、维护中 {totals.in_maintenance}"
    unvisited = f"{left_out}；不含漏巡 {totals.planned - len(visited)}"
    return [
        Figure(id="planned", zh="应巡", en="planned", part=totals.planned, note=left_out),
        Figure(id="seen", zh="实巡", en="seen", part=totals.seen),
        Figure(id="coverage", zh="巡查覆盖率", en="patrol coverage", part=totals.seen,
               whole=totals.planned, note=left_out),
        Figure(id="completion", zh="轮次完成率", en="round completion", part=len(visited),
               whole=totals.planned, note=left_out),
        Figure(id="online", zh="在线率", en="online rate", part=online, whole=len(visited),
               note=unvisited),
        Figure(id="intact", zh="完好率", en="intact rate", part=intact, whole=len(visited),
               note=f"{unvisited}；{TARGETS}"),
        Figure(id="qualified", zh="图像合格率", en="qualified-picture rate", part=intact,
               whole=len(pictured), note="只计取到画面的路次"),
        *_human_patrol_figures(material),
        *_ground_figures(material),
        *_unseen_figures(material, {visit.camera for visit in visits}, now),
    ]  # fmt: skip


def _human_patrol_figures(material: ReportMaterial) -> list[Figure]:
    """Tasks and cameras of the human patrols; none where the period had no task."""
    if not material.human_patrols:
        return []
    counts = count_checks(check for one in material.human_patrols for check in one.checks)
    states = [one.patrol.state for one in material.human_patrols]
    completed = states.count(HumanPatrolState.COMPLETED)
    missed, open_tasks = (
        states.count(HumanPatrolState.MISSED),
        sum(one.patrol.is_open for one in material.human_patrols),
    )
    return [
        Figure(id="human_patrols", zh="人工巡查完成率", en="human patrols completed",
               part=completed, whole=len(states) - open_tasks,
               note=f"漏巡 {missed} 次；不含未结束 {open_tasks} 次"),
        Figure(id="human_coverage", zh="人工巡查覆盖率", en="human patrol coverage",
               part=counts.done, whole=counts.planned - counts.pending,
               note=f"漏看 {counts.missed}、无法查看 {counts.not_viewable} 路次；不含待看"
               f" {counts.pending}"),
    ]  # fmt: skip


def _ground_figures(material: ReportMaterial) -> list[Figure]:
    """Patrols on the ground and their points; none where the period had no patrol."""
    if not material.ground_patrols:
        return []
    counts = count_stops(stop for one in material.ground_patrols for stop in one.stops)
    states = [one.patrol.state for one in material.ground_patrols]
    ended = sum(not one.patrol.is_open for one in material.ground_patrols)
    checked_in, missed = counts.done + counts.late, states.count(GroundState.MISSED)
    return [
        Figure(id="ground_patrols", zh="联动巡防完成率", en="ground patrols completed",
               part=states.count(GroundState.COMPLETED), whole=ended,
               note=f"漏巡 {missed} 次；不含未结束 {len(states) - ended} 次"),
        Figure(id="ground_coverage", zh="联动巡防点位覆盖率", en="ground patrol coverage",
               part=checked_in, whole=counts.planned - counts.pending,
               note=f"迟到 {counts.late}、待复核 {counts.review}、漏签 {counts.missed}；"
               f"不含待签到 {counts.pending}"),
    ]  # fmt: skip


def _unseen_figures(
    material: ReportMaterial, cameras: set[CameraId], now: datetime
) -> list[Figure]:
    at = min(now, material.until or now)
    names = (
        ("longest_unseen", "最长未巡见", "longest unseen (days)", material.last_seen),
        ("longest_unwatched", "最长无人看过", "longest without a person's look (days)",
         material.last_person_views),
    )  # fmt: skip
    return [
        Figure(id=ident, zh=zh, en=en, unit="天", **_longest_unseen(last, cameras, at))
        for ident, zh, en, last in names
    ]


def _longest_unseen(
    last: Mapping[CameraId, datetime], cameras: set[CameraId], at: datetime
) -> dict[str, Any]:
    """`part` and `note`: the longest of the planned cameras in days, and how many were never."""
    spans = [at - last[camera] for camera in cameras if camera in last]
    never = len(cameras) - len(spans)
    longest = max(spans, default=None)
    return {
        "part": None if longest is None else round(max(longest, timedelta(0)) / DAY, 1),
        "note": f"{len(cameras)} 路" + (f"，其中 {never} 路从未" if never else ""),
    }


def review_figures(material: ReportMaterial) -> list[Figure]:
    """Figures of the decisions on the period's findings."""
    findings = [finding for records in material.rounds for finding in records.findings]
    by_machine = [finding for finding in findings if finding.origin is Origin.MACHINE]
    decided = [f for f in by_machine if not f.is_open and f.state is not FindingState.AGED]
    merged = sum(f.state is FindingState.MERGED for f in decided)
    share = decided_share(by_machine, Origin.MACHINE)
    return [
        Figure(id="findings", zh="线索", en="findings", part=len(by_machine)),
        Figure(id="reviewed", zh="线索判定率", en="findings decided", part=len(decided),
               whole=len(by_machine)),
        _human_review_figure(material),
        Figure(id="precision", zh="初筛准确率", en="pre-screen precision", part=share.real,
               whole=share.decided, note=f"不含待核 {len(by_machine) - len(decided)} 条"),
        _miss_rate_figure(findings),
        *_own_finding_figures(material, share),
        Figure(id="duplicates", zh="重复线索（并案）", en="duplicates, merged", part=merged),
        *_known_positive_figures(findings),
    ]  # fmt: skip


def _human_review_figure(material: ReportMaterial) -> Figure:
    """Of what the rounds saw: how much a person judged, findings and blind sample together."""
    seen = sum(v.outcome.is_seen for records in material.planned_rounds for v in records.visits)
    judged_visits = {
        (finding.round, finding.camera)
        for records in material.planned_rounds
        for finding in records.findings
        if finding.origin is not Origin.PROBE
        and finding.decided_by
        and finding.decided_by not in MACHINE_ACTORS
    }
    return Figure(
        id="human_review",
        zh="人工复核率",
        en="human review rate",
        part=len(judged_visits),
        whole=seen,
        note="人工判过的路次（线索与盲抽）÷ 实巡",
    )


def _miss_rate_figure(findings: list[Finding]) -> Figure:
    """From the blind sample alone: of what the machine called normal, how much was not."""
    share = decided_share(findings, Origin.SAMPLE)
    undecided = sum(finding.origin is Origin.SAMPLE for finding in findings) - share.decided
    return Figure(
        id="miss_rate", zh="漏检率（盲抽）", en="miss rate, blind sample", part=share.real,
        whole=share.decided, interval=share.interval if share.decided else None,
        note=f"机器判为正常者按比例盲抽，Wilson 95 % 区间；不含未判 {undecided} 条",
    )  # fmt: skip


def _own_finding_figures(material: ReportMaterial, by_machine: DecidedShare) -> Iterator[Figure]:
    """What people saw by themselves; what of it was real is what the machine missed."""
    own = decided_share(material.own_findings, Origin.OPERATOR)
    undecided = len(material.own_findings) - own.decided
    yield Figure(
        id="own_findings", zh="人工发现", en="own findings", part=len(material.own_findings),
        note=f"与机器线索分开统计；含未判 {undecided} 条",
    )  # fmt: skip
    real = own.real + by_machine.real
    yield Figure(
        id="machine_missed", zh="机器漏检（人工发现）", en="missed by the machine, seen by people",
        part=own.real, whole=real,
        interval=wilson_interval(own.real, real) if real else None,
        note="属实的人工发现 ÷ 全部属实线索（人工与机器），无人看见的不在其内",
    )  # fmt: skip


def _known_positive_figures(findings: list[Finding]) -> list[Figure]:
    share = decided_share(findings, Origin.PROBE)
    if not any(finding.origin is Origin.PROBE for finding in findings):
        return []
    return [
        Figure(id="known_positives", zh="已知阳性识别", en="known positives seen",
               part=share.real, whole=share.decided, note="测试件，不计入其他任何指标"),
    ]  # fmt: skip


def case_figures(material: ReportMaterial, now: datetime) -> list[Figure]:
    """Figures of the cases accepted in the period, voided ones left out."""
    cases = material.cases
    counted = [case for case in cases if case.state is not CaseState.VOIDED]
    note = f"不含作废 {len(cases) - len(counted)} 件"
    reopened = sum(first_entry(case, CaseEvent.REOPEN) is not None for case in counted)
    return [
        Figure(id="accepted", zh="受理", en="accepted", part=len(counted), note=note),
        closure_figure(counted, note),
        *(in_time_figure(counted, now, deadline) for deadline in (CLOSURE, ACK, FEEDBACK)),
        _false_alarm_figure(counted, material.pushed_at, note),
        Figure(id="reopened", zh="重开", en="reopened", part=reopened),
        *_duration_figures(counted),
    ]


def closure_figure(cases: Sequence[Case], note: str = "") -> Figure:
    """The share of these cases that is closed."""
    closed = sum(case.state is CaseState.CLOSED for case in cases)
    return Figure(
        id="closure", zh="办结率", en="closure rate", part=closed, whole=len(cases), note=note
    )


def _false_alarm_figure(
    cases: Iterable[Case], pushed_at: Mapping[CaseId, datetime], note: str
) -> Figure:
    pushed = [case for case in cases if case.id in pushed_at]
    returned = [first_entry(case, CaseEvent.RETURN) for case in pushed]
    false = sum(entry is not None and entry.note.startswith("false_alarm") for entry in returned)
    return Figure(
        id="false_alarm", zh="误报率", en="false-alarm rate", part=false, whole=len(pushed),
        note=f"{note}；只计已推送",
    )  # fmt: skip


def _duration_figures(cases: Sequence[Case]) -> Iterator[Figure]:
    """Median and 90th percentile of the minutes until the acknowledgement and the closure."""
    for name, zh, en, event in (
        ("ack", "签收用时", "to acknowledge", CaseEvent.ACKNOWLEDGE),
        ("close", "办结用时", "to close", CaseEvent.CLOSE),
    ):
        took = minutes_until(cases, event)
        for suffix, zh_rank, en_rank, share in (
            ("median", "中位", "median", 0.5), ("p90", " P90", "P90", 0.9),
        ):  # fmt: skip
            yield Figure(
                id=f"{name}_{suffix}", zh=f"{zh}{zh_rank}", en=f"{en_rank} {en}",
                part=quantile(took, share), whole=len(took), minutes=True,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeadlineFigure:
    """The figure of a step of cases that has a limit."""

    id: str
    zh: str
    en: str
    event: CaseEvent
    limit: Callable[[Case], timedelta | None]


CLOSURE = DeadlineFigure(
    "closure_on_time", "按时办结率", "on-time closure rate",
    CaseEvent.CLOSE, lambda case: case.policy.limits.close,
)  # fmt: skip
ACK = DeadlineFigure(
    "ack_in_time", "签收及时率", "acknowledged in time",
    CaseEvent.ACKNOWLEDGE, lambda case: case.policy.limits.acknowledge,
)  # fmt: skip
FEEDBACK = DeadlineFigure(
    "feedback_in_time", "反馈及时率", "fed back in time",
    CaseEvent.FEED_BACK, lambda case: case.policy.limits.feedback,
)  # fmt: skip


def in_time_figure(cases: Iterable[Case], now: datetime, deadline: DeadlineFigure) -> Figure:
    """How many did the step within its limit, of those that did it or whose limit has passed."""
    done = due = not_yet = 0
    for case in cases:
        limit = deadline.limit(case)
        if limit is None:
            continue
        entry = first_entry(case, deadline.event)
        if entry is None and now <= case.dispatched_at + limit:
            not_yet += 1
            continue
        due += 1
        done += entry is not None and entry.at <= case.dispatched_at + limit
    note = f"不含未到期 {not_yet} 件；超期未办计为不及时"
    return Figure(id=deadline.id, zh=deadline.zh, en=deadline.en, part=done, whole=due, note=note)


def minutes_until(cases: Iterable[Case], event: CaseEvent) -> list[float]:
    """Minutes from dispatch to the first `event`, sorted."""
    entries = ((case, first_entry(case, event)) for case in cases)
    return sorted(
        (entry.at - case.dispatched_at).total_seconds() / 60 for case, entry in entries if entry
    )
