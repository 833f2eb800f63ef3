"""The editor of a camera's areas (visible, ignored, zones), and the acceptance of its reference.

Only users with Right.AREAS see the camera's picture here, and each fetch is logged. The areas are
saved into zones.yaml by patrol.administration; the settings' reader checks what was drawn.
"""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from patrol.administration.registry_files import RegistryEditRefused
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import Sha256
from patrol.domain.labels import LIGHTS
from patrol.review.reference import (
    ReferenceNotAccepted,
    camera_references,
    reference_candidates,
)
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
    """The areas that were drawn, the version they change (`mark`), and the reason."""

    model_config = ConfigDict(extra="forbid")

    areas: dict[str, Any]
    mark: str = Field(max_length=64)
    why: str = Field(min_length=2, max_length=200)


class ReferenceApprovalForm(BaseModel):
    """The picture that the user looked at and accepts."""

    model_config = ConfigDict(extra="forbid")

    picture: str = Field(pattern=r"^[0-9a-f]{64}$")


@router.get("/cameras/{ident}/areas")
def areas_editor(context: ContextDep, user: MayDrawAreas, ident: str) -> Response:
    """The editor on the camera's newest picture."""
    camera, t = registered_camera(context, ident), user.t
    problem, drawn = "", None
    try:
        drawn = context.app.area_editor.load(camera.id)
    except RegistryEditRefused as exc:
        problem = refusal_text(str(exc), t)
    with context.app.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
        visits = uow.rounds.latest_visits(camera.id, limit=30)
        references = camera_references(uow, camera)
    may_look = may_see_pictures(user, camera, withdrawn)
    newest = next((p for v in visits if v.usable_pictures for p in v.pictures[:1]), None)
    viewed_for = f"camera:{camera.id}"
    return context.renderer.render_page(
        "areas.html", user, camera=camera, drawn=drawn, problem=problem,
        picture=user.picture_url(newest.sha256, "full", viewed_for) if newest and may_look else "",
        taken_at=newest.taken_at if newest else None,
        size=(newest.width_px, newest.height_px) if newest else (16, 9),
        classes=[(name, t(zh, name)) for name, zh in CLASSES],
        kinds=[(kind.id, t(kind.zh, kind.en)) for kind in CATEGORY_BY_ID.values()],
        references=reference_rows(references, t),
    )  # fmt: skip


@router.put("/api/cameras/{ident}/areas")
def save_areas(
    context: ContextDep, user: MayDrawAreas, ident: str, form: AreasForm
) -> JSONResponse:
    """Save the drawn areas into zones.yaml; the next visit uses them."""
    camera = registered_camera(context, ident)

    def save() -> dict[str, Any]:
        drawn = context.app.area_editor.save(
            camera.id, form.areas, version=form.mark, by=user.account.name, why=form.why
        )
        return {"areas": drawn.areas, "mark": drawn.version}

    return json_or_reason(save, user.t)


@router.get("/cameras/{ident}/reference")
def reference_page(context: ContextDep, user: MayDrawAreas, ident: str) -> Response:
    """The references of the camera, beside the picture that would replace one."""
    camera, t = registered_camera(context, ident), user.t
    with context.app.store.begin_read() as uow:
        may_look = may_see_pictures(user, camera, uow.consents.withdrawn())
        light, candidate = next(reference_candidates(uow, camera), (None, None))
        references = reference_rows(camera_references(uow, camera), t)
    if not may_look:
        light, candidate = None, None
    viewed_for = f"camera:{camera.id}"
    for row in references:
        name = f"reference.{row['name']}.{camera.id}"
        row["picture"] = user.picture_url(name, "full", viewed_for) if may_look else ""
    return context.renderer.render_page(
        "reference.html",
        user,
        camera=camera,
        references=references,
        candidate=candidate,
        may_see_pictures=may_look,
        picture=user.picture_url(candidate.sha256, "full", viewed_for) if candidate else "",
        light=t.pair(LIGHTS[light]) if light else "",
    )


@router.post("/api/cameras/{ident}/reference")
def approve_reference(
    context: ContextDep, user: MayDrawAreas, ident: str, form: ReferenceApprovalForm
) -> JSONResponse:
    """Make the picture the camera's reference, when it is still the newest."""
    camera = registered_camera(context, ident)

    def accept() -> dict[str, Any]:
        picture = Sha256(form.picture)
        try:
            context.app.accept_reference(camera.id, by=user.account.name, picture=picture)
        except ReferenceNotAccepted as exc:
            raise RegistryEditRefused(exc.code) from exc
        return {"accepted": picture}

    return json_or_reason(accept, user.t)
