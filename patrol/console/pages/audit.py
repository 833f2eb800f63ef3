"""Audit (审计): who looked at what, and whether the chain of lines still holds. Reads only."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForAudit
from patrol.console.pages.common import camera_name
from patrol.domain.ids import CameraId

PER_PAGE: Final = 100
DEEDS: Final = {
    "view_picture": ("查看画面", "viewed a picture"),
    "view_thumbnail": ("查看缩略图", "viewed a thumbnail"),
    "view_reference": ("查看参考画面", "viewed the reference"),
    "send_picture": ("画面发至网格", "picture sent to the ground"),
    "open_link": ("打开一次性链接", "opened a one-time link"),
    "reopen_link": ("一分钟内再次打开链接", "opened the link again within a minute"),
    "visit": ("巡查取流", "visited by the patrol"),
    "log_in": ("登录", "logged in"),
    "export_report": ("导出报表", "exported a report"),
    "add_account": ("新建账号", "added an account"),
    "change_password": ("修改密码", "changed a password"),
    "disable_account": ("停用账号", "disabled an account"),
    "enable_account": ("启用账号", "enabled an account"),
    "end_session": ("强制退出", "ended a session"),
    "add_key": ("新建接口密钥", "made an API key"),
    "revoke_key": ("撤销接口密钥", "revoked an API key"),
    "back_up": ("备份", "made a backup"),
}
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
