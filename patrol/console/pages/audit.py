"""Audit (审计): who looked at what, and whether the chain of lines still holds. Reads only."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForAudit
from patrol.console.pages.common import camera_name
from patrol.domain.ids import CameraId
from patrol.report.words import DEEDS

PER_PAGE: Final = 100
router = APIRouter()


@router.get("/audit")
def audit(  # noqa: PLR0917  a filter's fields
    desk: AtDesk, caller: ForAudit, before: int = 0, who: str = "", camera: str = "", what: str = ""
) -> Response:
    """The log, newest first, leafed through by its numbers: new lines move no page."""
    with desk.doors.store.begin_read() as uow:
        found = uow.access.entries(
            camera=CameraId(camera) if camera else None, who=who, what=what,
            before=before or None, limit=PER_PAGE + 1,
        )  # fmt: skip
    shown = found[:PER_PAGE]
    lines: list[dict[str, Any]] = [
        {
            "number": entry.number,
            "at": entry.at,
            "who": entry.who,
            "what": caller.say.pair(DEEDS.get(entry.what, (entry.what, entry.what))),
            "camera": entry.camera,
            "camera_name": camera_name(desk.doors.registry, entry.camera),
            "why": entry.why,
            "hash": entry.hash[:12],
        }
        for entry in shown
    ]
    return desk.shell.page(
        "audit.html", caller, lines=lines, who=who, camera=camera, what=what, before=before,
        older=shown[-1].number if len(found) > PER_PAGE else 0,
        deeds=[(key, caller.say.pair(pair)) for key, pair in DEEDS.items()],
    )  # fmt: skip


@router.post("/api/audit/check")
def check(desk: AtDesk, _caller: ForAudit) -> Response:
    """Follow the whole chain; the number of the first line that does not hold."""
    with desk.doors.store.begin_read() as uow:
        broken = uow.access.first_broken()
    return JSONResponse({"holds": broken is None, "first_broken": broken})
