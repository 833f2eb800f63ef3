"""Material → Report: the one document that every format writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patrol.domain.round import Round
from patrol.report import ledger, rates, tables
from patrol.report.ledger import COLUMNS, Row, Tallies
from patrol.report.material import Heading, Material
from patrol.report.rates import Figure
from patrol.report.tables import Table

KINDS = {"round": "轮次", "day": "日报", "month": "月报"}


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure beside the last period (环比) and the same one last year (同比)."""

    figure: Figure
    mom: str
    yoy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Ready to be written in any format."""

    heading: Heading
    tallies: Tallies
    figures: tuple[Compared, ...]
    rounds: tuple[Mapping[str, Any], ...]
    rows: tuple[Row, ...]
    grids: Table
    cameras: Table

    @property
    def title(self) -> str:
        """`上坝镇视频巡查台账 日报 2026-11-22`."""
        heading = self.heading
        return f"{heading.site}视频巡查台账 {KINDS[heading.kind]} {heading.period}"

    @property
    def head(self) -> tuple[tuple[str, str], ...]:
        """应巡/实巡/离线/未授权/覆盖率."""
        t = self.tallies
        coverage = "—" if t.coverage is None else f"{100 * t.coverage:.1f} %"
        return (
            ("应巡", str(t.planned)), ("实巡", str(t.seen)), ("离线", str(t.offline)),
            ("未授权", str(t.refused)), ("覆盖率", coverage),
        )  # fmt: skip

    @property
    def made(self) -> str:
        """When, on the site's wall clock."""
        return f"{self.heading.made_at.astimezone(self.heading.zone):%Y-%m-%d %H:%M}"


def compose(
    heading: Heading,
    material: Material,
    *,
    last: Material | None = None,
    year_ago: Material | None = None,
) -> Report:
    """Reckon everything once."""
    now = heading.made_at
    old, older = _by_id(last, now), _by_id(year_ago, now)
    return Report(
        heading=heading,
        tallies=ledger.tallies(material),
        figures=tuple(
            Compared(f, rates.change(f, old.get(f.id)), rates.change(f, older.get(f.id)))
            for f in rates.figures(material, now)
        ),
        rounds=tuple(_round(sheet.round) for sheet in material.sheets),
        rows=tuple(ledger.rows(material, heading)),
        grids=tables.grids(material, heading),
        cameras=tables.cameras(material, heading),
    )


def as_json(report: Report) -> dict[str, Any]:
    """The document of `--format json`."""
    t = report.tallies
    return {
        "report": report.heading.kind,
        "period": report.heading.period,
        "site": report.heading.site,
        "made_at": f"{report.heading.made_at:%Y-%m-%dT%H:%M:%SZ}",
        "header": {
            "planned": t.planned,
            "seen": t.seen,
            "offline": t.offline,
            "refused": t.refused,
            "coverage": None if t.coverage is None else round(t.coverage, 4),
        },
        "figures": [_figure(compared) for compared in report.figures],
        "rounds": list(report.rounds),
        "columns": list(COLUMNS),
        "rows": list(report.rows),
        "grids": list(report.grids.documents),
        "cameras": list(report.cameras.documents),
    }


def _figure(compared: Compared) -> dict[str, Any]:
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


def _by_id(material: Material | None, now: datetime) -> dict[str, Figure]:
    if material is None or not (material.sheets or material.cases):
        return {}
    return {figure.id: figure for figure in rates.figures(material, now)}


def _round(a_round: Round) -> dict[str, Any]:
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "scope": a_round.scope,
        "state": str(a_round.state),
        "reason": a_round.reason,
        "planned": a_round.planned,
        "refused": dict(a_round.refused),
        "started_at": _utc(a_round.started_at),
        "finished_at": _utc(a_round.finished_at),
    }


def _utc(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
