"""What may be seen of a camera's picture and where to look: drawn on the picture; its reference.

Only whoever may say so (Right.AREAS) sees the picture here, and each look is a line in the log. The
areas themselves live in zones.yaml; its own reader judges what was drawn.
"""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from patrol.app.camera_types import ActionRefused
from patrol.domain.category import CATEGORY_BY_ID
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.labels import LIGHTS
from patrol.web.context import ContextDep, MayDrawAreas
from patrol.web.pages.cameras import (
    json_or_reason,
    may_see_pictures,
    reference_rows,
    refusal_text,
    registered_camera,
)

CLASSES: Final = (
    ("person", "人"), ("car", "轿车"), ("truck", "货车"), ("bus", "客车"), ("motorcycle", "摩托车"),
    ("bicycle", "自行车"), ("train", "火车"), ("sheep", "羊"), ("cow", "牛"), ("horse", "马"),
    ("dog", "狗"),
)  # fmt: skip
router = APIRouter()


class AreasForm(BaseModel):
    """What the editor sends."""

    model_config = ConfigDict(extra="forbid")

    areas: dict[str, Any]
    mark: str = Field(max_length=64)
    why: str = Field(min_length=2, max_length=200)


class ReferenceApprovalForm(BaseModel):
    """Which picture somebody looked at and means."""

    model_config = ConfigDict(extra="forbid")

    picture: str = Field(pattern=r"^[0-9a-f]{64}$")


@router.get("/cameras/{ident}/areas")
def areas_editor(context: ContextDep, user: MayDrawAreas, ident: str) -> Response:
    """The editor on the camera's newest picture."""
    camera, t, deps = registered_camera(context, ident), user.t, context.deps.cameras
    trouble, drawn = "", None
    try:
        drawn = deps.drawn_areas(camera.id)
    except ActionRefused as exc:
        trouble = refusal_text(str(exc), t)
    with context.deps.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
        visits = uow.rounds.latest_visits(camera.id, limit=30)
    looked = may_see_pictures(user, camera, withdrawn)
    newest = next((p for v in visits if v.usable_pictures for p in v.pictures[:1]), None)
    viewed_for = f"camera:{camera.id}"
    return context.renderer.render_page(
        "areas.html", user, camera=camera, drawn=drawn, trouble=trouble,
        picture=user.picture_url(newest.sha256, "full", viewed_for) if newest and looked else "",
        taken_at=newest.taken_at if newest else None,
        size=(newest.width_px, newest.height_px) if newest else (16, 9),
        classes=[(name, t(zh, name)) for name, zh in CLASSES],
        kinds=[(kind.id, t(kind.zh, kind.en)) for kind in CATEGORY_BY_ID.values()],
        references=reference_rows(deps.references(camera), t),
    )  # fmt: skip


@router.put("/api/cameras/{ident}/areas")
def save_areas(
    context: ContextDep, user: MayDrawAreas, ident: str, form: AreasForm
) -> JSONResponse:
    """Save; from the next visit on it counts."""
    camera, deps = registered_camera(context, ident), context.deps.cameras

    def save() -> dict[str, Any]:
        drawn = deps.save_areas(
            camera.id, form.areas, version=form.mark, by=user.account.name, why=form.why
        )
        return {"areas": drawn.areas, "mark": drawn.version}

    return json_or_reason(save, user.t)


@router.get("/cameras/{ident}/reference")
def reference_page(context: ContextDep, user: MayDrawAreas, ident: str) -> Response:
    """What the camera is compared with, beside what would take its place."""
    camera, t, deps = registered_camera(context, ident), user.t, context.deps.cameras
    with context.deps.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
    looked = may_see_pictures(user, camera, withdrawn)
    found = deps.reference_candidate(camera) if looked else None
    viewed_for = f"camera:{camera.id}"
    known = reference_rows(deps.references(camera), t)
    for one in known:
        name = f"reference.{one['name']}.{camera.id}"
        one["picture"] = user.picture_url(name, "full", viewed_for) if looked else ""
    return context.renderer.render_page(
        "reference.html",
        user,
        camera=camera,
        references=known,
        candidate=found,
        may_see_pictures=looked,
        picture=user.picture_url(found.picture, "full", viewed_for) if found else "",
        light=t.pair(LIGHTS[found.light]) if found else "",
    )


@router.post("/api/cameras/{ident}/reference")
def approve_reference(
    context: ContextDep, user: MayDrawAreas, ident: str, form: ReferenceApprovalForm
) -> JSONResponse:
    """So it looks from now on."""
    camera = registered_camera(context, ident)

    def accept() -> dict[str, Any]:
        picture = Sha256(form.picture)
        context.deps.cameras.accept_reference(CameraId(camera.id), picture, by=user.account.name)
        return {"accepted": picture}

    return json_or_reason(accept, user.t)
