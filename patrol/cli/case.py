"""`patrol cases` and `patrol case ID`: cases on their way through the grid, without a browser.

Level I is phoned first and then sent: asking the operator, `patrol phoned`, who is to be rung.

Nothing is ever kept back because nobody could be reached: an urgent case goes out, and its history
says whether somebody was phoned. On a terminal `patrol confirm` asks; a script says `--phoned`.
"""

import sys
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.output import (
    AsJson,
    By,
    app_of,
    bad_input,
    console,
    operator,
    print_err,
    print_json,
    site_of,
    store_of,
)
from patrol.cli.queue import level_label

if TYPE_CHECKING:
    from patrol.app import Application
    from patrol.domain.case import Case, CaseEntry
    from patrol.domain.priority import Level
    from patrol.domain.verification import PendingVerification
    from patrol.settings import Site


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("cases")(list_cases)
    cli.command("case")(show_case)


def list_cases(
    context: typer.Context,
    *,
    open_only: Annotated[bool, typer.Option("--open", help="只看未办结。 Only open ones.")] = False,
    to_verify: Annotated[
        bool, typer.Option("--to-verify", help="只看待人工核查。 Waiting for a person's verdict.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="最多几条。 At most this many.")
    ] = 1000,
    as_json: AsJson = False,
) -> None:
    """案件列表,新的在前。 Cases, the newest first."""
    site = site_of(context)
    with store_of(site) as store, store.begin_read() as uow:
        found = list(uow.cases.list(open_only=open_only or to_verify, limit=limit))
    if to_verify:
        found = _awaiting_verification(found)
    if as_json:
        print_json([case_document(case) for case in found])
    elif found:
        _print_cases(found, site)
    else:
        console().print("没有案件。 There are no cases.")


def _awaiting_verification(cases: "list[Case]") -> "list[Case]":
    """Those whose verdict waits for a person, the most pressing first."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.verification import pending_verifications  # noqa: PLC0415  with the rooms

    by_id = {case.id: case for case in cases}
    return [by_id[one.case] for one in pending_verifications(cases, SystemClock().now())]


def _pending_verification(case: "Case") -> "PendingVerification | None":
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.verification import pending_verifications  # noqa: PLC0415  with the rooms

    return next(iter(pending_verifications([case], SystemClock().now())), None)


def verification_document(case: "Case") -> dict[str, Any] | None:
    """Since when a person's verdict is waited for, until when, beside which pictures."""
    from patrol.domain.timestamps import rfc3339_or_none  # noqa: PLC0415  with the rooms

    waits = _pending_verification(case)
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


def show_case(
    context: typer.Context,
    case: Annotated[str, typer.Argument(metavar="ID", help="案件编号。 A case's id.")],
    *,
    as_json: AsJson = False,
) -> None:
    """一个案件及其全部经过。 One case and all that happened to it."""
    from patrol.domain.ids import CaseId  # noqa: PLC0415  with the rooms
    from patrol.reports.documents import message_document  # noqa: PLC0415  with the rooms

    site = site_of(context)
    with store_of(site) as store, store.begin_read() as uow:
        try:
            found = uow.cases.get(CaseId(case))
        except KeyError:
            bad_input(f"case {case!r}: there is none, `patrol cases` lists them")
        messages = uow.outbox.of_case(found.id)
    if as_json:
        receipts = [message_document(message) for message in messages]
        print_json({**case_document(found), "messages": receipts})
    else:
        print_case(found, site)
        _print_receipts([message_document(message) for message in messages], site)


def case_document(case: "Case") -> dict[str, Any]:
    """As the API has it, and under which names its pictures lie."""
    from patrol.reports.documents import case_document as document  # noqa: PLC0415  with the rooms

    pictures = {"before": case.before, "after": case.after}
    return {**document(case), **pictures, "verdict": verification_document(case)}


def print_case(case: "Case", site: "Site") -> None:
    """One case for a person: its head, then its history."""
    from rich.table import Table  # noqa: PLC0415  rich
    from rich.text import Text  # noqa: PLC0415  rich

    from patrol.domain.category import CATEGORY_BY_ID  # noqa: PLC0415  with the rooms
    from patrol.domain.labels import CASE_STATES, bilingual  # noqa: PLC0415  with the rooms

    zone = site.settings.site.tz
    category = CATEGORY_BY_ID.get(case.category)
    text = f"{category.zh} {category.en}" if category else case.category
    head = Table.grid(padding=(0, 2))
    head.add_row("案件 case", Text(case.id, style="bold"))
    head.add_row("状态 state", bilingual(CASE_STATES[case.state]))
    head.add_row("级别 level", level_label(case.level))
    head.add_row("类别 category", text)
    head.add_row("网格 grid", Text(f"{grid_name(site, case.grid)} {case.grid}"))
    head.add_row("地点 place", Text(case.place))
    if case.hold is not None and case.is_unannounced:
        held = f"{case.hold.why}, 至 until {local_time(case.hold.until, zone)}"
        head.add_row("暂缓推送 held", Text(held, style="yellow"))
    elif case.suspension is not None:
        head.add_row("挂起 suspended", local_time(case.suspension.since, zone))
    elif case.is_open:
        head.add_row("时限 due", local_time(case.due_at, zone))
    if waits := verification_document(case):
        text = f"{waits['machine']} · 前 before {waits['before']} · 后 after {waits['after']}"
        head.add_row("待核查 verify", Text(text))
    console().print(head)
    for entry in case.entries:
        console().print(_entry_line(entry, site, zone), markup=False)


def _print_receipts(receipts: "list[dict[str, Any]]", site: "Site") -> None:
    """How far each message got, rung by rung; what was not reached is left out."""
    from patrol.domain.labels import RECEIPTS, bilingual  # noqa: PLC0415  with the rooms

    zone = site.settings.site.tz
    if receipts:
        console().print("推送回执 messages", style="italic")
    for one in receipts:
        ladder = " → ".join(
            f"{bilingual(label)} {datetime.fromisoformat(one[rung]).astimezone(zone):%H:%M:%S}"
            for rung, label in RECEIPTS.items()
            if one[rung]
        )
        clears = " (清除 clears)" if one["clears"] else ""
        line = f"  {grid_name(site, one['grid'])}{clears}: {ladder}"
        console().print(line, markup=False, soft_wrap=True)


def _entry_line(entry: "CaseEntry", site: "Site", zone: tzinfo) -> str:
    from patrol.domain.labels import CASE_EVENTS, bilingual  # noqa: PLC0415  with the rooms

    people = {str(person.id): person.name for person in site.registry.people.values()}
    who = f"{people[entry.by]} ({entry.by})" if entry.by in people else entry.by
    note = f" — {entry.note}" if entry.note else ""
    return f"  {local_time(entry.at, zone)}  {bilingual(CASE_EVENTS[entry.what])}  {who}{note}"


def local_time(at: datetime, zone: tzinfo) -> str:
    """On the site's wall clock."""
    return f"{at.astimezone(zone):%m-%d %H:%M:%S}"


def grid_name(site: "Site", code: Any) -> str:
    """What people call the grid."""
    grid = site.registry.tree.grids.get(code)
    return grid.name if grid else "?"


def _due_text(case: "Case", zone: tzinfo) -> str:
    from patrol.domain.labels import DUE_LIGHTS, bilingual  # noqa: PLC0415  with the rooms

    waits = _pending_verification(case)
    if waits is not None:
        light = bilingual(DUE_LIGHTS[waits.due_light])
        return f"核查 verify {local_time(waits.due, zone)} {light}"
    return local_time(case.due_at, zone) if case.is_open else "—"


def _print_cases(found: "list[Case]", site: "Site") -> None:
    from rich.table import Table  # noqa: PLC0415  rich
    from rich.text import Text  # noqa: PLC0415  rich

    from patrol.domain.category import CATEGORY_BY_ID  # noqa: PLC0415  with the rooms
    from patrol.domain.labels import CASE_STATES, bilingual  # noqa: PLC0415  with the rooms

    zone = site.settings.site.tz
    table = Table(title=f"案件 cases · {len(found)}", title_justify="left")
    for heading in (
        "编号 id",
        "状态 state",
        "级别 level",
        "类别 category",
        "网格 grid",
        "时限 due",
    ):
        table.add_column(heading, no_wrap=heading == "编号 id")  # to be typed: never cut
    for case in found:
        category = CATEGORY_BY_ID.get(case.category)
        table.add_row(
            case.id,
            bilingual(CASE_STATES[case.state]),
            level_label(case.level),
            category.zh if category else case.category,
            Text(grid_name(site, case.grid)),
            _due_text(case, zone),
        )
    console().print(table)


def register_phone(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("phoned")(phoned)


def phoned(
    context: typer.Context,
    case: Annotated[str, typer.Argument(metavar="ID", help="案件编号。 A case's id.")],
    *,
    note: Annotated[
        str, typer.Option("--note", help="谁接的、怎么说。 Who answered, what was said.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记已电话通知。 Write down that somebody was told by telephone."""
    from patrol.cases import actions  # noqa: PLC0415  with the rooms
    from patrol.domain.case import IllegalCaseTransition  # noqa: PLC0415  with the rooms
    from patrol.domain.ids import CaseId  # noqa: PLC0415  with the rooms

    if not note.strip():
        bad_input("--note: is empty, say who answered and what was said")
    with app_of(context) as app:
        try:
            with app.store.begin() as uow:
                now = app.clock.now()
                changed = actions.record_phone_call(
                    uow, CaseId(case), by=operator(by), now=now, note=note.strip()
                )
                uow.commit()
        except KeyError:
            bad_input(f"case {case!r}: there is none, `patrol cases` lists them")
        except IllegalCaseTransition as exc:
            bad_input(str(exc))
    if as_json:
        print_json(case_document(changed))
    else:
        print_case(changed, app.site)


def ask_who_was_phoned(
    app: "Application", finding: str, chosen: "Level | None", answer: str
) -> str:
    """What the operator says of the call; on a terminal it is asked for, once."""
    from patrol.domain.ids import FindingId  # noqa: PLC0415  with the rooms
    from patrol.domain.priority import Level  # noqa: PLC0415  with the rooms

    if answer.strip() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return answer
    with app.store.begin_read() as uow:
        level = chosen or uow.findings.get(FindingId(finding)).level
    if level is not Level.URGENT:
        return answer
    prompt = "特急:先电话,后推送。谁接的、怎么说(留空:未打通) Who was phoned (empty: nobody)"
    return str(typer.prompt(prompt, default="", show_default=False, err=True))


def phone_first(case: "Case", app: "Application") -> dict[str, Any] | None:
    """Who is still to be rung about an urgent case; None: nobody, or somebody was."""
    from patrol.domain.case import CaseEvent  # noqa: PLC0415  with the rooms
    from patrol.domain.escalation import current_rung  # noqa: PLC0415  with the rooms
    from patrol.domain.priority import Level  # noqa: PLC0415  with the rooms

    rung = any(entry.what is CaseEvent.PHONE for entry in case.entries)
    if case.level is not Level.URGENT or rung:
        return None
    person = app.site.registry.people.get(current_rung(case).person)
    if person is None:
        return {"person": None, "name": "", "phone": ""}
    return {"person": person.id, "name": person.name, "phone": person.phone}


def remind_to_phone(case: "Case", whom: dict[str, Any] | None) -> None:
    """One line on stderr."""
    if whom is None:
        return
    name, number = whom["name"] or "责任人", whom["phone"] or "(无号码 no number)"
    print_err(
        f"特急未电话通知:请致电 {name} {number},再执行 patrol phoned {case.id} --note …"
        " (urgent: phone now)"
    )
