"""Cameras (点位): the registry with health and consent; one camera's story. Never an address.

Pictures are not here: whoever keeps the registry or mends cameras has no reason to look into yards.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.console.asking import AtDesk, ForCameras
from patrol.console.gate import Caller
from patrol.console.pages.common import NotFound, grid_name, kind_words, outcome_words, village_of
from patrol.console.words import Words
from patrol.domain.account import Right
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.report.words import REFUSALS

PER_PAGE: Final = 50
HEALTH: Final = {
    "online": ("在线", "online"),
    "faulty": ("画面异常", "faulty picture"),
    "offline": ("离线", "offline"),
    "unknown": ("未巡查", "not visited yet"),
}
CONSENT: Final = {
    ConsentState.GRANTED: ("已同意", "granted"),
    ConsentState.PENDING: ("待同意", "pending"),
    ConsentState.WITHDRAWN: ("已撤回", "withdrawn"),
}
Health = Mapping[CameraId, tuple[str, datetime, str]]
router = APIRouter()


@router.get("/cameras")
def cameras(  # noqa: PLR0917  a filter's fields
    desk: AtDesk, caller: ForCameras, page: int = 1, text: str = "", village: str = "",
    health: str = "",
) -> Response:  # fmt: skip
    """The table."""
    registry, say = desk.doors.registry, caller.say
    with desk.doors.store.begin_read() as uow:
        known, withdrawn = uow.health.all(), uow.consents.withdrawn()
    fitting = [
        camera
        for camera in registry.cameras.values()
        if (not text or text.strip().lower() in f"{camera.id} {camera.name} {camera.place}".lower())
        and (not village or village_of(registry, camera.grid) == village)
        and (not health or known.get(camera.id, ("unknown",))[0] == health)
    ]
    page = max(1, page)
    shown = fitting[(page - 1) * PER_PAGE : page * PER_PAGE]
    day = caller.now.astimezone(desk.doors.facts.zone).date()
    villages = {village_of(registry, camera.grid) for camera in registry.cameras.values()}
    return desk.shell.page(
        "cameras.html", caller, text=text, village=village, health=health, page=page,
        count=len(fitting), pages=max(1, -(-len(fitting) // PER_PAGE)),
        lines=[
            {**_line(camera, registry, known, say), "withdrawn": camera.id in withdrawn,
             "refusal": _refusal(camera, day, say)}
            for camera in shown
        ],
        villages=sorted((code, grid_name(registry, GridCode(code))) for code in villages if code),
        healths=[(key, say.pair(pair)) for key, pair in HEALTH.items()],
    )  # fmt: skip


@router.get("/cameras/{ident}")
def camera(desk: AtDesk, caller: ForCameras, ident: str) -> Response:
    """One camera: what is registered, how its visits went, who looked."""
    registry, say = desk.doors.registry, caller.say
    found = registry.cameras.get(CameraId(ident))
    if found is None:
        raise NotFound(ident)
    with desk.doors.store.begin_read() as uow:
        known = uow.health.all()
        visits = uow.rounds.latest_visits(found.id, limit=30)
        looks = uow.access.entries(camera=found.id, limit=50) if _may_see_looks(caller) else ()
    return desk.shell.page(
        "camera.html", caller, camera=found, line=_line(found, registry, known, say), looks=looks,
        visits=[
            {
                "at": visit.finished_at,
                "outcome": visit.outcome.value,
                "words": outcome_words(visit.outcome, say),
                "why": " ".join(kind_words(k, say) for k in (*visit.faults, visit.failure) if k),
            }
            for visit in visits
        ],
    )  # fmt: skip


def _may_see_looks(caller: Caller) -> bool:
    return caller.may(Right.AUDIT)


def _line(camera: Camera, registry: Registry, known: Health, say: Words) -> dict[str, Any]:
    state, since, why = known.get(camera.id, ("unknown", None, ""))
    return {
        "id": camera.id,
        "name": camera.name,
        "grid": grid_name(registry, camera.grid),
        "place": camera.place,
        "link": camera.link,
        "health": state,
        "health_words": say.pair(HEALTH.get(state, (state, state))),
        "since": say.moment(since),
        "why": " ".join(kind_words(kind, say) for kind in why.split()),
        "consent": camera.consent.state.value,
        "consent_words": say.pair(CONSENT[camera.consent.state]),
        "until": f"{camera.consent.until:%Y-%m-%d}" if camera.consent.until else "—",
    }


def _refusal(camera: Camera, day: date, say: Words) -> str:
    refusal = camera.why_not(day)
    return say.pair(REFUSALS[refusal]) if refusal else ""
