"""Cameras (点位): the registry with health and consent; one camera's story. Never an address.

Whoever keeps the registry or mends cameras has no reason to look into yards: pictures are here for
those alone who say what may be seen (Right.AREAS).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.console.asking import AtDesk, ForCameras
from patrol.console.camera_doors import Reference
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import NotFound, grid_name, kind_words, outcome_words, village_of
from patrol.console.words import Words
from patrol.domain.account import Right
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.domain.round import Visit
from patrol.report.words import DEEDS, REFUSALS

PER_PAGE: Final = 50
VISITS: Final = 60  # a month of two rounds a day
LOOKS: Final = 20
STORY: Final = 12  # changes of its health
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
STATES: Final = {
    "learning": ("学习中", "being learned"),
    "ready": ("可用", "in use"),
    "suspended": ("已暂停,待重新认可", "suspended until approved again"),
}
SUSPENDED: Final = {
    "visible_area": ("可视区已改", "the visible area was changed"),
    "scene_shift": ("镜头被移动", "the camera was moved"),
}
LIGHTS: Final = {"day": ("日间", "day"), "infrared": ("红外", "infrared")}
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
    pages = max(1, -(-len(fitting) // PER_PAGE))
    page = min(max(1, page), pages)
    shown = fitting[(page - 1) * PER_PAGE : page * PER_PAGE]
    day = caller.now.astimezone(desk.doors.facts.zone).date()
    villages = {village_of(registry, camera.grid) for camera in registry.cameras.values()}
    return desk.shell.page(
        "cameras.html", caller, text=text, village=village, health=health, page=page,
        count=len(fitting), pages=pages, all=len(registry.cameras),
        may_change=caller.may(Right.REGISTRY),
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
    found = known_camera(desk, ident)
    with desk.doors.store.begin_read() as uow:
        health, withdrawn = uow.health.all(), uow.consents.withdrawn()
        visits = uow.rounds.latest_visits(found.id, limit=VISITS)
        story = uow.health.history(found.id, limit=STORY)
        looks = uow.access.entries(camera=found.id, limit=LOOKS) if caller.may(Right.AUDIT) else ()
    day = caller.now.astimezone(desk.doors.facts.zone).date()
    return desk.shell.page(
        "camera.html", caller, camera=found, line=_line(found, registry, health, say),
        looks=[(one, say.pair(DEEDS.get(one.what, (one.what, one.what)))) for one in looks],
        visits=[_visit(visit, say) for visit in visits],
        story=[
            (at, state, say.pair(HEALTH.get(state, (state, state))), _kinds(why, say))
            for state, at, why in story
        ],
        refusal=_refusal(found, day, say), withdrawn=found.id in withdrawn,
        left=(found.consent.until - day).days if found.consent.until else None,
        references=references(desk.doors.cameras.references(found), say),
        sample=_sample(caller, visits) if may_look(caller, found, withdrawn) else None,
        may_draw=caller.may(Right.AREAS),
    )  # fmt: skip


def known_camera(desk: Desk, ident: str) -> Camera:
    """As registered now. Raises NotFound."""
    found = desk.doors.registry.cameras.get(CameraId(ident))
    if found is None:
        raise NotFound(ident)
    return found


def may_look(caller: Caller, camera: Camera, withdrawn: frozenset[CameraId]) -> bool:
    """Whether stored pictures of the camera may stand on a page of the registry."""
    gone = camera.id in withdrawn or camera.consent.state is ConsentState.WITHDRAWN
    return caller.may(Right.AREAS) and not gone


def references(known: Sequence[Reference], say: Words) -> list[dict[str, Any]]:
    """What the camera is compared with, in words."""
    return [
        {
            "light": say.pair(LIGHTS.get(one.light, (one.light, one.light))),
            "name": one.light,
            "state": one.state,
            "words": say.pair(STATES[one.state]),
            "why": say.pair(SUSPENDED.get(one.why, (one.why, one.why))),
            "since": say.exactly(one.since),
            "samples": one.samples,
        }
        for one in known
    ]


def _visit(visit: Visit, say: Words) -> dict[str, Any]:
    return {
        "at": visit.finished_at,
        "outcome": visit.outcome.value,
        "words": outcome_words(visit.outcome, say),
        "why": " ".join(kind_words(kind, say) for kind in (*visit.faults, visit.failure) if kind),
    }


def _sample(caller: Caller, visits: Sequence[Visit]) -> dict[str, Any] | None:
    """The newest picture that a visit brought home; looking at it is a line in the log."""
    for visit in visits:
        for picture in visit.pictures[:1]:
            at = caller.picture(picture.sha256, "full", f"camera:{visit.camera}")
            return {"at": at, "taken_at": picture.taken_at}
    return None


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
        "why": _kinds(why, say),
        "consent": camera.consent.state.value,
        "consent_words": say.pair(CONSENT[camera.consent.state]),
        "until": f"{camera.consent.until:%Y-%m-%d}" if camera.consent.until else "—",
    }


def _kinds(why: str, say: Words) -> str:
    return " ".join(kind_words(kind, say) for kind in why.split())


def _refusal(camera: Camera, day: date, say: Words) -> str:
    refusal = camera.why_not(day)
    return say.pair(REFUSALS[refusal]) if refusal else ""
