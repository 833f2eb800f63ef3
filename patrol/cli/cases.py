"""`patrol cases` and `case ID`: cases on their way through the grid, without a browser."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from patrol.cli.options import AsJson, CaseArgument, Limit, Page
from patrol.cli.output import (
    LINES_A_PAGE,
    NO_LIMIT,
    bad_input,
    code_text,
    console,
    print_json,
    print_page_number,
)
from patrol.cli.site import site_for_lists, site_names, store_of, stored_texts_of, trusted_now
from patrol.domain.approval import (
    ExtensionPreview,
    close_after_grant,
    describe_request,
    preview_extension,
)
from patrol.domain.case import Case, CaseEntry
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import CaseId
from patrol.domain.labels import (
    CASE_EVENTS,
    CASE_STATES,
    DUE_LIGHTS,
    RECEIPTS,
    label_text,
    level_label,
)
from patrol.domain.reader_language import translate
from patrol.domain.stored_texts import StoredTexts
from patrol.domain.timestamps import rfc3339_or_none
from patrol.domain.verification import PendingVerification, pending_verifications

if TYPE_CHECKING:
    from patrol.settings import Site
    from patrol.settings.site_names import SiteNames


def list_cases(
    context: typer.Context,
    *,
    open_only: Annotated[bool, typer.Option("--open", help="只看未办结。 Only open ones.")] = False,
    to_verify: Annotated[
        bool, typer.Option("--to-verify", help="只看待人工核查。 Waiting for a person's verdict.")
    ] = False,
    limit: Limit = None,
    page: Page = 1,
    as_json: AsJson = False,
) -> None:
    """案件列表，新的在前。 Cases, the newest first."""
    site = site_names(context)
    size = limit or (NO_LIMIT if as_json else LINES_A_PAGE)
    start = (page - 1) * size
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        if to_verify:
            all_of_them = _awaiting_verification(
                uow.cases.list(open_only=True, limit=NO_LIMIT), now
            )
            found, count = all_of_them[start : start + size], len(all_of_them)
        else:
            found = list(uow.cases.list(open_only=open_only, limit=size, offset=start))
            count = uow.cases.count(open_only=open_only)
    if as_json:
        print_json([case_document(case, now) for case in found])
    elif count:
        _print_cases(found, site, now, count=count)
        print_page_number(page, count, size)
    else:
        console().print(translate("没有案件。", "There are no cases."))


def show_case(
    context: typer.Context,
    case: CaseArgument,
    *,
    extended_by: Annotated[
        float | None,
        typer.Option(
            "--extended-by",
            metavar="HOURS",
            help="若延期这么多工时。 What so much time would give.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """一个案件及其全部经过。 One case and all that happened to it."""
    site = site_for_lists(context)
    with store_of(site) as store, store.begin_read() as uow:
        try:
            found = uow.cases.get(CaseId(case))
        except KeyError:
            bad_input(no_case_text(case))
        messages, now = uow.outbox.of_case(found.id), trusted_now(uow)
        gauge = uow.findings.gauge_of(found.finding)
    preview = None
    if extended_by is not None:
        preview = preview_extension(found, timedelta(hours=extended_by), now)
    from patrol.reports import documents  # noqa: PLC0415  see case_document

    if as_json:
        receipts = [documents.message_document(message) for message in messages]
        extension = {"extension": _preview_document(preview)} if preview else {}
        seen_by = {"gauge": gauge or None}
        print_json({**case_document(found, now), **seen_by, "messages": receipts, **extension})
    else:
        print_case(found, site, now, gauge=gauge)
        if preview is not None:
            console().print(_preview_text(preview, site.settings.site.tz), markup=False)
        _print_receipts([documents.message_document(message) for message in messages], site)


def case_document(case: Case, now: datetime) -> dict[str, Any]:
    """A case as the API has it, the names of its pictures, and what waits for a verdict."""
    from patrol.reports import documents  # noqa: PLC0415  every document's classes, for JSON alone

    pictures = {"before": case.before, "after": case.after}
    verdict = _verification_document(case, now)
    return {**documents.case_document(case), **pictures, "verdict": verdict}


def print_case(case: Case, site: "Site", now: datetime, *, gauge: str = "") -> None:
    """Print one case for a person: its head, then its history; `gauge`: what saw its finding."""
    zone = site.settings.site.tz
    category = CATEGORY_BY_ID.get(case.category)
    text = translate(category.zh, category.en) if category else case.category
    head = Table.grid(padding=(0, 2))
    head.add_row(translate("案件", "case"), Text(case.id, style="bold"))
    head.add_row(translate("状态", "state"), label_text(CASE_STATES[case.state]))
    head.add_row(translate("级别", "level"), level_label(case.level))
    head.add_row(translate("类别", "category"), text)
    head.add_row(translate("网格", "grid"), Text(f"{_grid_name(site, case.grid)} {case.grid}"))
    head.add_row(translate("地点", "place"), Text(case.place))
    if gauge:
        head.add_row(translate("判读模块", "seen by"), Text(gauge))
    if case.hold is not None and case.is_unannounced:
        held = translate(
            f"{code_text(case.hold.why)}，至 {_local_time(case.hold.until, zone)}",
            f"{code_text(case.hold.why)}, until {_local_time(case.hold.until, zone)}",
        )
        head.add_row(translate("暂缓推送", "held"), Text(held, style="yellow"))
    elif case.suspension is not None:
        head.add_row(translate("挂起", "suspended"), _local_time(case.suspension.since, zone))
    elif case.is_open:
        head.add_row(translate("时限", "due"), _local_time(case.due_at, zone))
    if waits := _verification_document(case, now):
        text = translate(
            f"{waits['machine']} · 前 {waits['before']} · 后 {waits['after']}",
            f"{waits['machine']} · before {waits['before']} · after {waits['after']}",
        )
        head.add_row(translate("待核查", "verify"), Text(text))
    if case.request is not None:
        head.add_row(
            translate("申请", "request"), Text(request_text(case, zone, now, stored_texts_of(site)))
        )
    console().print(head)
    for entry in case.entries:
        console().print(_entry_line(entry, site, zone), markup=False)


def _preview_document(preview: ExtensionPreview) -> dict[str, Any]:
    return {
        "hours": preview.span / timedelta(hours=1),
        "office_hours": preview.in_office_hours,
        "due": rfc3339_or_none(preview.due_after),
        "close": rfc3339_or_none(preview.close_after),
    }


def _preview_text(preview: ExtensionPreview, zone: tzinfo) -> str:
    hours = f"{preview.span / timedelta(hours=1):g}"
    counted = (
        translate(f"{hours} 小时办公时间", f"{hours} office hours")
        if preview.in_office_hours
        else translate(f"{hours} 小时", f"{hours} h")
    )
    before, after = (
        f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
        for at in (preview.close_before, preview.close_after)
    )
    return translate(
        f"若延期 {counted}：办结时限 {before} → {after}",
        f"extended by {counted}: to close by {before} → {after}",
    )


def request_text(case: Case, zone: tzinfo, now: datetime, read: StoredTexts) -> str:
    """The request that waits: what, by whom, why; of an extension also what it leads to."""
    request = case.request
    assert request is not None  # noqa: S101  asked by callers  # nosec B101
    claimed = claimed_text(request.claimed) if request.claimed else ""
    text = f"{read(describe_request(case, request, granted_at=None))} · {request.by}{claimed}"
    limit = close_after_grant(case, now)
    return (
        translate(
            f"{text} · 如批准办结时限 {_local_time(limit, zone)}",
            f"{text} · closes by {_local_time(limit, zone)}",
        )
        if limit
        else text
    )


def no_case_text(case: str) -> str:
    """The message about an id that no case has."""
    return f"case {case!r}: there is none, `patrol cases` lists them"


def _awaiting_verification(cases: Sequence[Case], now: datetime) -> list[Case]:
    """Those whose verdict waits for a person, the most pressing first."""
    by_id = {case.id: case for case in cases}
    return [by_id[one.case] for one in pending_verifications(cases, now)]


def _pending_verification(case: Case, now: datetime) -> PendingVerification | None:
    return next(iter(pending_verifications([case], now)), None)


def _verification_document(case: Case, now: datetime) -> dict[str, Any] | None:
    """Since when a person's verdict is due, until when, and the pictures to compare."""
    waits = _pending_verification(case, now)
    if waits is None:
        return None
    return {
        "since": rfc3339_or_none(waits.since),
        "due": rfc3339_or_none(waits.due),
        "light": str(waits.due_light),
        "before": waits.before,
        "after": waits.after,
        "machine": waits.machine,
    }


def _print_cases(found: Sequence[Case], site: "SiteNames", now: datetime, *, count: int) -> None:
    """A table of one page; `count`: of all pages."""
    zone = site.settings.site.tz
    table = Table(title=translate(f"案件 · {count}", f"cases · {count}"), title_justify="left")
    for heading in (
        translate("编号", "id"),
        translate("状态", "state"),
        translate("级别", "level"),
        translate("类别", "category"),
        translate("网格", "grid"),
        translate("时限", "due"),
    ):
        table.add_column(
            heading, no_wrap=heading == translate("编号", "id")
        )  # to be typed: never cut
    for case in found:
        category = CATEGORY_BY_ID.get(case.category)
        table.add_row(
            case.id,
            label_text(CASE_STATES[case.state]),
            level_label(case.level),
            category.zh if category else case.category,
            Text(site.grids.get(case.grid, "?")),
            _due_text(case, zone, now),
        )
    console().print(table)


def _due_text(case: Case, zone: tzinfo, now: datetime) -> str:
    waits = _pending_verification(case, now)
    if waits is not None:
        light = label_text(DUE_LIGHTS[waits.due_light])
        return translate(
            f"核查 {_local_time(waits.due, zone)} {light}",
            f"verify {_local_time(waits.due, zone)} {light}",
        )
    return _local_time(case.due_at, zone) if case.is_open else "—"


def _print_receipts(receipts: list[dict[str, Any]], site: "Site") -> None:
    """How far each message got, stage by stage; stages not reached are left out."""
    zone = site.settings.site.tz
    if receipts:
        console().print(translate("推送回执", "messages"), style="italic")
    for one in receipts:
        stages = " → ".join(
            f"{label_text(label)} {datetime.fromisoformat(one[stage]).astimezone(zone):%H:%M:%S}"
            for stage, label in RECEIPTS.items()
            if one[stage]
        )
        clears = translate("（清除）", " (clears)") if one["clears"] else ""
        line = f"  {_grid_name(site, one['grid'])}{clears}: {stages}"
        console().print(line, markup=False, soft_wrap=True)


def _entry_line(entry: CaseEntry, site: "Site", zone: tzinfo) -> str:
    people = {str(person.id): person.name for person in site.registry.people.values()}
    who = f"{people[entry.by]} ({entry.by})" if entry.by in people else entry.by
    if entry.claimed:
        who += claimed_text(entry.claimed)
    note = f" — {stored_texts_of(site)(entry.note)}" if entry.note else ""
    return f"  {_local_time(entry.at, zone)}  {label_text(CASE_EVENTS[entry.what])}  {who}{note}"


def claimed_text(name: str) -> str:
    """How a name is shown that nothing proves."""
    return translate(f"（自称：{name}）", f" (claimed: {name})")


def _local_time(at: datetime, zone: tzinfo) -> str:
    """An instant on the site's wall clock."""
    return f"{at.astimezone(zone):%m-%d %H:%M:%S}"


def _grid_name(site: "Site", code: Any) -> str:
    """The grid's name; ? for a code that grids.csv has no more."""
    grid = site.registry.tree.grids.get(code)
    return grid.name if grid else "?"
