"""The numbers of a report, each with its part, its whole and what the whole leaves out.

No league table of findings per grid: it makes people hide problems.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import FindingState, Origin
from patrol.domain.round import VisitOutcome
from patrol.report.ledger import OFFLINE, tallies
from patrol.report.material import Material, first


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number: a rate (part of whole), a count (whole None), or minutes (a median)."""

    id: str
    zh: str
    en: str
    part: float | None
    whole: int | None = None
    minutes: bool = False
    note: str = ""  # what the whole leaves out, or what is counted

    @property
    def value(self) -> float | None:
        """A share 0..1, a count, or minutes; None where there is nothing to divide by."""
        if self.whole is None or self.minutes:
            return self.part
        return self.part / self.whole if self.whole and self.part is not None else None

    @property
    def words(self) -> str:
        """For people: `95.2 %(571/600)`; a dash on a zero base."""
        if self.part is None or (self.whole == 0):
            return "—(n=0)"
        if self.minutes:
            return f"{self.part:.1f} 分钟(n={self.whole})"
        if self.whole is None:
            return f"{self.part:g}"
        return f"{100 * self.part / self.whole:.1f} %({self.part:g}/{self.whole})"


def figures(material: Material, now: datetime) -> list[Figure]:
    """All of them, in the order of a report."""
    return [*_looks(material), *_reviews(material), *_cases(material.cases, now)]


def change(new: Figure, old: Figure | None) -> str:
    """Against an earlier period: percentage points for a rate, per cent for a count."""
    if old is None or new.value is None or old.value is None:
        return "—"
    if new.whole is not None and not new.minutes:
        return f"{100 * (new.value - old.value):+.1f} 个百分点"
    return f"{100 * (new.value - old.value) / old.value:+.1f} %" if old.value else "—"


def _looks(material: Material) -> list[Figure]:
    head = tallies(material)
    visits = [visit for sheet in material.sheets for visit in sheet.visits]
    visited = [v for v in visits if v.outcome not in (VisitOutcome.MISSED, VisitOutcome.PENDING)]
    seen = [v for v in visited if v.outcome.is_seen]
    online = sum(v.failure not in OFFLINE for v in visited)
    intact = sum(not v.faults for v in seen)
    pictured = [v for v in visited if v.outcome.is_seen or v.faults]
    left_out = f"不含未授权 {head.refused} 路次"
    if head.upkeep:
        left_out += f"、维护中 {head.upkeep}"
    unvisited = f"{left_out};不含漏巡 {head.planned - len(visited)}"
    return [
        Figure(id="planned", zh="应巡", en="planned", part=head.planned, note=left_out),
        Figure(id="seen", zh="实巡", en="seen", part=head.seen),
        Figure(id="coverage", zh="巡查覆盖率", en="patrol coverage", part=head.seen,
               whole=head.planned, note=left_out),
        Figure(id="completion", zh="轮次完成率", en="round completion", part=len(visited),
               whole=head.planned, note=left_out),
        Figure(id="online", zh="在线率", en="online rate", part=online, whole=len(visited),
               note=unvisited),
        Figure(id="intact", zh="完好率", en="intact rate", part=intact, whole=len(visited),
               note=unvisited),
        Figure(id="qualified", zh="图像合格率", en="qualified-picture rate", part=intact,
               whole=len(pictured), note="只计取到画面的路次"),
    ]  # fmt: skip


def _reviews(material: Material) -> list[Figure]:
    findings = [
        finding
        for sheet in material.sheets
        for finding in sheet.findings
        if finding.origin is Origin.MACHINE  # the blind sample is no candidate of the machine's
    ]
    decided = [f for f in findings if not f.is_open and f.state is not FindingState.AGED]
    confirmed = sum(f.state in (FindingState.CONFIRMED, FindingState.MERGED) for f in decided)
    merged = sum(f.state is FindingState.MERGED for f in decided)
    return [
        Figure(id="findings", zh="线索", en="findings", part=len(findings)),
        Figure(id="reviewed", zh="人工复核率", en="human review rate", part=len(decided),
               whole=len(findings)),
        Figure(id="precision", zh="初筛准确率", en="pre-screen precision", part=confirmed,
               whole=len(decided), note=f"不含待核 {len(findings) - len(decided)} 条"),
        Figure(id="duplicates", zh="重复线索(并案)", en="duplicates, merged", part=merged),
    ]  # fmt: skip


def _cases(cases: Sequence[Case], now: datetime) -> list[Figure]:
    counted = [case for case in cases if case.state is not CaseState.VOIDED]
    note = f"不含作废 {len(cases) - len(counted)} 件"
    closed = sum(case.state is CaseState.CLOSED for case in counted)
    returned = [first(case, CaseEvent.RETURN) for case in counted]
    false = sum(entry is not None and entry.note.startswith("false_alarm") for entry in returned)
    reopened = sum(first(case, CaseEvent.REOPEN) is not None for case in counted)
    acked = _durations(counted, CaseEvent.ACKNOWLEDGE)
    ended = _durations(counted, CaseEvent.CLOSE)
    return [
        Figure(id="accepted", zh="受理", en="accepted", part=len(counted), note=note),
        Figure(id="closure", zh="办结率", en="closure rate", part=closed, whole=len(counted),
               note=note),
        _in_time(counted, now, _CLOSURE), _in_time(counted, now, _ACK),
        _in_time(counted, now, _FEEDBACK),
        Figure(id="false_alarm", zh="误报率", en="false-alarm rate", part=false,
               whole=len(counted), note=note),
        Figure(id="reopened", zh="重开", en="reopened", part=reopened),
        Figure(id="ack_median", zh="签收用时中位", en="median to acknowledge",
               part=quantile(acked, 0.5), whole=len(acked), minutes=True),
        Figure(id="ack_p90", zh="签收用时 P90", en="P90 to acknowledge",
               part=quantile(acked, 0.9), whole=len(acked), minutes=True),
        Figure(id="close_median", zh="办结用时中位", en="median to close",
               part=quantile(ended, 0.5), whole=len(ended), minutes=True),
        Figure(id="close_p90", zh="办结用时 P90", en="P90 to close",
               part=quantile(ended, 0.9), whole=len(ended), minutes=True),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Limit:
    id: str
    zh: str
    en: str
    event: CaseEvent
    limit: Callable[[Case], timedelta | None]


_CLOSURE = _Limit(
    "closure_on_time", "按时办结率", "on-time closure rate",
    CaseEvent.CLOSE, lambda case: case.policy.clocks.close,
)  # fmt: skip
_ACK = _Limit(
    "ack_in_time", "签收及时率", "acknowledged in time",
    CaseEvent.ACKNOWLEDGE, lambda case: case.policy.clocks.acknowledge,
)  # fmt: skip
_FEEDBACK = _Limit(
    "feedback_in_time", "反馈及时率", "fed back in time",
    CaseEvent.FEED_BACK, lambda case: case.policy.clocks.feedback,
)  # fmt: skip


def _in_time(cases: Iterable[Case], now: datetime, of: _Limit) -> Figure:
    """Due: done, or its limit has passed; overdue and still open counts as late."""
    in_time = due = not_yet = 0
    for case in cases:
        limit = of.limit(case)
        if limit is None:
            continue
        entry = first(case, of.event)
        if entry is None and now <= case.dispatched_at + limit:
            not_yet += 1
            continue
        due += 1
        in_time += entry is not None and entry.at <= case.dispatched_at + limit
    note = f"不含未到期 {not_yet} 件;超期未办计为不及时"
    return Figure(id=of.id, zh=of.zh, en=of.en, part=in_time, whole=due, note=note)


def _durations(cases: Iterable[Case], event: CaseEvent) -> list[float]:
    """Minutes from dispatch to the first `event`, sorted."""
    entries = ((case, first(case, event)) for case in cases)
    return sorted(
        (entry.at - case.dispatched_at).total_seconds() / 60 for case, entry in entries if entry
    )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """By linear interpolation between the neighbours; None of nothing."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
