"""Human patrols at the command line: `patrol human-patrol plan|list|show|start|…|check|finish`."""

from typing import Annotated

import typer

from patrol.cli.options import AsJson, By, CameraArgument, operator
from patrol.cli.output import bad_input, console, print_json, print_none
from patrol.cli.site import app_of, camera_named, site_names, store_of
from patrol.domain.human_patrol import CheckOutcome, HumanPatrol, HumanPatrolEvent, count_checks
from patrol.domain.ids import PictureId
from patrol.domain.labels import label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.town_labels import CHECK_OUTCOMES, HUMAN_PATROL_STATES
from patrol.reports.documents import human_patrol_document
from patrol.rounds.human_patrol import CheckForm

PatrolArgument = Annotated[
    str, typer.Argument(metavar="ID", help="巡查编号，见 list。 As `human-patrol list` shows it.")
]
Remark = Annotated[str, typer.Option("--remark", help="备注。 A remark.")]
AsSupervisor = Annotated[
    bool, typer.Option("--as-supervisor", help="值班长代为操作。 A duty lead, not the assigned.")
]


def plan_patrol(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="site.yaml 中的方案。 Its name.")],
    *,
    as_json: AsJson = False,
) -> None:
    """现在安排今天的一次。 Plan today's task of a plan at once."""
    from patrol.app.human_patrol_service import HumanPatrolService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        plans = app.site.settings.human_patrols
        if plan not in plans:
            bad_input(
                f"plan {plan!r}: site.yaml has no such patrols, only {', '.join(plans) or '—'}"
            )
        planned = HumanPatrolService(app).plan_now(plan)
        with app.store.begin_read() as uow:
            day = app.clock.now().astimezone(app.site.settings.site.tz).date()
            ident = planned.id if planned else plans[plan].task_id(day)
            document = human_patrol_document(
                uow.human_patrols.get(ident), uow.human_patrols.checks(ident)
            )
    if as_json:
        print_json(document)
    else:
        console().print(
            translate(
                f"{document['id']}  应看 {document['planned']}",
                f"{document['id']}  planned {document['planned']}",
            ),
            markup=False,
        )


def list_patrols(
    context: typer.Context,
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="最多几条。 At most.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """人工巡查列表，新的在前。 Tasks, the newest first."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        tasks = uow.human_patrols.list(limit=limit)
        checks = uow.human_patrols.checks_of(one.id for one in tasks)
    if as_json:
        print_json([human_patrol_document(one, checks.get(one.id, ())) for one in tasks])
        return
    for one in tasks:
        counts = count_checks(checks.get(one.id, ()))
        state = label_text(label_of(HUMAN_PATROL_STATES, one.state))
        console().print(
            translate(
                f"{one.id}  {one.title}  {state}  已看 {counts.done}/{counts.planned} "
                f" 漏看 {counts.missed}",
                f"{one.id}  {one.title}  {state}  seen {counts.done}/{counts.planned} "
                f" missed {counts.missed}",
            ),
            markup=False,
        )
    if not tasks:
        print_none()


def show_patrol(context: typer.Context, patrol: PatrolArgument, *, as_json: AsJson = False) -> None:
    """一次人工巡查，逐路。 One task, camera by camera."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        try:
            found = uow.human_patrols.get(patrol)
        except KeyError:
            bad_input(_no_patrol_text(patrol))
        checks = uow.human_patrols.checks(found.id)
    if as_json:
        print_json(human_patrol_document(found, checks))
        return
    _print_patrol(found)
    for check in checks:
        outcome = label_text(label_of(CHECK_OUTCOMES, check.outcome))
        console().print(f"  {check.camera}  {outcome}  {check.by}", markup=False)


def start_patrol(
    context: typer.Context, patrol: PatrolArgument, *, remark: Remark = "",
    as_supervisor: AsSupervisor = False, by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """开始一次人工巡查。 Start a task within its window."""
    _move(
        context, patrol, HumanPatrolEvent.START, by, remark=remark,
        as_supervisor=as_supervisor, as_json=as_json,
    )  # fmt: skip


def pause_patrol(
    context: typer.Context, patrol: PatrolArgument, *, as_supervisor: AsSupervisor = False,
    by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """中断一次人工巡查。 Interrupt a task."""
    _move(context, patrol, HumanPatrolEvent.PAUSE, by, as_supervisor=as_supervisor, as_json=as_json)


def resume_patrol(
    context: typer.Context, patrol: PatrolArgument, *, as_supervisor: AsSupervisor = False,
    by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """继续一次人工巡查。 Go on with an interrupted task."""
    _move(
        context, patrol, HumanPatrolEvent.RESUME, by, as_supervisor=as_supervisor, as_json=as_json
    )


def finish_patrol(
    context: typer.Context, patrol: PatrolArgument, *, remark: Remark = "",
    as_supervisor: AsSupervisor = False, by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """结束一次人工巡查；没看的记为漏看。 Finish a task; what was not looked at is missed."""
    _move(
        context, patrol, HumanPatrolEvent.FINISH, by, remark=remark,
        as_supervisor=as_supervisor, as_json=as_json,
    )  # fmt: skip


def check_camera(
    context: typer.Context,
    patrol: PatrolArgument,
    camera: CameraArgument,
    *,
    not_viewable: Annotated[
        bool, typer.Option("--not-viewable", help="无法查看。 It cannot be viewed.")
    ] = False,
    picture: Annotated[str, typer.Option("--picture", help="看的哪张画面。 Which picture.")] = "",
    as_supervisor: AsSupervisor = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记已看一路（或无法查看）。 Say that a camera was seen, or cannot be viewed."""
    from patrol.app.human_patrol_service import HumanPatrolService, Patroller  # noqa: PLC0415

    outcome = CheckOutcome.NOT_VIEWABLE if not_viewable else CheckOutcome.ACKNOWLEDGED
    with app_of(context) as app:
        chosen = camera_named(app.site, camera)
        form = CheckForm(
            patrol=patrol, camera=chosen.id, outcome=outcome,
            picture=PictureId(picture) if picture else None,
        )  # fmt: skip
        try:
            check = HumanPatrolService(app).check(
                form, Patroller(name=operator(by), is_supervisor=as_supervisor)
            )
        except KeyError:
            bad_input(f"patrol {patrol!r}: there is none, or it has no camera {chosen.id}")
        except ValueError as exc:
            bad_input(str(exc))
    if as_json:
        print_json({"patrol": patrol, "camera": check.camera, "outcome": str(check.outcome)})
    else:
        label = label_text(label_of(CHECK_OUTCOMES, check.outcome))
        console().print(f"{chosen.id} {chosen.name} {label}", markup=False)


def tick_item(
    context: typer.Context,
    patrol: PatrolArgument,
    number: Annotated[int, typer.Argument(min=1, help="第几项，从 1 起。 Which, from 1.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="取消勾选。 Take the tick back.")] = False,
    as_supervisor: AsSupervisor = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """勾选清单中的一项。 Tick an item of the task's checklist."""
    from patrol.app.human_patrol_service import HumanPatrolService, Patroller  # noqa: PLC0415

    with app_of(context) as app:
        who = Patroller(name=operator(by), is_supervisor=as_supervisor)
        try:
            ticked = HumanPatrolService(app).tick(patrol, number - 1, who, checked=not undo)
        except KeyError:
            bad_input(f"patrol {patrol!r}: there is none, or its checklist has no item {number}")
        with app.store.begin_read() as uow:
            checks = uow.human_patrols.checks(ticked.id)
    if as_json:
        print_json(human_patrol_document(ticked, checks))
        return
    for index, item in enumerate(ticked.checklist):
        mark = "x" if index in ticked.checked_items else " "
        console().print(f"[{mark}] {index + 1} {item}", markup=False)


def _move(
    context: typer.Context,
    patrol: str,
    event: HumanPatrolEvent,
    by: str,
    *,
    remark: str = "",
    as_supervisor: bool,
    as_json: bool,
) -> None:
    from patrol.app.human_patrol_service import HumanPatrolService, Patroller  # noqa: PLC0415

    with app_of(context) as app:
        who = Patroller(name=operator(by), is_supervisor=as_supervisor)
        try:
            moved = HumanPatrolService(app).move(patrol, event, who, remark=remark)
        except KeyError:
            bad_input(_no_patrol_text(patrol))
        with app.store.begin_read() as uow:
            checks = uow.human_patrols.checks(moved.id)
    if as_json:
        print_json(human_patrol_document(moved, checks))
    else:
        _print_patrol(moved)


def _print_patrol(patrol: HumanPatrol) -> None:
    state = label_text(label_of(HUMAN_PATROL_STATES, patrol.state))
    console().print(f"{patrol.id}  {patrol.title}  {state}  {patrol.started_by}", markup=False)


def _no_patrol_text(patrol: str) -> str:
    return f"patrol {patrol!r}: there is none, `patrol human-patrol list` lists them"
