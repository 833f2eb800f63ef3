"""Helpers (群防群治) at the command line: `patrol helper open|close|step|cases|reports|report`."""

from typing import Annotated

import typer

from patrol.cli.options import AsJson, By, CaseArgument, operator
from patrol.cli.output import bad_input, console, print_json, print_none
from patrol.cli.site import app_of, site_names, store_of
from patrol.domain.case import Case
from patrol.domain.finding import category_named
from patrol.domain.ground_labels import REPORT_OUTCOMES
from patrol.domain.helping import HelperStep
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.labels import label_of, label_text
from patrol.domain.reader_language import translate
from patrol.reports.documents import case_document, finding_document

Note = Annotated[str, typer.Option("--note", help="说明。 Words.")]
MAX_CASES = 10_000


def open_case(
    context: typer.Context, case: CaseArgument, *, note: Note = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """请群防群治队员协助一个案件。 Open a case to the helpers of its grid."""
    _set_open(context, case, is_open=True, note=note, by=by, as_json=as_json)


def close_case(
    context: typer.Context, case: CaseArgument, *, note: Note = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """不再请群防群治队员协助。 Close a case to helpers; it goes on."""
    _set_open(context, case, is_open=False, note=note, by=by, as_json=as_json)


def note_step(
    context: typer.Context,
    case: CaseArgument,
    step: Annotated[HelperStep, typer.Argument(help="前往或到场。 Goes, or was there.")],
    *,
    person: Annotated[str, typer.Option("--person", help="哪位队员。 Which person of people.csv.")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """代群防群治队员登记前往或到场。 Enter that a helper goes, or was there."""
    from patrol.app.helper_service import HelperService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        try:
            changed = HelperService(app).note_step(
                case, step, by=app.registry.people[PersonId(person)].id, note=note
            )
        except KeyError as exc:
            if exc.args == (person,):
                bad_input(f"--person {person!r}: not in people.csv")
            bad_input(f"case {case!r}: there is none, `patrol cases` lists them")
    if as_json:
        print_json(case_document(changed))
    else:
        console().print(_line(changed), markup=False)


def list_cases(context: typer.Context, *, as_json: AsJson = False) -> None:
    """请群防群治协助的案件。 Cases that are open to helpers."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=MAX_CASES)
    cases = [case for case in running if case.open_to_helpers]
    if as_json:
        print_json([case_document(case) for case in cases])
        return
    for case in cases:
        console().print(_line(case), markup=False)
    if not cases:
        print_none()


def list_reports(
    context: typer.Context,
    *,
    account: Annotated[str, typer.Option("--account", help="只看此账号。 Of one account.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """随手拍与处理结果，新的在前。 Reports from the ground, and what became of each."""
    from patrol.cases.helpers import reports_of  # noqa: PLC0415  cases cost time

    with store_of(site_names(context)) as store, store.begin_read() as uow:
        reports = reports_of(uow, account, limit=limit)
    if as_json:
        print_json([
            {
                "finding": finding_document(one.finding),
                "outcome": str(one.outcome),
                "case": one.case.id if one.case else None,
            }
            for one in reports
        ])  # fmt: skip
        return
    for one in reports:
        outcome = label_text(label_of(REPORT_OUTCOMES, one.outcome))
        finding = one.finding
        console().print(
            f"{finding.id}  {finding.filed_by}  {finding.place} {finding.why}  {outcome}",
            markup=False,
        )
    if not reports:
        print_none()


def file_report(
    context: typer.Context,
    *,
    grid: Annotated[str, typer.Option("--grid", help="网格编码 15 位。 Where it is.")],
    text: Annotated[str, typer.Option("--text", help="情况。 What it is.")],
    category: Annotated[str, typer.Option("--category", help="类别。 Its category.")] = "other",
    place: Annotated[str, typer.Option("--place", help="位置。 Where exactly.")] = "",
    key: Annotated[str, typer.Option("--key", help="幂等键。 A repeat changes nothing.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """代群防群治队员登记一条随手拍。 File a report for a helper, into the review queue."""
    from patrol.app.helper_service import HelperReport, HelperService  # noqa: PLC0415  as app_of

    with app_of(context) as app:
        form = HelperReport(
            key=key or f"cli-{app.clock.now():%Y%m%d%H%M%S%f}", grid=GridCode(grid),
            category=category, text=text, place=place,
        )  # fmt: skip
        filed = HelperService(app).report(form, by=operator(by))
    if as_json:
        print_json({"finding": filed.id if filed else None, "repeated": filed is None})
    else:
        console().print(filed.id if filed else translate("已登记过", "known"), markup=False)


def _set_open(
    context: typer.Context, case: str, *, is_open: bool, note: str, by: str, as_json: bool
) -> None:
    from patrol.app.helper_service import HelperService  # noqa: PLC0415  as app_of does

    with app_of(context) as app:
        try:
            changed = HelperService(app).set_open(case, is_open=is_open, by=operator(by), note=note)
        except KeyError:
            bad_input(f"case {case!r}: there is none, `patrol cases` lists them")
    if as_json:
        print_json(case_document(changed))
    else:
        console().print(_line(changed), markup=False)


def _line(case: Case) -> str:
    state = (
        translate("已请群防群治", "open to helpers")
        if case.open_to_helpers
        else translate("未请", "not open")
    )
    return f"{case.id}  {category_named(case.category).zh}  {case.place}  {state}"
