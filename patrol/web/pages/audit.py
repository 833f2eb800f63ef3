"""The audit page (审计): the access log, and a check of its hash chain."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.domain.access_labels import ACCESS_ACTIONS
from patrol.domain.ids import CameraId
from patrol.web.context import (
    ContextDep,
    MayAudit,
)
from patrol.web.i18n import camera_name, stored_texts

AUDIT_PER_PAGE: Final = 100
router = APIRouter()


@router.get("/audit")
def audit_page(  # noqa: PLR0917  a filter's fields
    context: ContextDep,
    user: MayAudit,
    before: int = 0,
    who: str = "",
    camera: str = "",
    what: str = "",
) -> Response:
    """The access log, newest first, paged by entry number, so that new entries shift no page."""
    with context.app.store.begin_read() as uow:
        found = uow.access.entries(
            camera=CameraId(camera) if camera else None, who=who, what=what,
            before=before or None, limit=AUDIT_PER_PAGE + 1,
        )  # fmt: skip
    shown = found[:AUDIT_PER_PAGE]
    read = stored_texts(context.app.registry, user.t)
    lines: list[dict[str, Any]] = [
        {
            "number": entry.number,
            "at": entry.at,
            "who": entry.who,
            "what": user.t.pair(ACCESS_ACTIONS.get(entry.what, (entry.what, entry.what))),
            "camera": entry.camera,
            "camera_name": camera_name(context.app.registry, entry.camera),
            "why": read(entry.why),
            "hash": entry.hash[:12],
        }
        for entry in shown
    ]
    return context.renderer.render_page(
        "audit.html", user, lines=lines, who=who, camera=camera, what=what, before=before,
        older=shown[-1].number if len(found) > AUDIT_PER_PAGE else 0,
        actions=[(key, user.t.pair(pair)) for key, pair in ACCESS_ACTIONS.items()],
    )  # fmt: skip


@router.post("/api/audit/check")
def check_audit_chain(context: ContextDep, _user: MayAudit) -> Response:
    """Check the whole hash chain; the number of the first entry that does not fit."""
    with context.app.store.begin_read() as uow:
        broken = uow.access.first_broken()
    return JSONResponse({"holds": broken is None, "first_broken": broken})
