"""Own findings and decided ones: `patrol finding file|undo|list|history`; `patrol duty …`.

A finding that a person saw or was told of is filed to the queue or straight to a case. `duty` signs
an operator on to a round and hands it over, so that the ledger names who patrolled.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.cases import case_document
from patrol.cli.confirm import parse_level
from patrol.cli.options import AsJson, By, FindingArgument, RoundArgument, operator
from patrol.cli.output import bad_input, console, print_json, print_none
from patrol.cli.queue import finding_document
from patrol.cli.site import (
    app_of,
    camera_named,
    site_names,
    store_of,
    stored_texts_of,
    trusted_now,
)
from patrol.domain.finding import FilingSource, Finding, category_named
from patrol.domain.ids import FindingId, GridCode, PictureId, RoundId
from patrol.domain.labels import DISMISS_REASONS, label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.round_duty import RoundDutyEntry
from patrol.domain.stored_texts import StoredTexts
from patrol.domain.town_labels import FINDING_ENTRIES, FINDING_STATES, ROUND_DUTY_ACTIONS
from patrol.reports.documents import finding_entry_document, round_duty_document
from patrol.review.decided import decided_filter
from patrol.review.own_findings import FilingForm, FilingTarget, parse_box
from patrol.rounds import duty

if TYPE_CHECKING:
    from patrol.app import Application
    from patrol.app.finding_service import FiledFinding

Note = Annotated[str, typer.Option("--note", help="说明。 A note for the history.")]


def file_finding(
    context: typer.Context,
    *,
    category: Annotated[str, typer.Option("--category", help="类别，如 dumping。 Its category.")],
    camera: Annotated[str, typer.Option("--camera", help="点位。 The camera, if any.")] = "",
    grid: Annotated[str, typer.Option("--grid", help="网格（没有点位时）。 Without camera.")] = "",
    level: Annotated[str, typer.Option("--level", help="级别 I–IV，默认按规则。 Level.")] = "",
    text: Annotated[str, typer.Option("--text", help="说了或看到什么。 What was seen.")] = "",
    place: Annotated[str, typer.Option("--place", help="具体位置。 Where exactly.")] = "",
    source: Annotated[
        FilingSource, typer.Option("--source", help="从哪里看到。 Where it was seen.")
    ] = FilingSource.PHONE,
    a_round: Annotated[str, typer.Option("--round", help="所在轮次。 Of which round.")] = "",
    picture: Annotated[str, typer.Option("--picture", help="画面编号。 A stored picture.")] = "",
    box: Annotated[str, typer.Option("--box", help="框 x,y,w,h(0–1)。 Box on it.")] = "",
    to: Annotated[
        FilingTarget, typer.Option("--to", help="进队列或直接立案。 To the queue or a case.")
    ] = FilingTarget.QUEUE,
    phoned: Annotated[
        str, typer.Option("--phoned", help="特急先电话：谁接的。 Who was phoned.")
    ] = "",
    patrol: Annotated[
        str, typer.Option("--patrol", help="人工巡查编号。 The human patrol whose camera it is.")
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记人工发现：看到的或电话报告的。 File what a person saw, or what a caller reported."""
    from patrol.app.finding_service import FindingService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        form = FilingForm(
            category=category, source=FilingSource.PATROL if patrol else source,
            camera=camera_named(app.site, camera).id if camera else None,
            grid=GridCode(grid) if grid else None, level=parse_level(level), box=parse_box(box),
            text=text, picture=PictureId(picture) if picture else None,
            round=RoundId(a_round) if a_round else None, place=place,
        )  # fmt: skip
        if patrol:
            filed = _file_of_patrol(app, patrol, form, by=operator(by), to=to, phoned=phoned)
        else:
            filed = FindingService(app).file(form, by=operator(by), target=to, phoned=phoned)
        if filed.case is not None:
            app.send_now()
        _print_filed(filed, app.clock.now(), as_json=as_json)


def _file_of_patrol(
    app: "Application", patrol: str, form: FilingForm, *, by: str, to: FilingTarget, phoned: str
) -> "FiledFinding":
    """File a finding of a camera of the human patrol, whose check says so."""
    from patrol.app.human_patrol_service import HumanPatrolService, Patroller  # noqa: PLC0415

    try:
        return HumanPatrolService(app).file(
            patrol, form, Patroller(name=by), target=to, phoned=phoned
        )
    except KeyError:
        bad_input(f"patrol {patrol!r}: there is none, or it has no camera {form.camera}")


def _print_filed(filed: "FiledFinding", now: datetime, *, as_json: bool) -> None:
    if as_json:
        case = filed.case and case_document(filed.case, now)
        print_json({"finding": finding_document(filed.finding), "case": case})
        return
    went = (
        translate(f"立案 {filed.case.id}", f"case {filed.case.id}")
        if filed.case
        else translate("待研判", "waits in the queue")
    )
    console().print(f"{filed.finding.id} {went}", markup=False)


def undo_decision(
    context: typer.Context,
    finding: FindingArgument,
    *,
    others: Annotated[
        bool, typer.Option("--others", help="撤销他人的（值班长）。 Somebody else's decision.")
    ] = False,
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """撤销研判：下发前、一小时内。 Undo a decision before it was sent, within an hour."""
    from patrol.app.finding_service import FindingService  # noqa: PLC0415

    with app_of(context) as app:
        try:
            undone = FindingService(app).undo(
                finding, by=operator(by), may_undo_others=others, note=note
            )
        except KeyError:
            bad_input(f"finding {finding!r}: there is none, `patrol finding list` lists them")
    if as_json:
        print_json(finding_document(undone))
    else:
        console().print(
            translate(f"{undone.id} 已撤销，重新待研判", f"{undone.id} undone, it waits again"),
            markup=False,
        )


def list_decided(
    context: typer.Context,
    *,
    mine: Annotated[bool, typer.Option("--mine", help="只看本人的。 My own.")] = False,
    today: Annotated[bool, typer.Option("--today", help="只看今天的。 Of today.")] = False,
    text: Annotated[str, typer.Option("--text", help="查找。 Text to look for.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="最多几条。 At most.")
    ] = 50,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """已判线索，最近的在前。 Decided findings, the latest first; mine, today's, with a text."""
    site = site_names(context)
    zone = site.settings.site.tz
    with store_of(site) as store, store.begin_read() as uow:
        chosen = decided_filter(
            text,
            site.cameras if text else {},
            zone,
            by=operator(by) if mine or by else "",
            day=trusted_now(uow).astimezone(zone).date() if today else None,
        )
        found = uow.findings.decided(chosen, limit=limit)
    if as_json:
        print_json([_decided_document(one) for one in found])
        return
    read = stored_texts_of(site)
    for one in found:
        at = f"{one.decided_at.astimezone(zone):%m-%d %H:%M}" if one.decided_at else "—"
        what = category_named(one.category)
        named = translate(what.zh, what.en)
        state = label_text(label_of(FINDING_STATES, one.state))
        tail = "  ".join(filter(None, (one.gauge, one.decided_by, _reason_text(one, read))))
        console().print(f"{one.id}  {at}  {state}  {named}  {tail}", markup=False)
    if not found:
        print_none()


def _reason_text(one: Finding, read: StoredTexts) -> str:
    """Why it was decided so: the label of a dismissal's reason, else the stored text."""
    known = DISMISS_REASONS.get(one.reason)
    return label_text(known) if known else read(one.reason)


def show_history(
    context: typer.Context, finding: FindingArgument, *, as_json: AsJson = False
) -> None:
    """线索的经过：登记、告警、撤销。 What happened to a finding beside its decision."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        try:
            one = uow.findings.get(FindingId(finding))
        except KeyError:
            bad_input(f"finding {finding!r}: there is none")
        entries = uow.finding_history.of_finding(one.id)
    if as_json:
        lines = [finding_entry_document(entry) for entry in entries]
        print_json({**_decided_document(one), "events": lines})
        return
    read = stored_texts_of(site)
    if one.gauge:
        seen_by = translate("判读模块", "seen by")
        console().print(f"{seen_by} {one.gauge}  {read(one.why)}", markup=False)
    for entry in entries:
        at = f"{entry.at.astimezone(site.settings.site.tz):%m-%d %H:%M}"
        what = label_text(label_of(FINDING_ENTRIES, entry.what))
        console().print(f"{at}  {what}  {entry.by}  {read(entry.note)}", markup=False)
    if not entries:
        console().print(translate("没有其他记载", "nothing else is recorded"), markup=False)


def sign_on(
    context: typer.Context,
    a_round: RoundArgument,
    *,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="接管他人的（值班长）。 From somebody else.")
    ] = False,
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """签到：本轮由我巡查。 Sign on to a round: it is mine, and the ledger says so."""
    site = site_names(context)
    with store_of(site) as store, store.begin() as uow:
        try:
            entry = duty.sign_on(
                uow, RoundId(a_round), who=operator(by), now=trusted_now(uow),
                may_take_over=take_over, note=note,
            )  # fmt: skip
        except KeyError:
            bad_input(f"round {a_round!r}: there is none")
        uow.commit()
    _print_duty(entry, as_json=as_json)


def hand_over(
    context: typer.Context,
    a_round: RoundArgument,
    *,
    to: Annotated[str, typer.Option("--to", help="移交给哪个账号。 To which account.")],
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """移交：本轮交给另一人。 Hand my round over to another account."""
    site = site_names(context)
    with store_of(site) as store, store.begin() as uow:
        try:
            entry = duty.hand_over(
                uow, RoundId(a_round), who=operator(by), to=to, now=trusted_now(uow), note=note
            )
        except KeyError:
            bad_input(f"round {a_round!r}: there is none")
        uow.commit()
    _print_duty(entry, as_json=as_json)


def list_duties(context: typer.Context, a_round: RoundArgument, *, as_json: AsJson = False) -> None:
    """本轮的签到与移交。 The signatures on a round, the oldest first."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        entries = uow.round_duties.of_round(RoundId(a_round))
    if as_json:
        print_json([round_duty_document(entry) for entry in entries])
        return
    for entry in entries:
        _print_duty(entry, as_json=False)
    if not entries:
        console().print(translate("无人签到", "nobody signed on"), markup=False)


def _print_duty(entry: RoundDutyEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(round_duty_document(entry))
        return
    what = label_text(label_of(ROUND_DUTY_ACTIONS, entry.what))
    to = f" → {entry.to}" if entry.to else ""
    console().print(f"{entry.round}  {what}  {entry.who}{to}  {entry.note}".rstrip(), markup=False)


def _decided_document(one: Finding) -> dict[str, Any]:
    return {**finding_document(one), "by": one.decided_by or None}
