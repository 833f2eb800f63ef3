"""Patrols on the ground at the command line: `patrol ground plan|list|show|check-in|…|ledger`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import bad_input, console, print_err, print_json, print_none
from patrol.cli.site import app_of, site_names, site_of, store_of, trusted_now_of
from patrol.domain.ground_labels import (
    CHECK_IN_PROBLEMS,
    CHECK_IN_STATES,
    GROUND_STATES,
    STOP_STATES,
)
from patrol.domain.ground_patrol import (
    CheckIn,
    GroundPatrol,
    GroundStop,
    count_stops,
)
from patrol.domain.ids import PersonId
from patrol.domain.labels import label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import parse_day
from patrol.reports.documents import check_in_document, ground_patrol_document
from patrol.store import Store

if TYPE_CHECKING:
    from patrol.reports.queries import ReportHeading, ReportMaterial
    from patrol.settings import Site

PatrolArgument = Annotated[
    str, typer.Argument(metavar="ID", help="巡防编号，见 list。 As `ground list` shows it.")
]
Day = Annotated[
    str, typer.Option("--day", metavar="YYYY-MM-DD", help="哪天，默认今天。 Which day.")
]
Note = Annotated[str, typer.Option("--note", help="理由。 The reason.")]


class LedgerFormat(StrEnum):
    """Formats of the ledger."""

    XLSX = auto()
    CSV = auto()
    JSON = auto()


def plan_day(context: typer.Context, *, day: Day = "", as_json: AsJson = False) -> None:
    """现在安排某天的联动巡防。 Plan the patrols of a day at once."""
    from patrol.app.ground_service import GroundService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        if not app.site.settings.ground_patrols.plans:
            bad_input("ground_patrols: site.yaml has no plans, see config/README.md")
        today = app.clock.now().astimezone(app.site.settings.site.tz).date()
        planned = GroundService(app).plan(_day_of(day, today))
        with app.store.begin_read() as uow:
            stops = uow.ground_patrols.stops_of(one.id for one in planned)
    if as_json:
        print_json([ground_patrol_document(one, stops.get(one.id, ())) for one in planned])
        return
    for one in planned:
        who = "、".join(one.people) or translate("无人", "nobody")
        console().print(f"{one.id}  {one.title}  {who}", markup=False)
    console().print(translate(f"已安排 {len(planned)}", f"planned {len(planned)}"), markup=False)


def list_patrols(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """联动巡防列表，新的在前。 Patrols on the ground, the newest first."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        patrols = uow.ground_patrols.list(limit=limit)
        stops = uow.ground_patrols.stops_of(one.id for one in patrols)
    if as_json:
        print_json([ground_patrol_document(one, stops.get(one.id, ())) for one in patrols])
        return
    for one in patrols:
        counts = count_stops(stops.get(one.id, ()))
        console().print(
            translate(
                f"{_line(one)}  已签到 {counts.done + counts.late}/{counts.planned} "
                f" 待复核 {counts.review}  漏签 {counts.missed}",
                f"{_line(one)}  walked {counts.done + counts.late}/{counts.planned} "
                f" review {counts.review}  missed {counts.missed}",
            ),
            markup=False,
        )
    if not patrols:
        print_none()


def show_patrol(context: typer.Context, patrol: PatrolArgument, *, as_json: AsJson = False) -> None:
    """一次联动巡防，逐点。 One patrol, point by point."""
    with store_of(site_names(context)) as store:
        found, stops, check_ins = _of(store, patrol)
    if as_json:
        print_json(ground_patrol_document(found, stops, check_ins))
        return
    console().print(_line(found), markup=False)
    for stop in stops:
        state = label_text(label_of(STOP_STATES, stop.state))
        console().print(f"  {stop.point}  {stop.name}  {state}", markup=False)
    for check_in in check_ins:
        console().print(f"  {_check_in_line(check_in)}", markup=False)


def check_in(
    context: typer.Context,
    patrol: PatrolArgument,
    point: Annotated[str, typer.Argument(metavar="POINT", help="点位编码。 Of points.csv.")] = "",
    *,
    person: Annotated[str, typer.Option("--person", help="巡防人员编号。 Who walks; a person_id.")],
    code: Annotated[
        str, typer.Option("--code", help="二维码或标签内容。 What the code says.")
    ] = "",
    at: Annotated[
        str, typer.Option("--at", help="手机时间，RFC 3339。 The claimed time; now if left out.")
    ] = "",
    key: Annotated[str, typer.Option("--key", help="幂等键。 A repeat changes nothing.")] = "",
    seen: Annotated[str, typer.Option("--seen", help="看到的情况。 What was seen.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """签到：扫码内容，或值班员代录（电话报告）。 Check in by a code, or enter a telephoned one."""
    from patrol.app.ground_service import (  # noqa: PLC0415  as app_of does
        CheckInForm,
        GroundService,
        read_claimed_at,
    )

    if bool(point) == bool(code):
        bad_input("check-in: give POINT (entered by the desk) or --code (what was read), one")
    with app_of(context) as app:
        now = app.clock.now()
        form = CheckInForm(
            key=key or f"cli-{point or 'code'}-{now:%Y%m%d%H%M%S%f}", patrol=patrol,
            by=PersonId(person), claimed_at=read_claimed_at(at, now), code=code, point=point,
            seen=seen, entered_by="" if code else operator(by),
        )  # fmt: skip
        try:
            taken = GroundService(app).check_in(form)
        except KeyError:
            bad_input(_no_patrol_text(patrol))
    _print_check_in(taken, as_json=as_json)


def list_review(context: typer.Context, *, as_json: AsJson = False) -> None:
    """待复核的签到，旧的在前。 Check-ins that wait for a person, the oldest first."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        waiting = uow.ground_patrols.to_review()
    if as_json:
        print_json([check_in_document(one) for one in waiting])
        return
    for one in waiting:
        console().print(_check_in_line(one), markup=False)
    if not waiting:
        print_none()


def decide(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="CHECK-IN", help="签到编号，见 review。 Its id.")],
    *,
    reject: Annotated[
        bool, typer.Option("--reject", help="不予认可。 It is not believed.")
    ] = False,
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """复核一次存疑签到。 Believe a check-in that waits, or not; then its point is open again."""
    from patrol.app.ground_service import GroundService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        try:
            decided = GroundService(app).decide(
                ident, accept=not reject, by=operator(by), note=note
            )
        except KeyError:
            bad_input(f"check-in {ident!r}: there is none, `patrol ground review` lists them")
    _print_check_in(decided, as_json=as_json)


def make_codes(
    context: typer.Context,
    *,
    point: Annotated[str, typer.Option("--point", help="只要这个点位。 This point alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """各点位的二维码与标签内容。 What to print as QR codes, and to write on NFC tags."""
    from patrol.app.ground_service import GroundService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        lines = [
            line for line in GroundService(app).code_documents() if point in {"", line["point"]}
        ]
    if not lines:
        bad_input(f"point {point!r}: not in points.csv" if point else "points.csv: no points")
    if as_json:
        print_json(lines)
        return
    for line in lines:
        console().print(f"{line['point']}  {line['name']}\n  {line['qr']}", markup=False)


def coverage(
    context: typer.Context,
    *,
    start: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="从。 From.")] = "",
    end: Annotated[str, typer.Option("--until", metavar="YYYY-MM-DD", help="到。 Until.")] = "",
    as_json: AsJson = False,
) -> None:
    """联动巡防与视频巡查的覆盖，按村与重点区域。 Coverage on the ground beside the cameras'."""
    from patrol.reports.ground_ledger import (  # noqa: PLC0415  reports cost time
        coverage_by_area,
        coverage_by_village,
    )

    site = site_of(context)
    with store_of(site) as store:
        material, _heading = _material(site, store, start, end)
    settings = site.settings.ground_patrols
    villages = coverage_by_village(material, site.registry)
    areas = coverage_by_area(material, site.registry, settings.areas)
    if as_json:
        print_json({
            "villages": [one.document for one in villages],
            "key_areas": [one.document for one in areas],
        })  # fmt: skip
        return
    for one in (*villages, *areas):
        console().print(
            translate(
                f"{one.name}  画面 {one.cameras_seen}/{one.cameras_planned} "
                f" 点位 {one.points.done + one.points.late}/{one.points.planned}",
                f"{one.name}  cameras {one.cameras_seen}/{one.cameras_planned} "
                f" points {one.points.done + one.points.late}/{one.points.planned}",
            ),
            markup=False,
        )


def ledger(
    context: typer.Context,
    *,
    start: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="从。 From.")] = "",
    end: Annotated[str, typer.Option("--until", metavar="YYYY-MM-DD", help="到。 Until.")] = "",
    as_format: Annotated[
        LedgerFormat, typer.Option("--format", help="格式。 Format.")
    ] = LedgerFormat.XLSX,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="写到。 Where to write.")],
    as_json: AsJson = False,
) -> None:
    """导出联动巡防台账。 The ledger of patrols on the ground, as a file."""
    from patrol.files import PRIVATE_MODE, write_atomically  # noqa: PLC0415  reports cost time
    from patrol.reports.ground_files import GROUND_FORMATS  # noqa: PLC0415
    from patrol.reports.ground_ledger import ground_ledger  # noqa: PLC0415

    if out.is_dir() or not out.parent.is_dir():
        bad_input(f"--out: {out}: give a file in a directory that is there")
    site = site_of(context)
    with store_of(site) as store:
        material, heading = _material(site, store, start, end)
    ledger = ground_ledger(material, heading)
    write_atomically(out, GROUND_FORMATS[as_format](ledger, heading), mode=PRIVATE_MODE)
    if as_json:
        print_json({"out": str(out), "format": str(as_format), "rows": len(ledger.rows)})
    else:
        print_err(
            translate(
                f"{out}：联动巡防台账 · {len(ledger.rows)} 行",
                f"{out}: ledger of ground patrols · {len(ledger.rows)} rows",
            )
        )


def _material(
    site: "Site", store: Store, start: str, end: str
) -> "tuple[ReportMaterial, ReportHeading]":
    """The records of the days from `start` to `end`, both included; today without either."""
    from patrol.reports.queries import (  # noqa: PLC0415  reports cost time
        ReportHeading,
        days_period,
        load_material,
    )

    now, zone = trusted_now_of(store), site.settings.site.tz
    today = now.astimezone(zone).date()
    first = _day_of(start, _day_of(end, today), "--from")
    last = _day_of(end, max(today, first), "--until")
    try:
        period = days_period(first, last)
    except ValueError as exc:
        bad_input(f"--{exc}")
    heading = ReportHeading(
        kind=period.kind, period=period.name, site=site.settings.site.name, zone=zone, made_at=now,
        registry=site.registry,
    )  # fmt: skip
    with store.begin_read() as uow:
        return load_material(uow, site.settings.calendar.all_plans, zone, period), heading


def _of(store: Store, patrol: str) -> tuple[GroundPatrol, Sequence[GroundStop], Sequence[CheckIn]]:
    with store.begin_read() as uow:
        try:
            found = uow.ground_patrols.get(patrol)
        except KeyError:
            bad_input(_no_patrol_text(patrol))
        check_ins = uow.ground_patrols.check_ins_of([patrol]).get(patrol, [])
        return found, uow.ground_patrols.stops(patrol), check_ins


def _line(patrol: GroundPatrol) -> str:
    state = label_text(label_of(GROUND_STATES, patrol.state))
    who = "、".join(patrol.people) or translate("无人", "nobody")
    return f"{patrol.id}  {patrol.title}  {who}  {state}"


def _check_in_line(one: CheckIn) -> str:
    state = label_text(label_of(CHECK_IN_STATES, one.state))
    problems = ";".join(
        label_text(label_of(CHECK_IN_PROBLEMS, problem)) for problem in one.problems
    )
    claimed = translate("手机自报 ", "claimed ") if one.is_claimed else ""
    return f"{one.id}  {one.point}  {claimed}{one.at:%m-%d %H:%M}Z  {state}  {problems}".rstrip()


def _print_check_in(one: CheckIn, *, as_json: bool) -> None:
    if as_json:
        print_json(check_in_document(one))
    else:
        console().print(_check_in_line(one), markup=False)


def _day_of(text: str, default: date, option: str = "--day") -> date:
    if not text:
        return default
    try:
        return parse_day(text)
    except ValueError:
        bad_input(f"{option}: {text!r} is not a day, write 2026-11-22")


def _no_patrol_text(patrol: str) -> str:
    return f"patrol {patrol!r}: there is none, `patrol ground list` lists them"
