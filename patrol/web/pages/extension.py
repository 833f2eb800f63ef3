"""Extension of a case (延期): the dates that so many counted hours lead to, shown beforehand.

Hours of the office are named as such: 48 of them are some seven working days, not two. The page of
the case asks while the hours are typed in, and shows the same for a request that waits.
"""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from patrol.domain.approval import (
    DEFAULT_EXTENSION,
    MAX_EXTENSION,
    ApprovalImpossible,
    ExtensionPreview,
    preview_extension,
    span_texts,
)
from patrol.domain.case import Case
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.ids import CaseId
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewCases
from patrol.web.errors import NO_STORE
from patrol.web.pages.case_actions import visible_case

router = APIRouter()


@router.get("/api/cases/{case_id}/extension")
def extension_preview(
    context: ContextDep,
    user: MayViewCases,
    case_id: str,
    hours: Annotated[float, Query(gt=0, le=MAX_EXTENSION / timedelta(hours=1))],
) -> Response:
    """What asking for so many counted hours would lead to if it were granted now."""
    case, t = visible_case(context, user, CaseId(case_id)), user.t
    preview = preview_extension(case, timedelta(hours=hours), user.now)
    request = ApprovalRequest(
        kind=ApprovalKind.EXTENSION, by="", at=user.now, why="", span_s=preview.span.total_seconds()
    )
    span = t.pair(span_texts(request, case.policy.office))
    return JSONResponse(
        {
            "hours": hours,
            "office_hours": preview.in_office_hours,
            "due": preview.due_after.isoformat(),
            "close": preview.close_after.isoformat(),
            "words": f"{span}{t.colon}{extension_text(preview, user)}",
        },
        headers=NO_STORE,
    )


def default_extension_hours(case: Case) -> int:
    """One working day, or one day where the limits run round the clock."""
    office = case.policy.office
    span = office.day_length if office else DEFAULT_EXTENSION
    return max(1, round(span / timedelta(hours=1)))


def granting_text(case: Case, request: ApprovalRequest, user: CurrentUser) -> str:
    """The limits that granting an extension now would give; empty for other requests."""
    if not request.span_s:
        return ""
    try:
        preview = preview_extension(case, timedelta(seconds=request.span_s), user.now)
    except ApprovalImpossible:
        return ""
    return extension_text(preview, user)


def extension_text(preview: ExtensionPreview, user: CurrentUser) -> str:
    """`办结时限由 12-03 18:00 延至 12-12 10:00(9 天后)`; the next limit too where it is another."""
    t = user.t

    def moved(zh: str, en: str, before: datetime, after: datetime) -> str:
        old, new, left = t.short_datetime(before), t.short_datetime(after), after - user.now
        if before == after:
            return t(f"{zh}不变（{old}）", f"{en} stays {old}")
        away = t(f"{t.duration(left)}后", f"in {t.duration(left)}")
        return t(f"{zh}由 {old} 延至 {new}（{away}）", f"{en} from {old} to {new} ({away})")

    texts = [moved("办结时限", "limit to close", preview.close_before, preview.close_after)]
    if preview.due_before != preview.close_before:
        texts.insert(0, moved("当前时限", "next limit", preview.due_before, preview.due_after))
    return t("；", "; ").join(texts)
