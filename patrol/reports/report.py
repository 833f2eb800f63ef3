"""A Report: heading, totals, figures, ledger rows and two tables, composed once for all formats.

The tables say how soon each grid answered what it was sent, and how precise the machine's findings
were on each camera; both in the order of codes, never of numbers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any, Final

from patrol.domain import labels
from patrol.domain.audit_anchor import ChainHead
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding, Origin
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.round import Round
from patrol.domain.statistics import decided_share
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.reports import figures, ledger
from patrol.reports.figures import Figure, quantile
from patrol.reports.ledger import COLUMNS, LedgerRow, LedgerTotals
from patrol.reports.queries import ReportHeading, ReportMaterial, ReportPeriod, load_material
from patrol.store import UnitOfWork

GRID_COLUMNS: Final = (
    "网格", "名称", "推送", "签收及时率", "反馈及时率", "办结率", "按时办结率", "签收用时中位",
)  # fmt: skip
CAMERA_COLUMNS: Final = ("点位编码", "点位名称", "类型", "属实", "已判", "准确率", "95 % 区间")
RETIRED_LABEL: Final = "（已销户）"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as cells of text for people (`lines`) and as plain numbers (`documents`)."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    documents: tuple[Mapping[str, Any], ...]


def grid_table(material: ReportMaterial, heading: ReportHeading) -> Table:
    """How soon each grid answered the cases that the period sent it."""
    sent: dict[GridCode, list[Case]] = defaultdict(list)
    for case in material.cases:
        if case.state is not CaseState.VOIDED:
            sent[case.grid].append(case)
    known = heading.registry.tree.grids
    lines, documents = [], []
    for code, cases in sorted(sent.items()):
        name = known[code].name if code in known else RETIRED_LABEL
        answered = list(_response_figures(cases, heading.made_at))
        lines.append((code, name, str(len(cases)), *(figure.text for figure in answered)))
        plain = {figure.id: _figure_value(figure) for figure in answered}
        documents.append({"grid": code, "name": name, "sent": len(cases), **plain})
    return Table(columns=GRID_COLUMNS, lines=tuple(lines), documents=tuple(documents))


def _response_figures(cases: list[Case], now: datetime) -> Iterator[Figure]:
    yield figures.in_time_figure(cases, now, figures.ACK)
    yield figures.in_time_figure(cases, now, figures.FEEDBACK)
    yield figures.closure_figure(cases)
    yield figures.in_time_figure(cases, now, figures.CLOSURE)
    acked = figures.minutes_until(cases, CaseEvent.ACKNOWLEDGE)
    yield Figure(
        id="ack_median", zh="签收用时中位", en="median to acknowledge",
        part=quantile(acked, 0.5), whole=len(acked), minutes=True,
    )  # fmt: skip


def camera_table(material: ReportMaterial, heading: ReportHeading) -> Table:
    """Pre-screen precision of each camera, from people's decisions on the machine's findings."""
    by_camera: dict[tuple[CameraId, Subject], list[Finding]] = defaultdict(list)
    for finding in _findings(material):
        by_camera[finding.camera, finding.subject].append(finding)
    lines, documents = [], []
    for (ident, subject), findings in sorted(by_camera.items()):
        decided = decided_share(findings, Origin.MACHINE)
        if not decided.decided:
            continue
        camera, (low, high) = heading.registry.cameras.get(ident), decided.interval
        name, share = camera.name if camera else RETIRED_LABEL, decided.real / decided.decided
        lines.append(
            (
                ident, name, labels.SUBJECTS[subject][0], str(decided.real), str(decided.decided),
                f"{100 * share:.1f} %", f"{100 * low:.0f}–{100 * high:.0f} %",
            )
        )  # fmt: skip
        documents.append(
            {
                "camera": ident, "name": name, "subject": str(subject), "confirmed": decided.real,
                "decided": decided.decided, "precision": round(share, 4),
                "interval": [round(low, 4), round(high, 4)],
            }
        )  # fmt: skip
    return Table(columns=CAMERA_COLUMNS, lines=tuple(lines), documents=tuple(documents))


def _findings(material: ReportMaterial) -> Iterable[Finding]:
    return (finding for records in material.rounds for finding in records.findings)


def _figure_value(figure: Figure) -> dict[str, Any]:
    value = figure.value
    return {"value": None if value is None else round(value, 4), "n": figure.whole}


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A figure beside the last period (环比) and the same one last year (同比)."""

    figure: Figure
    mom: str
    yoy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One composed report, which the writers turn into a file of any format."""

    heading: ReportHeading
    totals: LedgerTotals
    figures: tuple[ComparedFigure, ...]
    rounds: tuple[Mapping[str, Any], ...]
    rows: Collection[LedgerRow]
    grids: Table
    cameras: Table
    anchor: Mapping[str, ChainHead] = field(default_factory=dict)  # of a day: its logs' heads

    @property
    def title(self) -> str:
        """`上坝镇视频巡查台账 日报 2026-11-22`."""
        heading = self.heading
        return f"{heading.site}视频巡查台账 {labels.REPORT_KINDS[heading.kind][0]} {heading.period}"

    @property
    def head(self) -> tuple[tuple[str, str], ...]:
        """应巡/实巡/离线/未授权/覆盖率."""
        totals = self.totals
        coverage = "—" if totals.coverage is None else f"{100 * totals.coverage:.1f} %"
        return (
            ("应巡", str(totals.planned)),
            ("实巡", str(totals.seen)),
            ("离线", str(totals.offline)),
            ("未授权", str(totals.refused)),
            ("覆盖率", coverage),
        )

    @property
    def made(self) -> str:
        """When it was made, on the site's clock."""
        return f"{self.heading.made_at.astimezone(self.heading.zone):%Y-%m-%d %H:%M}"


def compose_report(
    heading: ReportHeading,
    material: ReportMaterial,
    *,
    last: ReportMaterial | None = None,
    year_ago: ReportMaterial | None = None,
) -> Report:
    """Compute the report once; `last` and `year_ago` are what the figures are compared with."""
    now = heading.made_at
    old, older = _figures_by_id(last, now), _figures_by_id(year_ago, now)
    return Report(
        heading=heading,
        totals=ledger.ledger_totals(material),
        figures=tuple(
            ComparedFigure(
                f, figures.change_text(f, old.get(f.id)), figures.change_text(f, older.get(f.id))
            )
            for f in figures.report_figures(material, now)
        ),
        rounds=tuple(_round_document(records.round) for records in material.rounds),
        rows=ledger.LedgerRows(material, heading),
        grids=grid_table(material, heading),
        cameras=camera_table(material, heading),
    )


def load_report(
    uow: UnitOfWork, heading: ReportHeading, plans: Iterable[str], period: ReportPeriod
) -> Report:
    """Read the period and the two that it is compared with, and compose their report.

    `plans`: the calendar's, whose rounds count. Raises KeyError: there is no such round.
    """
    plans = tuple(plans)
    material = load_material(uow, plans, heading.zone, period)
    last, year_ago = (
        None if one is None else load_material(uow, plans, heading.zone, one)
        for one in period.earlier()
    )
    report = compose_report(heading, material, last=last, year_ago=year_ago)
    if period.kind != "day":
        return report
    end = datetime.combine(period.end, time(), tzinfo=heading.zone)
    return replace(report, anchor=uow.anchors.heads_before(end))


def report_document(report: Report) -> dict[str, Any]:
    """The document of `--format json`."""
    totals = report.totals
    return {
        "report": report.heading.kind,
        "period": report.heading.period,
        "site": report.heading.site,
        "made_at": rfc3339(report.heading.made_at),
        "header": {
            "planned": totals.planned,
            "seen": totals.seen,
            "offline": totals.offline,
            "refused": totals.refused,
            "coverage": None if totals.coverage is None else round(totals.coverage, 4),
        },
        "figures": [_figure_document(compared) for compared in report.figures],
        "rounds": list(report.rounds),
        "columns": list(COLUMNS),
        "rows": list(report.rows),
        "grids": list(report.grids.documents),
        "cameras": list(report.cameras.documents),
        "anchor": {
            name: {"number": head.number, "hash": head.hash} for name, head in report.anchor.items()
        },
    }


def _figure_document(compared: ComparedFigure) -> dict[str, Any]:
    figure = compared.figure
    value = figure.value
    return {
        "id": figure.id,
        "zh": figure.zh,
        "en": figure.en,
        "value": None if value is None else round(value, 4),
        "part": figure.part,
        "n": figure.whole,
        "interval": figure.interval and [round(end, 4) for end in figure.interval],
        "mom": compared.mom,
        "yoy": compared.yoy,
        "note": figure.note,
    }


def _figures_by_id(material: ReportMaterial | None, now: datetime) -> dict[str, Figure]:
    if material is None or not (material.rounds or material.cases):
        return {}
    return {figure.id: figure for figure in figures.report_figures(material, now)}


def _round_document(a_round: Round) -> dict[str, Any]:
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "scope": a_round.scope,
        "state": str(a_round.state),
        "reason": a_round.reason,
        "planned": a_round.planned,
        "refused": dict(a_round.refused),
        "started_at": rfc3339_or_none(a_round.started_at),
        "finished_at": rfc3339_or_none(a_round.finished_at),
    }
