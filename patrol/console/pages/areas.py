"""What may be seen of a camera's picture and where to look: drawn on the picture; its reference.

Only whoever may say so (Right.AREAS) sees the picture here, and each look is a line in the log. The
areas themselves live in zones.yaml; its own reader judges what was drawn.
"""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForAreas
from patrol.console.camera_doors import CannotDo
from patrol.console.pages.answers import told, why_not
from patrol.console.pages.cameras import LIGHTS, known_camera, may_look, references
from patrol.domain.category import BY_ID
from patrol.domain.ids import CameraId, Sha256

CLASSES: Final = (
    ("person", "人"), ("car", "轿车"), ("truck", "货车"), ("bus", "客车"), ("motorcycle", "摩托车"),
    ("bicycle", "自行车"), ("train", "火车"), ("sheep", "羊"), ("cow", "牛"), ("horse", "马"),
    ("dog", "狗"),
)  # fmt: skip
router = APIRouter()


class Drawing(BaseModel):
    """What the editor sends."""

    model_config = ConfigDict(extra="forbid")

    areas: dict[str, Any]
    mark: str = Field(max_length=64)
    why: str = Field(min_length=2, max_length=200)


class Approval(BaseModel):
    """Which picture somebody looked at and means."""

    model_config = ConfigDict(extra="forbid")

    picture: str = Field(pattern=r"^[0-9a-f]{64}$")


@router.get("/cameras/{ident}/areas")
def editor(desk: AtDesk, caller: ForAreas, ident: str) -> Response:
    """The editor on the camera's newest picture."""
    camera, say, doors = known_camera(desk, ident), caller.say, desk.doors.cameras
    trouble, drawn = "", None
    try:
        drawn = doors.drawn(camera.id)
    except CannotDo as exc:
        trouble = why_not(str(exc), say)
    with desk.doors.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
        visits = uow.rounds.latest_visits(camera.id, limit=30)
    looked = may_look(caller, camera, withdrawn)
    newest = next((p for v in visits if v.usable_pictures for p in v.pictures[:1]), None)
    context = f"camera:{camera.id}"
    return desk.shell.page(
        "areas.html", caller, camera=camera, drawn=drawn, trouble=trouble,
        picture=caller.picture(newest.sha256, "full", context) if newest and looked else "",
        taken_at=newest.taken_at if newest else None,
        size=(newest.width_px, newest.height_px) if newest else (16, 9),
        classes=[(name, say(zh, name)) for name, zh in CLASSES],
        kinds=[(kind.id, say(kind.zh, kind.en)) for kind in BY_ID.values()],
        references=references(doors.references(camera), say),
    )  # fmt: skip


@router.put("/api/cameras/{ident}/areas")
def draw(desk: AtDesk, caller: ForAreas, ident: str, drawing: Drawing) -> JSONResponse:
    """Save; from the next visit on it counts."""
    camera, doors = known_camera(desk, ident), desk.doors.cameras

    def save() -> dict[str, Any]:
        drawn = doors.draw(
            camera.id, drawing.areas, mark=drawing.mark, by=caller.account.name, why=drawing.why
        )
        return {"areas": drawn.areas, "mark": drawn.mark}

    return told(save, caller.say)


@router.get("/cameras/{ident}/reference")
def reference(desk: AtDesk, caller: ForAreas, ident: str) -> Response:
    """What the camera is compared with, beside what would take its place."""
    camera, say, doors = known_camera(desk, ident), caller.say, desk.doors.cameras
    with desk.doors.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
    looked = may_look(caller, camera, withdrawn)
    found = doors.candidate(camera) if looked else None
    context = f"camera:{camera.id}"
    known = references(doors.references(camera), say)
    for one in known:
        name = f"reference.{one['name']}.{camera.id}"
        one["picture"] = caller.picture(name, "full", context) if looked else ""
    return desk.shell.page(
        "reference.html", caller, camera=camera, references=known, candidate=found, looked=looked,
        picture=caller.picture(found.picture, "full", context) if found else "",
        light=say.pair(LIGHTS[found.light]) if found else "",
    )  # fmt: skip


@router.post("/api/cameras/{ident}/reference")
def approve(desk: AtDesk, caller: ForAreas, ident: str, approval: Approval) -> JSONResponse:
    """So it looks from now on."""
    camera = known_camera(desk, ident)

    def accept() -> dict[str, Any]:
        picture = Sha256(approval.picture)
        desk.doors.cameras.accept(CameraId(camera.id), picture, by=caller.account.name)
        return {"accepted": picture}

    return told(accept, caller.say)
