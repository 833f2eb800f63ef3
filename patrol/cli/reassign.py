"""Actions of the duty room on a case: `patrol reassign`, `extend`, `suspend`, `close` and more.

`extend`, `suspend` and `void` only request approval; another person has to `grant` or `refuse` it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from patrol.app import Application
from patrol.cases import actions
from patrol.cli.cases import case_document, no_case_text, print_case
from patrol.cli.options import AsJson, By, CaseArgument, operator
from patrol.cli.output import bad_input, console, print_json, warn_masked
from patrol.cli.site import RELAY_WITHIN_S, app_of
from patrol.domain.approval import MAX_EXTENSION, close_after_grant
from patrol.domain.case import Case, CaseEvent, IllegalCaseTransition
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339_or_none
from patrol.store import UnitOfWork

Reason = Annotated[str, typer.Option("--why", help="原因，写入案件经过。 Kept in its history.")]
Note = Annotated[str, typer.Option("--note", help="说明。 Words for the history.")]
CaseActionFunction = Callable[[Application, UnitOfWork, datetime], Case]


def phoned(
    context: typer.Context,
    case: CaseArgument,
    *,
    note: Annotated[
        str, typer.Option("--note", help="谁接的、怎么说。 Who answered, what was said.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记已电话通知。 Note in the case who was notified by telephone."""
    if not note.strip():
        bad_input("--note: is empty, say who answered and what was said")
    try:
        with app_of(context) as app, app.store.begin() as uow:
            changed = actions.record_phone_call(
                uow, CaseId(case), by=operator(by), now=app.clock.now(), payloads=app.payloads,
                note=note.strip(),
            )  # fmt: skip
            uow.commit()
            warn_masked(app.payloads.masked_parts(note))
    except KeyError:
        bad_input(no_case_text(case))
    except IllegalCaseTransition as exc:
        bad_input(str(exc))
    if as_json:
        print_json(case_document(changed, app.clock.now()))
    else:
        print_case(changed, app.site, app.clock.now())


def reassign(
    context: typer.Context,
    case: CaseArgument,
    *,
    to: Annotated[str, typer.Option("--to", metavar="GRID", help="转给哪个网格。 Which grid.")],
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """转派到另一网格。 Give a case to another grid."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        if to not in app.site.registry.tree.grids:
            bad_input(f"--to: grid {to!r} is not in grids.csv")
        return actions.reassign_case(
            uow,
            CaseId(case),
            GridCode(to),
            by=operator(by),
            now=now,
            registry=app.site.registry,
            payloads=app.payloads,
            note=note,
        )

    _run_action(context, case, action, as_json=as_json)


def extend(
    context: typer.Context,
    case: CaseArgument,
    *,
    hours: Annotated[float, typer.Option("--hours", help="多少工时。 How many (office) hours.")],
    why: Reason,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """申请延期，待值班长批准。 Ask for more time; somebody else grants it."""
    if not 0 < hours <= MAX_EXTENSION / timedelta(hours=1):  # NaN falls through as well
        limits = f"more than 0 and at most {MAX_EXTENSION.days} d of hours"
        bad_input(f"--hours {hours:g}: an extension is {limits}, give fewer or suspend the case")
    _request_approval(
        context, case, ApprovalKind.EXTENSION, why, operator(by), hours=hours, as_json=as_json
    )


def suspend(
    context: typer.Context, case: CaseArgument, *, why: Reason, by: By = "", as_json: AsJson = False
) -> None:
    """申请挂起（暂停计时），待值班长批准。 Ask for a pause in which no clock runs."""
    _request_approval(context, case, ApprovalKind.SUSPENSION, why, operator(by), as_json=as_json)


def void(
    context: typer.Context, case: CaseArgument, *, why: Reason, by: By = "", as_json: AsJson = False
) -> None:
    """申请作废，待值班长批准。 Ask for a case to be voided."""
    _request_approval(context, case, ApprovalKind.VOID, why, operator(by), as_json=as_json)


def grant(
    context: typer.Context, case: CaseArgument, *, note: Note = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """批准所申请的事项（不得由申请人本人）。 Grant what somebody else asked for."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.approve(
            uow, CaseId(case), by=operator(by), now=now, payloads=app.payloads, note=note
        )

    _run_action(context, case, action, as_json=as_json)


def refuse(
    context: typer.Context, case: CaseArgument, *, why: Reason, by: By = "", as_json: AsJson = False
) -> None:
    """不批准所申请的事项。 Refuse what was asked for; it stays as it is."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.reject(
            uow, CaseId(case), by=operator(by), now=now, payloads=app.payloads, note=why
        )

    _run_action(context, case, action, as_json=as_json)


def withdraw(
    context: typer.Context, case: CaseArgument, *, note: Note = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """撤回本人的申请。 Take an own request back; the case stays as it is."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        request, who = uow.cases.get(CaseId(case)).request, operator(by)
        if request is None or request.by != who:
            bad_input(f"case {case}: no request of {who} waits")
        return actions.reject(uow, CaseId(case), by=who, now=now, payloads=app.payloads, note=note)

    _run_action(context, case, action, as_json=as_json)


def unsuspend(
    context: typer.Context, case: CaseArgument, *, note: Note = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """恢复挂起的案件。 Let the clocks of a suspended case run again."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.resume_case(
            uow, CaseId(case), by=operator(by), now=now, payloads=app.payloads, note=note
        )

    _run_action(context, case, action, as_json=as_json)


def verify(
    context: typer.Context,
    case: CaseArgument,
    *,
    gone: Annotated[
        bool, typer.Option("--gone/--still-there", help="问题是否已消除。 Is it gone?")
    ],
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """人工核查：已消除则办结，未消除则退回重办。 Verify by hand: close it, or send it back."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.apply_person_decision(
            uow,
            CaseId(case),
            gone=gone,
            by=operator(by),
            now=now,
            payloads=app.payloads,
            note=note,
        )

    _run_action(context, case, action, as_json=as_json)


def close(
    context: typer.Context, case: CaseArgument, *, why: Reason, by: By = "", as_json: AsJson = False
) -> None:
    """退回的案件办结。 Close a case that was returned."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.end_case(
            uow,
            CaseId(case),
            CaseEvent.CLOSE,
            by=operator(by),
            now=now,
            payloads=app.payloads,
            note=why,
        )

    _run_action(context, case, action, as_json=as_json)


def reopen(
    context: typer.Context, case: CaseArgument, *, why: Reason, by: By = "", as_json: AsJson = False
) -> None:
    """重开已办结的案件。 Reopen a closed case: back to the ground."""

    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        return actions.reopen_case(
            uow, CaseId(case), by=operator(by), now=now, payloads=app.payloads, note=why
        )

    _run_action(context, case, action, as_json=as_json)


def _request_approval(
    context: typer.Context,
    case: str,
    kind: ApprovalKind,
    why: str,
    by: str,
    *,
    hours: float = 0.0,
    as_json: bool,
) -> None:
    def action(app: Application, uow: UnitOfWork, now: datetime) -> Case:
        span_s = timedelta(hours=hours).total_seconds()
        request = ApprovalRequest(kind=kind, by=by, at=now, why=why, span_s=span_s)
        return actions.request_approval(uow, CaseId(case), request, payloads=app.payloads)

    _run_action(context, case, action, as_json=as_json)


def _run_action(
    context: typer.Context, case: str, action: CaseActionFunction, *, as_json: bool
) -> None:
    """Apply one action in one transaction, then send what waits if the broker answers soon."""
    with app_of(context) as app:
        now = app.clock.now()
        try:
            with app.store.begin() as uow:
                changed = action(app, uow, now)
                uow.commit()
        except KeyError:
            bad_input(no_case_text(case))
        except IllegalCaseTransition as exc:
            bad_input(str(exc))
        warn_masked(app.payloads.masked_parts(changed.entries[-1].note))
        app.send_now(RELAY_WITHIN_S)
    if as_json:
        print_json({**case_document(changed, now), **_request_document(changed, now)})
        return
    print_case(changed, app.site, now)
    if changed.request is not None:
        console().print(
            translate(
                f"待批准，由他人执行 patrol grant {changed.id} 或 patrol refuse",
                f"waits for somebody else: patrol grant {changed.id} or patrol refuse",
            ),
            markup=False,
        )


def _request_document(case: Case, now: datetime) -> dict[str, Any]:
    request = case.request
    document = request and {
        "wish": str(request.kind),
        "by": request.by,
        **({"claimed": request.claimed} if request.claimed else {}),
        "at": rfc3339_or_none(request.at),
        "why": request.why,
        "hours": request.span_s / 3600,
        "office_hours": case.policy.office is not None,
        "close_if_granted": rfc3339_or_none(close_after_grant(case, now)),
    }
    return {"request": document}
