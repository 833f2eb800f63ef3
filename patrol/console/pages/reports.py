"""Reports (报表): a day's, a month's or a round's figures on the page, and as files to keep."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.responses import Response

from patrol.console.asking import AtDesk, ForReports
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import CannotBe, paged, plan_words, said
from patrol.console.words import Words
from patrol.report.compose import Compared, Report, compose
from patrol.report.figure import Figure
from patrol.report.formats import FORMATS
from patrol.report.gather import Period, gather, periods
from patrol.report.material import Heading

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
BARS: Final = 62  # a month of two rounds a day
CHARTED: Final = 20
PER_PAGE: Final = 50
MAIN: Final = (
    "coverage",
    "online",
    "intact",
    "human_review",
    "precision",
    "miss_rate",
    "ack_in_time",
    "closure_on_time",
)
SUBJECTS: Final = {"scene": ("场景", "scene"), "equipment": ("设备", "equipment")}
router = APIRouter()
Format = Literal["html", "xlsx", "csv", "json"]


@router.get("/reports")
def reports(  # noqa: PLR0917  the three ways to name a period
    desk: AtDesk, caller: ForReports, a_round: str = "", day: str = "", month: str = "",
    page: int = 1,
) -> Response:  # fmt: skip
    """The figures of a round, a day or a month; today's when nothing is said."""
    today = caller.now.astimezone(desk.doors.facts.zone).date()
    said_nothing = not (a_round or day or month)
    period = _period(caller, a_round, f"{today}" if said_nothing else day, month)
    report = _compose(desk, caller, period)
    cameras, pager = paged(report.cameras.documents, page, PER_PAGE)
    lines = [_line(one, caller.say) for one in report.figures]
    return desk.shell.page(
        "reports.html", caller, report=report, period=period, day=day or f"{today}",
        month=month or f"{today:%Y-%m}", link=_link(period), lines=lines,
        main=[line for line in lines if line["id"] in MAIN], bars=_bars(desk, caller.say),
        cameras=[_camera(one, caller.say) for one in cameras],
        worth=[_camera(one, caller.say) for one in _most_judged(report.cameras.documents)],
        rounds=[(one["round"], plan_words(one["plan"], caller.say)) for one in report.rounds],
        **pager,
    )  # fmt: skip


@router.get("/reports/file.{kind}")
def download(  # noqa: PLR0917  the three ways to name a period
    desk: AtDesk, caller: ForReports, kind: Format, a_round: str = "", day: str = "",
    month: str = "",
) -> Response:  # fmt: skip
    """The same as a file; taking it away is written down."""
    period = _period(caller, a_round, day, month)
    data = FORMATS[kind](_compose(desk, caller, period))
    with desk.doors.store.begin() as uow:
        uow.access.append(
            at=caller.now, who=caller.account.name, what="export_report", camera=None,
            why=f"{period.kind} {period.name} {kind}",
        )  # fmt: skip
        uow.commit()
    name = f"patrol-{desk.doors.facts.id}-{period.name}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type=TYPES[kind], headers=headers)


def _period(caller: Caller, a_round: str, day: str, month: str) -> Period:
    try:
        return periods(
            a_round=a_round,
            day=date.fromisoformat(day) if day else None,
            month=datetime.strptime(month, "%Y-%m").date() if month else None,  # noqa: DTZ007  a month
        )
    except ValueError as exc:
        raise CannotBe(caller.say("日期写作 2026-11-22 或 2026-11", "write 2026-11-22")) from exc


def _compose(desk: Desk, caller: Caller, period: Period) -> Report:
    facts = desk.doors.facts
    heading = Heading(
        kind=period.kind, period=period.name, site=facts.name, zone=facts.zone,
        made_at=caller.now, registry=desk.doors.registry,
    )  # fmt: skip
    with desk.doors.store.begin_read() as uow, said():
        material = gather(uow, facts.plans, facts.zone, period)
        last, year_ago = (
            gather(uow, facts.plans, facts.zone, one) if one else None for one in period.earlier()
        )
    return compose(heading, material, last=last, year_ago=year_ago)


def _bars(desk: Desk, say: Words) -> list[dict[str, Any]]:
    """What became of the cameras of the last rounds, oldest first."""
    with desk.doors.store.begin_read() as uow:
        rounds = [
            one for plan in desk.doors.facts.plans for one in uow.rounds.of_plan(plan, limit=BARS)
        ]
        rounds.sort(key=lambda one: (one.planned_at, one.id))
        shown = rounds[-BARS:]
        books = [uow.rounds.books(one.id) for one in shown]
    return [
        {
            "id": one.id,
            "name": f"{one.day:%m-%d} {plan_words(one.plan, say)}",
            "coverage": round(100 * kept.seen / kept.planned, 1) if kept.planned else 0.0,
            "normal": kept.normal,
            "problem": kept.problem,
            "not_viewable": kept.not_viewable,
            "missed": kept.missed,
            "findings": kept.findings,
        }
        for one, kept in zip(shown, books, strict=True)
    ]


def _line(one: Compared, say: Words) -> dict[str, Any]:
    figure = one.figure
    low, high = figure.interval or (0.0, 0.0)
    return {
        "id": figure.id,
        "name": say(figure.zh, figure.en),
        "value": _value(figure, say),
        "interval": f"{100 * low:.1f}–{100 * high:.1f} %" if figure.interval else "",
        "n": figure.whole,
        "mom": _changed(one.mom, say),
        "yoy": _changed(one.yoy, say),
        "note": figure.note,
    }


def _changed(text: str, say: Words) -> str:
    return text if say.language == "zh" else text.replace("个百分点", "pp")


def _value(figure: Figure, say: Words) -> str:
    if figure.value is None:
        return "—"
    if figure.minutes:
        return say.lasting(timedelta(minutes=figure.value))
    if figure.whole is None:
        return f"{figure.value:g} {figure.unit}".rstrip()
    return f"{100 * figure.value:.1f} %"


def _most_judged(documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """For the chart: those whose share says the most."""
    return sorted(documents, key=lambda one: (-one["decided"], one["camera"]))[:CHARTED]


def _camera(one: Mapping[str, Any], say: Words) -> dict[str, Any]:
    low, high = one["interval"]
    return {
        "camera": one["camera"],
        "name": one["name"],
        "subject": say.pair(SUBJECTS[one["subject"]]),
        "confirmed": one["confirmed"],
        "decided": one["decided"],
        "share": round(100 * one["precision"], 1),
        "low": round(100 * low, 1),
        "high": round(100 * high, 1),
    }


def _link(period: Period) -> str:
    return f"{period.kind}={period.name}" if period.kind != "round" else f"a_round={period.name}"
