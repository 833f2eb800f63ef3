"""Review without a browser: `patrol queue`, `confirm`, `dismiss`, `unsure`, `accept` and more.

The findings that wait, decisions about them, and `suppressions`: what those hold back for a while
(`suppress revoke` ends that). A case of level I is phoned first and then sent. It is never kept
back because nobody could be reached: it goes out, and its history shows whether somebody was
phoned. On a terminal `patrol confirm` asks for that; a script gives `--phoned`.
"""

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from patrol import review  # decisions are imported when one is made
from patrol.cli.cases import level_label
from patrol.cli.options import AsJson, Limit, Page
from patrol.cli.output import (
    LINES_A_PAGE,
    NO_LIMIT,
    FittedTable,
    console,
    print_json,
    print_page_number,
    warn_masked,
)
from patrol.cli.site import site_for_lists, store_of, trusted_now
from patrol.domain.finding import Finding
from patrol.reports import documents
from patrol.review import QueueLine, review_queue

if TYPE_CHECKING:
    from patrol.app import Application
from datetime import datetime, tzinfo
from typing import Final

from patrol.cli.cases import case_document, print_case
from patrol.cli.options import By, CameraArgument, FindingArgument, operator
from patrol.cli.output import bad_input, print_err
from patrol.cli.site import RELAY_WITHIN_S, EndAction, app_of, camera_named, end_by_number
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import current_rung
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import FindingId
from patrol.domain.outbox import DeliveryState
from patrol.domain.priority import Level
from patrol.domain.suppression import Suppression
from patrol.domain.timestamps import rfc3339, rfc3339_or_none

_READABLE_WIDTH: Final = 110  # columns: ids whole, and a few words of the reasons a line
_NEVER_CUT: Final = ("编号 id", "摄像头 camera")  # to be typed


def show_queue(
    context: typer.Context,
    *,
    limit: Limit = None,
    page: Page = 1,
    as_json: AsJson = False,
) -> None:
    """待核线索,最要紧的在前。 What waits for a person's judgement, the worst first."""
    site = site_for_lists(context)
    size = limit or (NO_LIMIT if as_json else LINES_A_PAGE)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        queue = review_queue(
            uow, now, cameras=site.registry.cameras, limit=size, offset=(page - 1) * size
        )
    if as_json:
        print_json(
            [{**finding_document(line.finding), "rank_why": line.why} for line in queue.lines]
        )
        return
    if not queue.count:
        console().print("没有待核线索。 Nothing waits for review.")
        return
    names = {camera.id: camera.name for camera in site.registry.cameras.values()}
    _print_queue(queue.lines, names, count=queue.count)
    print_page_number(page, queue.count, size)


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as the API has it, and the names of its pictures."""
    plain, again = documents.finding_document(finding), finding.recheck
    return {
        **plain,
        "picture": finding.picture,
        "box": list(finding.box) if finding.box else None,
        "again": again and {**plain["again"], "picture": again.picture},
    }


def _print_queue(lines: Sequence[QueueLine], names: dict[Any, str], *, count: int) -> None:
    """A table of one page, or paragraphs on a narrow terminal; `count`: of all pages."""
    title = f"待核线索 review queue · {count}"
    table = Table(title=title, title_justify="left")
    for heading in ("编号 id", "级别 level", "摄像头 camera", "为什么 why", "得分", "等待 waiting"):
        table.add_column(heading, no_wrap=heading in _NEVER_CUT)
    paragraphs: list[str] = []
    for line in lines:
        finding = line.finding
        name, level = names.get(finding.camera, ""), level_label(finding.level)
        score, waiting = f"{finding.score:.2f}", _rough_age(line.waiting)
        seen = f"\n{finding.recheck.why}" if finding.recheck else ""
        why = Text.assemble(  # … which gauge saw it, and why it has this place
            finding.why, seen, "\n", (" · ".join(filter(None, (finding.gauge, line.why))), "dim")
        )
        camera = Text(f"{name}\n{finding.camera}")
        table.add_row(finding.id, level, camera, why, score, waiting)
        paragraphs += [
            f"{finding.id}  {level}  得分 {score}  等待 {waiting}",
            f"  {finding.camera}  {name}",
            *(f"  {part}" for part in why.plain.splitlines()),
        ]
    console().print(FittedTable(table, title, paragraphs, least_width=_READABLE_WIDTH))


def _rough_age(span: timedelta) -> str:
    """A time span in its largest unit: `5 分 5 min`."""
    seconds = span.total_seconds()
    for size, zh, en in ((86400, "天", "d"), (3600, "时", "h"), (60, "分", "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {zh} {en}"
    return "刚刚 just now"


def confirm(
    context: typer.Context,
    finding: FindingArgument,
    *,
    category: Annotated[str, typer.Option("--category", help="改类别。 Another category.")] = "",
    level: Annotated[str, typer.Option("--level", help="改级别 I–IV。 Another level.")] = "",
    note: Annotated[str, typer.Option("--note", help="给网格长的话。 Words for the leader.")] = "",
    phoned: Annotated[
        str, typer.Option("--phoned", help="特急先电话:谁接的。 Level I: who was phoned first.")
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """确认线索,立案并推送网格长。 Confirm a finding: opens a case and notifies its grid leader."""
    _check_category(category)
    chosen = parse_level(level)
    with app_of(context) as app:
        try:
            case = app.confirm(
                finding,
                by=operator(by),
                category=category or None,
                level=chosen,
                note=note,
                phoned=_ask_who_was_phoned(app, finding, chosen, phoned),
            )
        except KeyError:
            bad_input(_no_finding_text(finding))
        masked = app.payloads.masked_parts(f"{note}\n{phoned}")
        warn_masked(masked)
        waiting = app.send_now(RELAY_WITHIN_S)
        published = not case.is_unannounced and not _has_unsent_messages(app, case)
        whom = _phone_first(case, app)
    _remind_to_phone(case, whom)
    if as_json:
        more: dict[str, Any] = {"published": published, "waiting": waiting, "phone_first": whom}
        more |= {"masked": masked} if masked else {}
        print_json({**case_document(case), **more})
        return
    print_case(case, app.site)
    _print_sent(case, app.site.settings.site.tz, published=published)


def dismiss(
    context: typer.Context,
    finding: FindingArgument,
    *,
    reason: Annotated[
        str,
        typer.Option("--reason", help="shadow, animal, known_object, weather … 或原话 or words."),
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """排除线索,写明原因。 Dismiss a finding, with the reason."""
    if not reason.strip():
        bad_input("--reason: is empty, give shadow, animal, known_object, weather … or your words")
    with app_of(context) as app:
        try:
            decided = app.dismiss(finding, by=operator(by), reason=reason)
        except KeyError:
            bad_input(_no_finding_text(finding))
    if as_json:
        print_json(
            {**finding_document(decided), "by": decided.decided_by, "reason": decided.reason}
        )
        return
    console().print(f"{decided.id} 已排除 dismissed: {decided.reason}", markup=False)


def unsure(
    context: typer.Context,
    finding: FindingArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="为何存疑。 Why.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """线索存疑:一分钟内复看,留待他人判断。 Not sure: looked at again, others decide."""
    with app_of(context) as app:
        try:
            decided = app.unsure(finding, by=operator(by), reason=reason)
        except KeyError:
            bad_input(_no_finding_text(finding))
    if as_json:
        print_json({**finding_document(decided), "by": decided.decided_by})
    else:
        text = "存疑,服务在一分钟内复看 unsure; the service looks again within a minute"
        console().print(f"{decided.id} {text}", markup=False)


def accept(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """认可为新常态:以最近可用画面为参考。 Make its newest usable picture the reference."""
    with app_of(context) as app:
        chosen = camera_named(app.site, camera)
        accepted = app.accept_reference(chosen.id, by=operator(by))
    if as_json:
        print_json({
            "camera": accepted.camera,
            "light": str(accepted.light),
            "picture": accepted.picture,
            "taken_at": rfc3339(accepted.taken_at),
            "by": accepted.by,
        })  # fmt: skip
        return
    at = accepted.taken_at.astimezone(app.site.settings.site.tz)
    console().print(
        f"{chosen.id} {chosen.name}: {at:%m-%d %H:%M} 的画面为新常态"
        f" the picture of then is its {accepted.light} reference",
        markup=False,
    )


def _no_finding_text(finding: str) -> str:
    """The message about an id that no finding has."""
    return f"finding {finding!r}: there is none, `patrol queue` lists those that wait"


def _check_category(category: str) -> None:
    if category and category not in CATEGORY_BY_ID:
        bad_input(
            f"--category: {category!r} is not a category, give one of {', '.join(CATEGORY_BY_ID)}"
        )


def parse_level(text: str) -> Level | None:
    """The level that `--level` names; None without one. Raises BadInput."""
    if not text:
        return None
    try:
        return Level(text.upper())
    except ValueError:
        bad_input(f"--level: {text!r} is not a level, give one of {', '.join(Level)}")


def _has_unsent_messages(app: "Application", case: Case) -> bool:
    with app.store.begin_read() as uow:
        return any(m.state is DeliveryState.QUEUED for m in uow.outbox.of_case(case.id))


def _print_sent(case: Case, zone: tzinfo, *, published: bool) -> None:
    if published:
        console().print("[green]已推送 published[/]")
    elif case.hold is not None and case.is_unannounced:
        until = f"{case.hold.until.astimezone(zone):%m-%d %H:%M}"
        console().print(f"[yellow]暂缓推送 held: {case.hold.why}, 至 until {until}[/]")
    else:
        console().print(
            "[yellow]消息代理未及时应答,消息在发件箱等待[/]"
            " the broker did not answer in time; the message waits in the outbox"
        )


def _ask_who_was_phoned(app: "Application", finding: str, chosen: Level | None, answer: str) -> str:
    """The operator's note about the call; on a terminal asked for, once."""
    if answer.strip() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return answer
    with app.store.begin_read() as uow:
        level = chosen or uow.findings.get(FindingId(finding)).level
    if level is not Level.URGENT:
        return answer
    prompt = "特急:先电话,后推送。谁接的、怎么说(留空:未打通) Who was phoned (empty: nobody)"
    return str(typer.prompt(prompt, default="", show_default=False, err=True))


def _phone_first(case: Case, app: "Application") -> dict[str, Any] | None:
    """The person to phone about an urgent case; None if the case is not urgent or was phoned."""
    was_phoned = any(entry.what is CaseEvent.PHONE for entry in case.entries)
    if case.level is not Level.URGENT or was_phoned:
        return None
    person = app.site.registry.people.get(current_rung(case).person)
    if person is None:
        return {"person": None, "name": "", "phone": ""}
    return {"person": person.id, "name": person.name, "phone": person.phone}


def _remind_to_phone(case: Case, whom: dict[str, Any] | None) -> None:
    """One line on stderr, where a phone call is still due."""
    if whom is None:
        return
    name, number = whom["name"] or "责任人", whom["phone"] or "(无号码 no number)"
    print_err(
        f"特急未电话通知:请致电 {name} {number},再执行 patrol phoned {case.id} --note …"
        " (urgent: phone now)"
    )


WithEnded = Annotated[
    bool, typer.Option("--all", help="也列已过期、已撤销的。 Ended ones, too.", show_default=False)
]

SUPPRESSION_END: Final = EndAction(
    end=lambda uow, number, by, now: uow.suppressions.revoke(number, by=by, now=now),
    done="revoked",
    done_zh="已撤销",
    none="holds nothing; `patrol suppressions` lists those that stand",
)


def show_suppressions(
    context: typer.Context, *, everything: WithEnded = False, as_json: AsJson = False
) -> None:
    """现有抑制:何处、何类、谁定、到何时、压下几次。 What is held back, and how often it was."""
    site = site_for_lists(context)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        wanted = uow.suppressions.list() if everything else uow.suppressions.active(now)
        rows = [(one, review.suppressed_count(uow, one)) for one in wanted]
    if as_json:
        print_json([{**_suppression_document(one, now), "held": held} for one, held in rows])
        return
    zone = site.settings.site.tz
    for one, held in rows:
        until = f"至 until {one.until.astimezone(zone):%m-%d %H:%M}"
        end = "已撤销 revoked" if one.revoked_at else until
        where = "画面一处 one place" if one.box else "全画面 whole picture"
        console().print(
            f"{one.number:>5}  {one.camera}  {one.kind}  {where}  {end}"
            f"  {one.reason} ({one.owner})  压下 held {held}",
            markup=False,
        )
    if not rows:
        console().print("无 none", markup=False)


def revoke_suppression(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="编号。 As `suppressions` shows it.")],
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """撤销抑制:下一轮起照常提出。 Take one back: proposed again from the next round on."""
    end_by_number(context, number, SUPPRESSION_END, by=by, as_json=as_json)


def _suppression_document(one: Suppression, now: datetime) -> dict[str, Any]:
    return {
        "id": one.number,
        "camera": one.camera,
        "kind": one.kind,
        "box": list(one.box) if one.box else None,
        "reason": one.reason,
        "owner": one.owner,
        "created_at": rfc3339_or_none(one.created_at),
        "until": rfc3339_or_none(one.until),
        "standing": one.revoked_at is None and now < one.until,
        "revoked_at": rfc3339_or_none(one.revoked_at),
        "revoked_by": one.revoked_by,
    }
