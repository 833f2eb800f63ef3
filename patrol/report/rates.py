"""The numbers of a report, each with its part, its whole and what the whole leaves out.

Looking is looked.py's, judging reviewed.py's; here is what became of cases.
No league table of findings per grid: it makes people hide problems.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.report.figure import Figure, change, quantile
from patrol.report.looked import looks
from patrol.report.material import Material, first
from patrol.report.reviewed import reviews

__all__ = [
    "ACK",
    "CLOSURE",
    "FEEDBACK",
    "Figure",
    "change",
    "durations",
    "figures",
    "in_time",
    "quantile",
]


def figures(material: Material, now: datetime) -> list[Figure]:
    """All of them, in the order of a report."""
    return [*looks(material, now), *reviews(material), *_cases(material, now)]


def _cases(material: Material, now: datetime) -> list[Figure]:
    cases = material.cases
    counted = [case for case in cases if case.state is not CaseState.VOIDED]
    note = f"不含作废 {len(cases) - len(counted)} 件"
    closed = sum(case.state is CaseState.CLOSED for case in counted)
    pushed = [case for case in counted if case.id in material.pushed_at]
    returned = [first(case, CaseEvent.RETURN) for case in pushed]
    false = sum(entry is not None and entry.note.startswith("false_alarm") for entry in returned)
    reopened = sum(first(case, CaseEvent.REOPEN) is not None for case in counted)
    acked = durations(counted, CaseEvent.ACKNOWLEDGE)
    ended = durations(counted, CaseEvent.CLOSE)
    return [
        Figure(id="accepted", zh="受理", en="accepted", part=len(counted), note=note),
        Figure(id="closure", zh="办结率", en="closure rate", part=closed, whole=len(counted),
               note=note),
        in_time(counted, now, CLOSURE), in_time(counted, now, ACK), in_time(counted, now, FEEDBACK),
        Figure(id="false_alarm", zh="误报率", en="false-alarm rate", part=false,
               whole=len(pushed), note=f"{note};只计已推送"),
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
class Limit:
    """A step that has a time to be done in."""

    id: str
    zh: str
    en: str
    event: CaseEvent
    limit: Callable[[Case], timedelta | None]


CLOSURE = Limit(
    "closure_on_time", "按时办结率", "on-time closure rate",
    CaseEvent.CLOSE, lambda case: case.policy.clocks.close,
)  # fmt: skip
ACK = Limit(
    "ack_in_time", "签收及时率", "acknowledged in time",
    CaseEvent.ACKNOWLEDGE, lambda case: case.policy.clocks.acknowledge,
)  # fmt: skip
FEEDBACK = Limit(
    "feedback_in_time", "反馈及时率", "fed back in time",
    CaseEvent.FEED_BACK, lambda case: case.policy.clocks.feedback,
)  # fmt: skip


def in_time(cases: Iterable[Case], now: datetime, of: Limit) -> Figure:
    """Due: done, or its limit has passed; overdue and still open counts as late."""
    done = due = not_yet = 0
    for case in cases:
        limit = of.limit(case)
        if limit is None:
            continue
        entry = first(case, of.event)
        if entry is None and now <= case.dispatched_at + limit:
            not_yet += 1
            continue
        due += 1
        done += entry is not None and entry.at <= case.dispatched_at + limit
    note = f"不含未到期 {not_yet} 件;超期未办计为不及时"
    return Figure(id=of.id, zh=of.zh, en=of.en, part=done, whole=due, note=note)


def durations(cases: Iterable[Case], event: CaseEvent) -> list[float]:
    """Minutes from dispatch to the first `event`, sorted."""
    entries = ((case, first(case, event)) for case in cases)
    return sorted(
        (entry.at - case.dispatched_at).total_seconds() / 60 for case, entry in entries if entry
    )
