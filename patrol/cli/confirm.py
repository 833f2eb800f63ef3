"""Review without a browser: `patrol confirm`, `dismiss`, `unsure`, `accept`.

A case of level I is phoned first and then sent. It is never kept back because nobody could be
reached: it goes out, and its history shows whether somebody was phoned. On a terminal
`patrol confirm` asks for that; a script gives `--phoned`.
"""

import sys
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.cases import case_document, print_case
from patrol.cli.options import AsJson, By, CameraArgument, FindingArgument, operator
from patrol.cli.output import bad_input, console, print_err, print_json, warn_masked
from patrol.cli.queue import finding_document
from patrol.cli.site import RELAY_WITHIN_S, app_of, camera_named
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import current_rung
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import FindingId
from patrol.domain.labels import LIGHTS, label_of, label_text
from patrol.domain.outbox import DeliveryState
from patrol.domain.priority import Level
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339

if TYPE_CHECKING:
    from patrol.app import Application


def confirm(
    context: typer.Context,
    finding: FindingArgument,
    *,
    category: Annotated[str, typer.Option("--category", help="改类别。 Another category.")] = "",
    level: Annotated[str, typer.Option("--level", help="改级别 I–IV。 Another level.")] = "",
    note: Annotated[str, typer.Option("--note", help="给网格长的话。 Words for the leader.")] = "",
    phoned: Annotated[
        str, typer.Option("--phoned", help="特急先电话：谁接的。 Level I: who was phoned first.")
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """确认线索，立案并推送网格长。 Confirm a finding: opens a case, tells its leader."""
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
        whom, now = _phone_first(case, app), app.clock.now()
    _remind_to_phone(case, whom)
    if as_json:
        more: dict[str, Any] = {"published": published, "waiting": waiting, "phone_first": whom}
        more |= {"masked": masked} if masked else {}
        print_json({**case_document(case, now), **more})
        return
    print_case(case, app.site, now)
    _print_sent(case, app.site.settings.site.tz, published=published)


def dismiss(
    context: typer.Context,
    finding: FindingArgument,
    *,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", help="shadow、animal、known_object、weather …，或原话。 A reason, or words."
        ),
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """排除线索，写明原因。 Dismiss a finding, with the reason."""
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
    console().print(
        translate(
            f"{decided.id} 已排除：{decided.reason}", f"{decided.id} dismissed: {decided.reason}"
        ),
        markup=False,
    )


def unsure(
    context: typer.Context,
    finding: FindingArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="为何存疑。 Why.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """线索存疑：一分钟内复看，留待他人判断。 Not sure: looked at again, others decide."""
    with app_of(context) as app:
        try:
            decided = app.unsure(finding, by=operator(by), reason=reason)
        except KeyError:
            bad_input(_no_finding_text(finding))
    if as_json:
        print_json({**finding_document(decided), "by": decided.decided_by})
    else:
        text = translate(
            "存疑，服务在一分钟内复看", "unsure; the service looks again within a minute"
        )
        console().print(f"{decided.id} {text}", markup=False)


def accept(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """确认为新常态：以最近可用画面为参考。 Make its newest usable picture the reference."""
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
    light = label_text(label_of(LIGHTS, accepted.light))
    console().print(
        translate(
            f"{chosen.id} {chosen.name}：{at:%m-%d %H:%M} 的画面为新常态（{light}参考画面）",
            f"{chosen.id} {chosen.name}: the picture of {at:%m-%d %H:%M} is its {light} reference",
        ),
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
        console().print(translate("[green]已推送[/]", "[green]published[/]"))
    elif case.hold is not None and case.is_unannounced:
        until = f"{case.hold.until.astimezone(zone):%m-%d %H:%M}"
        console().print(
            translate(
                f"[yellow]暂缓推送：{case.hold.why}，至 {until}[/]",
                f"[yellow]held: {case.hold.why}, until {until}[/]",
            )
        )
    else:
        console().print(
            translate(
                "[yellow]消息代理未及时应答，消息在发件箱等待[/]",
                "[yellow]the broker did not answer in time; the message waits in the outbox[/]",
            )
        )


def _ask_who_was_phoned(app: "Application", finding: str, chosen: Level | None, answer: str) -> str:
    """The operator's note about the call; on a terminal asked for, once."""
    if answer.strip() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return answer
    with app.store.begin_read() as uow:
        level = chosen or uow.findings.get(FindingId(finding)).level
    if level is not Level.URGENT:
        return answer
    prompt = translate(
        "特急：先电话，后推送。谁接的、怎么说（留空：未打通）",
        "Very urgent: phone first. Who was phoned, what was said (empty: nobody)",
    )
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
    name, number = (
        whom["name"] or translate("责任人", "whoever is responsible"),
        whom["phone"] or translate("（无号码）", "(no number)"),
    )
    print_err(
        translate(
            f"特急未电话通知：请致电 {name} {number}，再执行 patrol phoned {case.id} --note …",
            f"very urgent and nobody was phoned: call {name} {number},"
            f" then patrol phoned {case.id} --note …",
        )
    )
