"""The maintenance queue (运维队列): cameras, links and villages in trouble, and who sees to it.

A queue of its own: its audience is the maintainer, and no finding about a yard stands in it.
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForTroubles
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import LAMPS, camera_name, grid_name, paged, person_name, said
from patrol.console.pages.stoppages import subject_name
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.levels import Lamp
from patrol.domain.trouble import Trouble, TroubleKind

PER_PAGE: Final = 50
MOST: Final = 2000
STATES: Final = {
    "offline": ("离线", "offline"),
    "faulty": ("画面异常", "faulty"),
    "down": ("整体中断", "down"),
}
ORDER: Final = {Lamp.RED: 0, Lamp.YELLOW: 1, Lamp.GREEN: 2}
router = APIRouter()


@router.get("/troubles")
def troubles(desk: AtDesk, caller: ForTroubles, page: int = 1, which: str = "") -> Response:
    """What stands, the most pressing first; or what is over, the newest first."""
    with desk.doors.store.begin_read() as uow:
        standing = uow.troubles.standing()
        over = [one for one in uow.troubles.list(limit=MOST) if one.closed_at is not None]
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    waiting = sorted(standing, key=lambda one: (ORDER[one.light(caller.now)], one.due_at))
    found = over if which == "over" else waiting
    shown, pager = paged(found, page, PER_PAGE)
    return desk.shell.page(
        "troubles.html", caller, which=which, standing=len(standing), over=len(over),
        upstream=sum(one.kind is not TroubleKind.CAMERA for one in standing),
        lines=[_line(one, desk, caller, names) for one in shown],
        **pager,
    )  # fmt: skip


@router.post("/api/troubles/{number}/take")
def take(desk: AtDesk, caller: ForTroubles, number: int) -> Response:
    """See to it; the second who would is told who was first."""
    with said(), desk.doors.store.begin() as uow:
        found = uow.troubles.get(number).take(by=caller.account.name, now=caller.now)
        uow.troubles.put(found)
        uow.commit()
    return JSONResponse({"taken": number})


def _line(one: Trouble, desk: Desk, caller: Caller, names: dict[str, str]) -> dict[str, Any]:
    say, registry = caller.say, desk.doors.registry
    lamp = one.light(caller.now)
    camera = registry.cameras.get(CameraId(one.subject))
    return {
        "number": one.number,
        "what": subject_name(one.kind, one.subject, registry, say),
        "upstream": one.kind is not TroubleKind.CAMERA,
        "where": grid_name(registry, camera.grid) if camera else _village(one, desk),
        "state": say.pair(STATES.get(one.state, (one.state, one.state))),
        "why": one.why,
        "cameras": len(one.cameras),
        "named": [camera_name(registry, ident) for ident in one.cameras[:5]],
        "since": say.moment(one.since),
        "lasted": say.lasting((one.closed_at or caller.now) - one.since),
        "lamp": lamp.value,
        "lamp_words": say.pair(LAMPS[lamp]),
        "left": say.left(one.due_at, caller.now),
        "taken": person_name(registry, one.taken_by, names) if one.taken_by else "",
        "taken_at": say.moment(one.taken_at),
        "closed": f"{say.moment(one.closed_at)} {one.closed_why}" if one.closed_at else "",
    }


def _village(one: Trouble, desk: Desk) -> str:
    if one.kind is TroubleKind.VILLAGE:
        return grid_name(desk.doors.registry, GridCode(one.subject))
    return ""
