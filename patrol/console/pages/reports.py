"""Reports (报表): a day's, a month's or a round's figures on the page, and as files to keep."""

from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.responses import Response

from patrol.console.asking import AtDesk, ForReports
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import CannotBe, said
from patrol.console.words import Words
from patrol.report.compose import Report, compose
from patrol.report.formats import FORMATS
from patrol.report.gather import Period, gather, periods
from patrol.report.material import Heading
from patrol.report.rates import Figure

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
BARS: Final = 62  # a month of two rounds a day
router = APIRouter()
Format = Literal["html", "xlsx", "csv", "json"]


@router.get("/reports")
def reports(desk: AtDesk, caller: ForReports, day: str = "", month: str = "") -> Response:
    """The figures of a day or a month; today's when nothing is said."""
    today = caller.now.astimezone(desk.doors.facts.zone).date()
    period = _period(caller, "", day or ("" if month else f"{today}"), month)
    report = _compose(desk, caller, period)
    return desk.shell.page(
        "reports.html", caller, report=report, period=period, day=day or f"{today}",
        month=month or f"{today:%Y-%m}", bars=_bars(desk), link=_link(period),
        shown=[
            (caller.say(one.figure.zh, one.figure.en), _value(one.figure, caller.say),
             one.figure.whole, one.mom, one.yoy, one.figure.note)
            for one in report.figures
        ],
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


def _bars(desk: Desk) -> list[dict[str, Any]]:
    """Coverage of the last rounds, oldest first."""
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
            "coverage": 100 * kept.seen / kept.planned if kept.planned else 0.0,
            "findings": kept.findings,
        }
        for one, kept in zip(shown, books, strict=True)
    ]


def _value(figure: Figure, say: Words) -> str:
    if figure.value is None:
        return "—"
    if figure.minutes:
        return say.lasting(timedelta(minutes=figure.value))
    return f"{figure.value:g}" if figure.whole is None else f"{100 * figure.value:.1f} %"


def _link(period: Period) -> str:
    return f"{period.kind}={period.name}" if period.kind != "round" else f"a_round={period.name}"
