"""Audit (审计): who looked at what, and whether the chain of lines still holds. Reads only."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForAudit
from patrol.console.pages.common import camera_name
from patrol.domain.ids import CameraId

PER_PAGE: Final = 100
DEEPEST: Final = 100  # pages; older lines are for an export, not for leafing
DEEDS: Final = {
    "view_picture": ("查看画面", "viewed a picture"),
    "view_thumbnail": ("查看缩略图", "viewed a thumbnail"),
    "view_reference": ("查看参考画面", "viewed the reference"),
    "send_picture": ("画面发至网格", "picture sent to the ground"),
    "visit": ("巡查取流", "visited by the patrol"),
    "log_in": ("登录", "logged in"),
    "export_report": ("导出报表", "exported a report"),
    "add_account": ("新建账号", "added an account"),
    "change_password": ("修改密码", "changed a password"),
    "disable_account": ("停用账号", "disabled an account"),
    "enable_account": ("启用账号", "enabled an account"),
}
router = APIRouter()


@router.get("/audit")
def audit(  # noqa: PLR0917  a filter's fields
    desk: AtDesk, caller: ForAudit, page: int = 1, who: str = "", camera: str = "", what: str = ""
) -> Response:
    """The log, newest first."""
    page = min(max(1, page), DEEPEST)
    with desk.doors.store.begin_read() as uow:
        entries = uow.access.entries(
            camera=CameraId(camera) if camera else None, limit=PER_PAGE * DEEPEST
        )
    fitting = [e for e in entries if (not who or e.who == who) and (not what or e.what == what)]
    shown = fitting[(page - 1) * PER_PAGE : page * PER_PAGE]
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
        "audit.html", caller, lines=lines, page=page, who=who, camera=camera, what=what,
        deeds=[(key, caller.say.pair(pair)) for key, pair in DEEDS.items()],
        pages=max(1, -(-len(fitting) // PER_PAGE)),
    )  # fmt: skip


@router.post("/api/audit/check")
def check(desk: AtDesk, _caller: ForAudit) -> Response:
    """Follow the whole chain; the number of the first line that does not hold."""
    with desk.doors.store.begin_read() as uow:
        broken = uow.access.first_broken()
    return JSONResponse({"holds": broken is None, "first_broken": broken})
