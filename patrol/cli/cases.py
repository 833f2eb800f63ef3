"""`patrol cases` and `patrol case ID`: cases on their way through the grid, without a browser."""

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patrol.cli.common import AsJson, bad_input, console, print_json, site_of, store_of
from patrol.cli.queue import level_words

if TYPE_CHECKING:
    from patrol.domain.case import Case, CaseEntry
    from patrol.domain.verdict import Awaited
    from patrol.settings import Site

LAMPS: Final = {"green": "绿", "yellow": "黄", "red": "红"}
RUNGS: Final = {  # of the receipt ladder (report.documents.message_document)
    "queued": "入队 queued",
    "published": "发出 published",
    "broker_acked": "代理收到 broker has it",
    "device_received": "手机收到 device has it",
    "opened": "打开 opened",
    "acknowledged": "签收 answered",
}


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("cases")(cases)
    cli.command("case")(one_case)


def cases(
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
        found = _waiting(found)
    if as_json:
        print_json([case_document(case) for case in found])
    elif found:
        _print_cases(found, site)
    else:
        console().print("没有案件。 There are no cases.")


def _waiting(cases: "list[Case]") -> "list[Case]":
    """Those whose verdict waits for a person, the most pressing first."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.verdict import awaited  # noqa: PLC0415  with the rooms

    by_id = {case.id: case for case in cases}
    return [by_id[one.case] for one in awaited(cases, SystemClock().now())]


def _awaited(case: "Case") -> "Awaited | None":
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.verdict import awaited  # noqa: PLC0415  with the rooms

    return next(iter(awaited([case], SystemClock().now())), None)


def verdict_document(case: "Case") -> dict[str, Any] | None:
    """Since when a person's verdict is waited for, until when, beside which pictures."""
    from patrol.report.documents import utc  # noqa: PLC0415  with the rooms

    waits = _awaited(case)
    if waits is None:
        return None
    return {
        "since": utc(waits.since), "due": utc(waits.due), "light": str(waits.lamp),
        "before": waits.before, "after": waits.after, "machine": waits.machine,
    }  # fmt: skip


def one_case(
    context: typer.Context,
    case: Annotated[str, typer.Argument(metavar="ID", help="案件编号。 A case's id.")],
    *,
    as_json: AsJson = False,
) -> None:
    """一个案件及其全部经过。 One case and all that happened to it."""
    from patrol.domain.ids import CaseId  # noqa: PLC0415  with the rooms
    from patrol.report.documents import message_document  # noqa: PLC0415  with the rooms

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
    from patrol.report.documents import case_document as document  # noqa: PLC0415  with the rooms

    pictures = {"before": case.before, "after": case.after}
    return {**document(case), **pictures, "verdict": verdict_document(case)}


def print_case(case: "Case", site: "Site") -> None:
    """One case for a person: its head, then its history."""
    from rich.table import Table  # noqa: PLC0415  rich
    from rich.text import Text  # noqa: PLC0415  rich

    from patrol.domain.category import BY_ID  # noqa: PLC0415  with the rooms
    from patrol.report.words import CASE_STATES, both  # noqa: PLC0415  with the rooms

    zone = site.settings.site.tz
    category = BY_ID.get(case.category)
    words = f"{category.zh} {category.en}" if category else case.category
    head = Table.grid(padding=(0, 2))
    head.add_row("案件 case", Text(case.id, style="bold"))
    head.add_row("状态 state", both(CASE_STATES[case.state]))
    head.add_row("级别 level", level_words(case.level))
    head.add_row("类别 category", words)
    head.add_row("网格 grid", Text(f"{grid_name(site, case.grid)} {case.grid}"))
    head.add_row("地点 place", Text(case.place))
    if case.hold is not None and case.is_untold:
        held = f"{case.hold.why}, 至 until {local(case.hold.until, zone)}"
        head.add_row("暂缓推送 held", Text(held, style="yellow"))
    elif case.suspension is not None:
        head.add_row("挂起 suspended", local(case.suspension.since, zone))
    elif case.is_open:
        head.add_row("时限 due", local(case.due_at, zone))
    if waits := verdict_document(case):
        words = f"{waits['machine']} · 前 before {waits['before']} · 后 after {waits['after']}"
        head.add_row("待核查 verify", Text(words))
    console().print(head)
    for entry in case.entries:
        console().print(_entry(entry, site, zone), markup=False)


def _print_receipts(receipts: "list[dict[str, Any]]", site: "Site") -> None:
    """How far each message got, rung by rung; what was not reached is left out."""
    zone = site.settings.site.tz
    if receipts:
        console().print("推送回执 messages", style="italic")
    for one in receipts:
        ladder = " → ".join(
            f"{words} {datetime.fromisoformat(one[rung]).astimezone(zone):%H:%M:%S}"
            for rung, words in RUNGS.items()
            if one[rung]
        )
        clears = " (清除 clears)" if one["clears"] else ""
        line = f"  {grid_name(site, one['grid'])}{clears}: {ladder}"
        console().print(line, markup=False, soft_wrap=True)


def _entry(entry: "CaseEntry", site: "Site", zone: tzinfo) -> str:
    from patrol.report.words import CASE_EVENTS, both  # noqa: PLC0415  with the rooms

    people = {str(person.id): person.name for person in site.registry.people.values()}
    who = f"{people[entry.by]} ({entry.by})" if entry.by in people else entry.by
    note = f" — {entry.note}" if entry.note else ""
    return f"  {local(entry.at, zone)}  {both(CASE_EVENTS[entry.what])}  {who}{note}"


def local(at: datetime, zone: tzinfo) -> str:
    """On the site's wall clock."""
    return f"{at.astimezone(zone):%m-%d %H:%M:%S}"


def grid_name(site: "Site", code: Any) -> str:
    """What people call the grid."""
    grid = site.registry.tree.grids.get(code)
    return grid.name if grid else "?"


def _due(case: "Case", zone: tzinfo) -> str:
    waits = _awaited(case)
    if waits is not None:
        return f"核查 verify {local(waits.due, zone)} {LAMPS[waits.lamp]}"
    return local(case.due_at, zone) if case.is_open else "—"


def _print_cases(found: "list[Case]", site: "Site") -> None:
    from rich.table import Table  # noqa: PLC0415  rich
    from rich.text import Text  # noqa: PLC0415  rich

    from patrol.domain.category import BY_ID  # noqa: PLC0415  with the rooms
    from patrol.report.words import CASE_STATES, both  # noqa: PLC0415  with the rooms

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
        category = BY_ID.get(case.category)
        table.add_row(
            case.id,
            both(CASE_STATES[case.state]),
            level_words(case.level),
            category.zh if category else case.category,
            Text(grid_name(site, case.grid)),
            _due(case, zone),
        )
    console().print(table)
