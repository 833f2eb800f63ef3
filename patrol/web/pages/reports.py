"""Reports (报表): the figures of a round, a day or a month, as a page and as files."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.responses import Response

from patrol.domain.labels import SUBJECTS
from patrol.domain.timestamps import parse_day, parse_month
from patrol.reports.english import COLUMNS, cell_in_english, note_in_english, unit_in_english
from patrol.reports.figures import Figure
from patrol.reports.queries import ReportHeading, ReportPeriod, period_of
from patrol.reports.report import ComparedFigure, Report, load_report
from patrol.reports.writers import FORMATS
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewReports, WebContext
from patrol.web.errors import NO_STORE, InvalidRequest, translate_errors
from patrol.web.i18n import Translator, paginate, plan_label

MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
ROUNDS_CHARTED: Final = 62  # a month of two rounds a day
CAMERAS_CHARTED: Final = 20
CAMERAS_PER_PAGE: Final = 50
MAIN_FIGURES: Final = (
    "coverage",
    "online",
    "intact",
    "human_review",
    "precision",
    "miss_rate",
    "ack_in_time",
    "closure_on_time",
)
router = APIRouter()
Format = Literal["html", "xlsx", "csv", "json"]


@router.get("/reports")
def reports_page(  # noqa: PLR0917  the three ways to name a period
    context: ContextDep, user: MayViewReports, a_round: str = "", day: str = "", month: str = "",
    page: int = 1,
) -> Response:  # fmt: skip
    """The figures of a round, a day or a month; by default today's."""
    today = user.now.astimezone(context.site.tz).date()
    no_period = not (a_round or day or month)
    period = _period(user, a_round, f"{today}" if no_period else day, month)
    report = _report_of(context, user, period)
    cameras, pager = paginate(report.cameras.documents, page, CAMERAS_PER_PAGE)
    lines = [_figure_row(one, user.t) for one in report.figures]
    return context.renderer.render_page(
        "reports.html",
        user,
        report=report,
        period=period,
        day=day or f"{today}",
        month=month or f"{today:%Y-%m}",
        link=_period_query(period),
        lines=lines,
        main=[line for line in lines if line["id"] in MAIN_FIGURES],
        bars=_round_bars(context, user.t),
        cameras=[_camera_row(one, user.t) for one in cameras],
        most_decided=[_camera_row(one, user.t) for one in _most_decided(report.cameras.documents)],
        grid_columns=[user.t(name, COLUMNS.get(name, name)) for name in report.grids.columns],
        grid_lines=[
            [user.t(str(cell), cell_in_english(str(cell))) for cell in line]
            for line in report.grids.lines
        ],
        rounds=[(one["round"], plan_label(one["plan"], user.t)) for one in report.rounds],
        **pager,
    )


@router.get("/reports/file.{kind}")
def download_report(  # noqa: PLR0917  the three ways to name a period
    context: ContextDep, user: MayViewReports, kind: Format, a_round: str = "", day: str = "",
    month: str = "",
) -> Response:  # fmt: skip
    """The report as a file; the download is logged."""
    period = _period(user, a_round, day, month)
    data = FORMATS[kind](_report_of(context, user, period))
    with context.app.store.begin() as uow:
        uow.access.append(
            at=user.now, who=user.account.name, what="export_report", camera=None,
            why=f"{period.kind} {period.name} {kind}",
        )  # fmt: skip
        uow.commit()
    name = f"patrol-{context.site.id}-{period.name}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
    return Response(data, media_type=MEDIA_TYPES[kind], headers=headers)


def _period(user: CurrentUser, a_round: str, day: str, month: str) -> ReportPeriod:
    try:
        return period_of(
            a_round=a_round,
            day=parse_day(day) if day else None,
            month=parse_month(month) if month else None,
        )
    except ValueError as exc:
        raise InvalidRequest(user.t("日期写作 2026-11-22 或 2026-11", "write 2026-11-22")) from exc


def _report_of(context: WebContext, user: CurrentUser, period: ReportPeriod) -> Report:
    site = context.site
    heading = ReportHeading(
        kind=period.kind, period=period.name, site=site.name, zone=site.tz,
        made_at=user.now, registry=context.app.registry,
    )  # fmt: skip
    with context.app.store.begin_read() as uow, translate_errors():
        return load_report(uow, heading, context.plans, period)


def _round_bars(context: WebContext, t: Translator) -> list[dict[str, Any]]:
    """The totals of the last rounds for the bar chart, the oldest first."""
    with context.app.store.begin_read() as uow:
        rounds = [
            one for plan in context.plans for one in uow.rounds.of_plan(plan, limit=ROUNDS_CHARTED)
        ]
        rounds.sort(key=lambda one: (one.planned_at, one.id))
        shown = rounds[-ROUNDS_CHARTED:]
        totals_by_round = [uow.rounds.totals(one.id) for one in shown]
    return [
        {
            "id": one.id,
            "name": f"{one.day:%m-%d} {plan_label(one.plan, t)}",
            "coverage": round(100 * kept.seen / kept.planned, 1) if kept.planned else 0.0,
            "normal": kept.normal,
            "problem": kept.problem,
            "not_viewable": kept.not_viewable,
            "missed": kept.missed,
            "findings": kept.findings,
        }
        for one, kept in zip(shown, totals_by_round, strict=True)
    ]


def _figure_row(one: ComparedFigure, t: Translator) -> dict[str, Any]:
    figure = one.figure
    low, high = figure.interval or (0.0, 0.0)
    return {
        "id": figure.id,
        "name": t(figure.zh, figure.en),
        "value": _value_text(figure, t),
        "interval": f"{100 * low:.1f}–{100 * high:.1f} %" if figure.interval else "",
        "n": figure.whole,
        "mom": _change_text(one.mom, t),
        "yoy": _change_text(one.yoy, t),
        "note": t(figure.note, note_in_english(figure.note)),
    }


def _change_text(text: str, t: Translator) -> str:
    return text if t.language == "zh" else text.replace("个百分点", "pp")


def _value_text(figure: Figure, t: Translator) -> str:
    if figure.value is None:
        return "—"
    if figure.minutes:
        return t.duration(timedelta(minutes=figure.value))
    if figure.whole is None:
        unit = t(figure.unit, unit_in_english(figure.unit))
        return f"{figure.value:g} {unit}".rstrip()
    return f"{100 * figure.value:.1f} %"


def _most_decided(documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """For the chart: the cameras with most decisions, whose share is the most certain."""
    return sorted(documents, key=lambda one: (-one["decided"], one["camera"]))[:CAMERAS_CHARTED]


def _camera_row(one: Mapping[str, Any], t: Translator) -> dict[str, Any]:
    low, high = one["interval"]
    return {
        "camera": one["camera"],
        "name": one["name"],
        "subject": t.pair(SUBJECTS[one["subject"]]),
        "confirmed": one["confirmed"],
        "decided": one["decided"],
        "share": round(100 * one["precision"], 1),
        "low": round(100 * low, 1),
        "high": round(100 * high, 1),
    }


def _period_query(period: ReportPeriod) -> str:
    return f"{period.kind}={period.name}" if period.kind != "round" else f"a_round={period.name}"
