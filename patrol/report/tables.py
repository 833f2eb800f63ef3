"""The smaller tables of a report: how each grid answers, what each camera's leads were worth.

In the order of their codes, never of their numbers. A grid's lines say how soon it answered what it
was sent; how much was found there is nobody's merit and nobody's fault.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding, Origin
from patrol.domain.ids import CameraId
from patrol.domain.observation import Subject
from patrol.domain.statistics import judged
from patrol.report import rates
from patrol.report.figure import Figure, quantile
from patrol.report.material import Heading, Material

GRID_COLUMNS: Final = (
    "网格", "名称", "推送", "签收及时率", "反馈及时率", "办结率", "按时办结率", "签收用时中位",
)  # fmt: skip
CAMERA_COLUMNS: Final = ("点位编码", "点位名称", "类型", "属实", "已判", "准确率", "95 % 区间")
SUBJECTS: Final = {Subject.SCENE: "场景", Subject.EQUIPMENT: "设备"}
RETIRED: Final = "(已销户)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The cells of a line are words for people, `documents` the same as numbers."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    documents: tuple[Mapping[str, Any], ...]


def grids(material: Material, heading: Heading) -> Table:
    """How each grid answered what the period sent it."""
    sent: dict[str, list[Case]] = defaultdict(list)
    for case in material.cases:
        if case.state is not CaseState.VOIDED:
            sent[case.grid].append(case)
    known = heading.registry.tree.grids
    lines, documents = [], []
    for code, cases in sorted(sent.items()):
        name = next((grid.name for grid in known.values() if grid.code == code), RETIRED)
        figures = list(_answers(cases, heading.made_at))
        lines.append((code, name, str(len(cases)), *(figure.words for figure in figures)))
        plain = {figure.id: _plain(figure) for figure in figures}
        documents.append({"grid": code, "name": name, "sent": len(cases), **plain})
    return Table(columns=GRID_COLUMNS, lines=tuple(lines), documents=tuple(documents))


def _answers(cases: list[Case], now: datetime) -> Iterator[Figure]:
    yield rates.in_time(cases, now, rates.ACK)
    yield rates.in_time(cases, now, rates.FEEDBACK)
    closed = sum(case.state is CaseState.CLOSED for case in cases)
    yield Figure(id="closure", zh="办结率", en="closure rate", part=closed, whole=len(cases))
    yield rates.in_time(cases, now, rates.CLOSURE)
    acked = rates.durations(cases, CaseEvent.ACKNOWLEDGE)
    yield Figure(
        id="ack_median", zh="签收用时中位", en="median to acknowledge",
        part=quantile(acked, 0.5), whole=len(acked), minutes=True,
    )  # fmt: skip


def cameras(material: Material, heading: Heading) -> Table:
    """Pre-screen precision of each camera, from people's verdicts on the machine's leads."""
    leads: dict[tuple[CameraId, Subject], list[Finding]] = defaultdict(list)
    for finding in _findings(material):
        leads[finding.camera, finding.subject].append(finding)
    lines, documents = [], []
    for (ident, subject), mine in sorted(leads.items()):
        own = judged(mine, Origin.MACHINE)
        if not own.decided:
            continue
        camera, (low, high) = heading.registry.cameras.get(ident), own.interval
        name, share = camera.name if camera else RETIRED, own.real / own.decided
        lines.append(
            (
                ident, name, SUBJECTS[subject], str(own.real), str(own.decided),
                f"{100 * share:.1f} %", f"{100 * low:.0f}–{100 * high:.0f} %",
            )
        )  # fmt: skip
        documents.append(
            {
                "camera": ident, "name": name, "subject": str(subject), "confirmed": own.real,
                "decided": own.decided, "precision": round(share, 4),
                "interval": [round(low, 4), round(high, 4)],
            }
        )  # fmt: skip
    return Table(columns=CAMERA_COLUMNS, lines=tuple(lines), documents=tuple(documents))


def _findings(material: Material) -> Iterable[Finding]:
    return (finding for sheet in material.sheets for finding in sheet.findings)


def _plain(figure: Figure) -> dict[str, Any]:
    value = figure.value
    return {"value": None if value is None else round(value, 4), "n": figure.whole}
