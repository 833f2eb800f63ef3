"""Supervision at the command line: `patrol overdue`, `supervise`, `urge`, `tags`, `hand-off …`.

Broadcasts (`patrol broadcast …`), and what waits: `patrol approvals`, `patrol verifications`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from patrol.cli.cases import case_document, no_case_text, print_case
from patrol.cli.options import AsJson, By, CaseArgument, operator
from patrol.cli.output import NO_LIMIT, bad_input, console, print_json, print_none
from patrol.cli.site import (
    RELAY_WITHIN_S,
    app_of,
    site_names,
    store_of,
    stored_texts_of,
    trusted_now,
)
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.finding import category_named
from patrol.domain.hand_off import HandOffEvent
from patrol.domain.labels import APPROVAL_KINDS, DUE_LIGHTS, label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.town_labels import BROADCAST_STATES, HAND_OFF_STATES, OVERDUE_STEPS
from patrol.domain.verification import pending_verifications
from patrol.reports.documents import broadcast_document, hand_off_document, overdue_document
from patrol.reports.waiting_documents import approval_document, verification_document

if TYPE_CHECKING:
    from patrol.app import Application
    from patrol.app.town_service import TownService
    from patrol.domain.case import Case

Why = Annotated[str, typer.Option("--why", help="原因，写入案件经过。 Kept in its history.")]
Tags = Annotated[
    list[str] | None, typer.Argument(metavar="[TAG]…", help="全部标签；不给则清空。 All tags.")
]


def show_overdue(
    context: typer.Context,
    *,
    send: Annotated[
        bool, typer.Option("--send", help="同时发给村干部。 Send it to the cadres, too.")
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """超时清单，最要紧的在前。 The overdue list, the most urgent first."""
    from patrol.cases.supervision import overdue_list  # noqa: PLC0415  as app_of does

    site, sent = site_names(context), 0
    with store_of(site) as store, store.begin_read() as uow:
        now, zone = trusted_now(uow), site.settings.site.tz
        lines = overdue_list(uow, now)
    if send:
        with app_of(context) as app:
            sent = _service(app).send_overdue(by=operator(by))
            if sent:
                app.send_now(RELAY_WITHIN_S)
    if as_json:
        documents = [overdue_document(line, now) for line in lines]
        print_json({"cases": documents, "sent": sent})
        return
    for line in lines:
        what = category_named(line.case.category).zh
        step = label_text(label_of(OVERDUE_STEPS, line.step))
        since = f"{line.since.astimezone(zone):%m-%d %H:%M}"
        console().print(f"{line.case.id}  {line.case.level}  {what}  {step}  {since}", markup=False)
    if not lines:
        console().print(translate("没有超时的案件", "nothing is overdue"), markup=False)


def supervise(
    context: typer.Context, case: CaseArgument, *, why: Why,
    hours: Annotated[float, typer.Option("--hours", help="多少小时内办完。 Within how many.")] = 4,
    by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """督办：写明原因与时限。 Put a case under supervision, with reason and clock."""
    _change_case(
        context,
        case,
        lambda town: town.supervise(case, by=operator(by), why=why, hours=hours),
        as_json=as_json,
    )


def urge(
    context: typer.Context, case: CaseArgument, *, why: Why, by: By = "", as_json: AsJson = False
) -> None:
    """催办：再次通知责任人。 Tell the person whose move it is again."""
    _change_case(
        context, case, lambda town: town.urge(case, by=operator(by), why=why), as_json=as_json
    )


def tag_case(
    context: typer.Context,
    case: CaseArgument,
    tags: Tags = None,
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """给案件加标签（四网融合等）。 Give a case exactly these tags."""
    _change_case(
        context, case, lambda town: town.tag(case, tags or [], by=operator(by)), as_json=as_json
    )


def tag_grid(
    context: typer.Context,
    grid: Annotated[str, typer.Argument(metavar="GRID", help="网格编码。 A grid's code.")],
    tags: Tags = None,
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """给网格加标签。 Give a grid exactly these tags."""
    with app_of(context) as app:
        try:
            wanted = _service(app).tag_grid(grid, tags or [], by=operator(by))
        except KeyError:
            bad_input(f"grid {grid!r}: not in grids.csv, give one of its 15-digit codes")
    if as_json:
        print_json({"grid": grid, "tags": list(wanted)})
    else:
        console().print(f"{grid}  {' '.join(wanted) or '—'}", markup=False)


def give_case(
    context: typer.Context,
    case: CaseArgument,
    *,
    to: Annotated[str, typer.Option("--to", help="site.yaml 中的部门。 A department.")],
    why: Why,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """移交给公安、县里等部门（警格联动）。 Hand a case to another department."""
    with app_of(context) as app:
        try:
            given = _service(app).hand_off(case, to, by=operator(by), why=why)
        except KeyError:
            bad_input(no_case_text(case))
        app.send_now(RELAY_WITHIN_S)
    if as_json:
        print_json(hand_off_document(given))
    else:
        console().print(f"{given.id}  {given.case} → {given.recipient}", markup=False)


def answer_hand_off(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="移交编号。 H000001.")],
    *,
    text: Annotated[str, typer.Option("--text", help="回复内容；不给则为已接收。 Answer.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记部门的接收或回复。 Enter a department's receipt, or its answer."""
    event = HandOffEvent.ANSWER if text.strip() else HandOffEvent.RECEIVE
    with app_of(context) as app:
        try:
            answered = _service(app).answer(ident, event, by=operator(by), text=text)
        except KeyError:
            bad_input(f"hand-off {ident!r}: there is none, `patrol hand-off list` lists them")
    if as_json:
        print_json(hand_off_document(answered))
    else:
        state = label_text(label_of(HAND_OFF_STATES, answered.state))
        console().print(f"{answered.id}  {state}  {answered.answer}", markup=False)


def list_hand_offs(context: typer.Context, *, as_json: AsJson = False) -> None:
    """移交列表，新的在前。 Hand-offs, the newest first."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        found = uow.hand_offs.list()
    if as_json:
        print_json([hand_off_document(one) for one in found])
        return
    for one in found:
        state = label_text(label_of(HAND_OFF_STATES, one.state))
        console().print(f"{one.id}  {one.case} → {one.recipient}  {state}", markup=False)
    if not found:
        print_none()


def broadcast(
    context: typer.Context,
    case: CaseArgument,
    *,
    template: Annotated[str, typer.Option("--template", help="模板。 A template.")] = "",
    text: Annotated[str, typer.Option("--text", help="自拟内容。 Own text.")] = "",
    speaker: Annotated[str, typer.Option("--speaker", help="哪个喇叭。 Which loudspeaker.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """申请大喇叭播报，待另一人批准。 Ask for a broadcast; another person approves it."""
    with app_of(context) as app:
        try:
            asked = _service(app).ask_broadcast(
                case, by=operator(by), template=template, text=text, speaker=speaker
            )
        except KeyError:
            bad_input(no_case_text(case))
    if as_json:
        print_json(broadcast_document(asked))
    else:
        console().print(f"{asked.id}  {asked.speaker}  {asked.text}", markup=False)


def decide_broadcast(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="播报编号。 B000001.")],
    decision: Annotated[
        Literal["approve", "refuse"], typer.Argument(help="批准或不批准。 Approve or refuse.")
    ] = "approve",
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """批准或不批准播报（不得由申请人本人）。 Approve or refuse a broadcast."""
    with app_of(context) as app:
        try:
            decided = _service(app).decide_broadcast(
                ident, BroadcastEvent(decision), by=operator(by)
            )
        except KeyError:
            bad_input(f"broadcast {ident!r}: there is none")
        app.send_now(RELAY_WITHIN_S)
    if as_json:
        print_json(broadcast_document(decided))
    else:
        state = label_text(label_of(BROADCAST_STATES, decided.state))
        console().print(f"{decided.id}  {state}", markup=False)


def list_broadcasts(
    context: typer.Context,
    *,
    asked: Annotated[
        bool, typer.Option("--asked", help="只看待批准的。 Those that wait for approval.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """大喇叭播报，新的在前。 Broadcasts, the newest first."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        found = uow.broadcasts.list(asked_only=asked)
    if as_json:
        print_json([broadcast_document(one) for one in found])
        return
    for one in found:
        state = label_text(label_of(BROADCAST_STATES, one.state))
        console().print(f"{one.id}  {one.case}  {one.speaker}  {state}  {one.text}", markup=False)
    if not found:
        print_none()


def list_approvals(context: typer.Context, *, as_json: AsJson = False) -> None:
    """待我审批：案件的申请与播报，旧的在前。 What waits for approval, the oldest first."""
    from patrol.cases.supervision import pending_approvals  # noqa: PLC0415  as app_of does

    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        now, waiting = trusted_now(uow), pending_approvals(uow)
    documents = [approval_document(one, now) for one in waiting]
    if as_json:
        print_json(documents)
        return
    read = stored_texts_of(site)
    for one in documents:
        kind = one["kind"]
        broadcast = translate("大喇叭播报", "broadcast")
        what = broadcast if one["broadcast"] else label_text(label_of(APPROVAL_KINDS, kind))
        ident = one["broadcast"] or one["case"]
        console().print(f"{ident}  {what}  {one['by']}  {read(one['why'])}", markup=False)
    if not documents:
        print_none()


def list_verifications(context: typer.Context, *, as_json: AsJson = False) -> None:
    """待核查：已反馈、等人核查的案件，最急的在前。 Cases that wait for a verification."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        cases = uow.cases.list(open_only=True, limit=NO_LIMIT)
        waiting = pending_verifications(cases, trusted_now(uow))
    if as_json:
        print_json([verification_document(one) for one in waiting])
        return
    for one in waiting:
        light = label_text(label_of(DUE_LIGHTS, one.due_light))
        console().print(f"{one.case}  {one.level}  {light}", markup=False)
    if not waiting:
        print_none()


def _service(app: "Application") -> "TownService":
    from patrol.app.town_service import TownService  # noqa: PLC0415

    return TownService(app)


def _change_case(
    context: typer.Context, case: str, change: "Callable[[TownService], Case]", *, as_json: bool
) -> None:
    """Change a case, send what that asks for, and print the case."""
    with app_of(context) as app:
        try:
            changed = change(_service(app))
        except KeyError:
            bad_input(no_case_text(case))
        app.send_now(RELAY_WITHIN_S)
        if as_json:
            print_json(case_document(changed, app.clock.now()))
        else:
            print_case(changed, app.site, app.clock.now())
