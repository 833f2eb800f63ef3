"""`patrol accept CAMERA`: so it looks from now on.

`patrol queue`, `confirm`, `dismiss`: the review queue without a browser.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.output import (
    AsJson,
    By,
    app_of,
    bad_input,
    console,
    operator,
    print_json,
    site_of,
    store_of,
)
from patrol.domain.timestamps import rfc3339

if TYPE_CHECKING:
    from patrol.app import Application
    from patrol.domain.case import Case
    from patrol.domain.finding import Finding
    from patrol.domain.priority import Level
    from patrol.review import QueueLine


CameraArgument = Annotated[
    str,
    typer.Argument(metavar="CAMERA", help="国标编码 20 位,或其末 6 位。 The id, or its last 6."),
]


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("accept")(accept)


def accept(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """认可为新常态:以最近可用画面为参考。 Make its newest usable picture the reference."""
    from patrol.cli.consent import camera_named  # noqa: PLC0415  one way to name a camera

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


RELAY_WITHIN_S = 2.0  # longer than this a person does not wait for a broker; the outbox does

FindingArgument = Annotated[str, typer.Argument(metavar="ID", help="线索编号。 A finding's id.")]


def register_queue(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("queue")(show_queue)
    cli.command("confirm")(confirm)
    cli.command("dismiss")(dismiss)


def show_queue(context: typer.Context, *, as_json: AsJson = False) -> None:
    """待核线索,最要紧的在前。 What waits for a person's judgement, the worst first."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.review import review_queue as in_order  # noqa: PLC0415  with the rooms

    site = site_of(context)
    now = SystemClock().now()
    with store_of(site) as store, store.begin_read() as uow:
        lines = in_order(uow, now, cameras=site.registry.cameras)
    if as_json:
        print_json([{**finding_document(line.finding), "rank_why": line.why} for line in lines])
        return
    if not lines:
        console().print("没有待核线索。 Nothing waits for review.")
        return
    names = {camera.id: camera.name for camera in site.registry.cameras.values()}
    _print_queue(lines, names)


def finding_document(finding: "Finding") -> dict[str, Any]:
    """As the API has it, and under which names its pictures lie."""
    from patrol.reports.documents import finding_document as document  # noqa: PLC0415  with the rooms

    plain, again = document(finding), finding.recheck
    return {
        **plain,
        "picture": finding.picture,
        "box": list(finding.box) if finding.box else None,
        "again": again and {**plain["again"], "picture": again.picture},
    }


def _print_queue(lines: "Sequence[QueueLine]", names: dict[Any, str]) -> None:
    from rich.table import Table  # noqa: PLC0415  rich
    from rich.text import Text  # noqa: PLC0415  rich

    table = Table(title=f"待核线索 review queue · {len(lines)}", title_justify="left")
    for heading in ("编号 id", "级别 level", "摄像头 camera", "为什么 why", "得分", "等待 waiting"):
        table.add_column(heading)
    for finding, line in ((line.finding, line) for line in lines):
        camera = f"{names.get(finding.camera, '')} …{finding.camera[-6:]}"
        score, waiting = f"{finding.score:.2f}", rough_age(line.waiting)
        seen = f"\n{finding.recheck.why}" if finding.recheck else ""
        why = Text.assemble(finding.why, seen, "\n", (line.why, "dim"))  # … why it stands here
        table.add_row(finding.id, level_label(finding.level), Text(camera), why, score, waiting)
    console().print(table)


def level_label(level: "Level") -> str:
    """`II 紧急`."""
    from patrol.domain.labels import LEVELS  # noqa: PLC0415  with the rooms

    return f"{level} {LEVELS[level][0]}"


def rough_age(span: timedelta) -> str:
    """`5 分 5 min`: one unit is enough."""
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
    """确认线索,立案并推送网格长。 Confirm a lead: a case is made and its grid leader told."""
    from patrol.cli.case import (  # noqa: PLC0415  with the rooms  # noqa: PLC0415  the same
        ask_who_was_phoned,
        case_document,
        phone_first,
        print_case,
        remind_to_phone,
    )

    _check_category(category)
    chosen = _parse_level(level)
    with app_of(context) as app:
        try:
            case = app.confirm(
                finding,
                by=operator(by),
                category=category or None,
                level=chosen,
                note=note,
                phoned=ask_who_was_phoned(app, finding, chosen, phoned),
            )
        except KeyError:
            bad_input(no_finding_text(finding))
        waiting = app.send_now(RELAY_WITHIN_S)
        published = not case.is_unannounced and not _has_unsent_messages(app, case)
        whom = phone_first(case, app)
    remind_to_phone(case, whom)
    if as_json:
        more = {"published": published, "waiting": waiting, "phone_first": whom}
        print_json({**case_document(case), **more})
        return
    print_case(case, app.site)
    _print_sent(case, published=published)


def _print_sent(case: "Case", *, published: bool) -> None:
    if published:
        console().print("[green]已推送 published[/]")
    elif case.hold is not None and case.is_unannounced:
        console().print(
            f"[yellow]暂缓推送 held: {case.hold.why}, 至 until {case.hold.until:%H:%M} UTC[/]"
        )
    else:
        console().print(
            "[yellow]消息代理未及时应答,消息在发件箱等待[/]"
            " the broker did not answer in time; the message waits in the outbox"
        )


def _check_category(category: str) -> None:
    from patrol.domain.category import CATEGORY_BY_ID  # noqa: PLC0415  with the rooms

    if category and category not in CATEGORY_BY_ID:
        bad_input(
            f"--category: {category!r} is not a category, give one of {', '.join(CATEGORY_BY_ID)}"
        )


def _parse_level(text: str) -> "Level | None":
    from patrol.domain.priority import Level  # noqa: PLC0415  with the rooms

    if not text:
        return None
    try:
        return Level(text.upper())
    except ValueError:
        bad_input(f"--level: {text!r} is not a level, give one of {', '.join(Level)}")


def _has_unsent_messages(app: "Application", case: "Case") -> bool:
    from patrol.domain.outbox import DeliveryState  # noqa: PLC0415  with the rooms

    with app.store.begin_read() as uow:
        return any(m.state is DeliveryState.QUEUED for m in uow.outbox.of_case(case.id))


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
    """排除线索,写明原因。 Dismiss a lead, with the reason."""
    if not reason.strip():
        bad_input("--reason: is empty, give shadow, animal, known_object, weather … or your words")
    with app_of(context) as app:
        try:
            decided = app.dismiss(finding, by=operator(by), reason=reason)
        except KeyError:
            bad_input(no_finding_text(finding))
    if as_json:
        print_json(
            {**finding_document(decided), "by": decided.decided_by, "reason": decided.reason}
        )
        return
    console().print(f"{decided.id} 已排除 dismissed: {decided.reason}", markup=False)


def no_finding_text(finding: str) -> str:
    """What to say when there is none."""
    return f"finding {finding!r}: there is none, `patrol queue` lists those that wait"
