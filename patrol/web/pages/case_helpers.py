"""Helpers (群防群治) of a case in the console: asked or not, and steps that were telephoned.

What a helper does on the own phone page (pages/ground.py), an operator enters here after a call.
"""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.helper_service import HelperService
from patrol.domain.case import Case
from patrol.domain.helping import HelperStep, helper_steps, helpers_of_grid
from patrol.domain.ids import CaseId, PersonId
from patrol.web.context import ContextDep, IdempotencyKey, MayActOnCases, WebContext, request_key
from patrol.web.errors import InvalidRequest, translate_errors
from patrol.web.pages.case_actions import visible_case

MAX_LISTED: Final = 20
router = APIRouter()


class OpenToHelpersForm(BaseModel):
    """Whether helpers of the grid are asked to help with a case."""

    open: bool
    note: str = Field(default="", max_length=500)


class TelephonedStepForm(BaseModel):
    """A helper of people.csv who said by telephone that he or she goes, or was there."""

    person: str = Field(max_length=64)
    step: HelperStep
    note: str = Field(default="", max_length=500)


@router.post("/api/cases/{case_id}/helpers")
def open_to_helpers(
    context: ContextDep,
    user: MayActOnCases,
    case_id: str,
    form: OpenToHelpersForm,
    key: IdempotencyKey = "",
) -> Response:
    """Open a case to the helpers of its grid (群防群治), or close it to them."""
    case = visible_case(context, user, CaseId(case_id))
    with translate_errors(f"case {case_id}"):
        changed = HelperService(context.app).set_open(
            case.id, is_open=form.open, by=user.account.name, note=form.note,
            request=request_key(user, key, f"helpers {case.id}", form),
        )  # fmt: skip
    return JSONResponse({"case": changed.id, "open": changed.open_to_helpers})


@router.post("/api/cases/{case_id}/helpers/steps")
def enter_step(
    context: ContextDep,
    user: MayActOnCases,
    case_id: str,
    form: TelephonedStepForm,
    key: IdempotencyKey = "",
) -> Response:
    """Enter that a helper goes, or was there. 409: the case is not open to helpers."""
    case, registry = visible_case(context, user, CaseId(case_id)), context.app.registry
    if form.person not in {one.id for one in helpers_of_grid(registry, case.grid)}:
        raise InvalidRequest(
            user.t("不是该网格的群防群治人员", "person: is no helper of the case's grid")
        )
    with translate_errors(f"case {case_id}"):
        HelperService(context.app).note_step(
            case.id, form.step, by=PersonId(form.person), note=form.note,
            request=request_key(user, key, f"helper step {case.id}", form),
        )  # fmt: skip
    return JSONResponse({"case": case.id, "step": str(form.step)})


def helpers_content(context: WebContext, case: Case) -> list[dict[str, Any]]:
    """The helpers of the case's grid with what each did; empty where none is asked."""
    if not (case.is_open and case.open_to_helpers):
        return []
    done = {(entry.by, step): entry.at for step, entry in helper_steps(case)}
    return [
        {
            "person": one.id,
            "name": one.name,
            "phone": one.phone,
            "going": done.get((one.id, HelperStep.GOING)),
            "there": done.get((one.id, HelperStep.THERE)),
        }
        for one in helpers_of_grid(context.app.registry, case.grid)[:MAX_LISTED]
    ]
