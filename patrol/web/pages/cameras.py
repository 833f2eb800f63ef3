"""Cameras (点位): the registry with health and consent, cameras.csv out and in, one camera's pages.

One camera has a page of its own, the editor of its areas (visible, ignored, zones), and the
acceptance of its reference. Areas are saved into zones.yaml by patrol.administration; the settings'
reader checks what was drawn. No page shows a stream's address. Pictures are here only for users who
decide what may be seen of a camera (Permission.AREAS), and each fetch is logged: a maintainer or an
administrator has no reason to look into yards.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, File, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from patrol.administration.camera_table import CameraChange, ImportPlan
from patrol.administration.registry_files import ChangedMeanwhile, RegistryEditRefused
from patrol.administration.work_queue import TABLE_IMPORTS
from patrol.domain import labels
from patrol.domain.access_labels import ACCESS_ACTIONS
from patrol.domain.account import Permission
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import CameraId, GridCode, PictureId
from patrol.domain.labels import LIGHTS
from patrol.domain.round import Visit
from patrol.review.reference import (
    ReferenceNotAccepted,
    camera_references,
    reference_candidates,
)
from patrol.settings import ConfigProblems
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    MayChangeRegistry,
    MayDrawAreas,
    MayViewCameras,
    WebContext,
)
from patrol.web.errors import NO_STORE, ResourceNotFound, error_document
from patrol.web.i18n import (
    Translator,
    grid_name,
    kind_label,
    paginate,
    stored_texts,
    village_of,
)
from patrol.web.pages.camera_filter import CameraFilter
from patrol.web.pages.camera_rows import (
    camera_row,
    kind_labels,
    reference_rows,
    refusal_label,
    visit_row,
)
from patrol.web.request_limits import read_upload

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_CHANGES_SHOWN: Final = 500  # changes of one kind on the page; more are counted
Upload = Annotated[UploadFile, File()]
CAMERAS_PER_PAGE: Final = 50
VISITS_SHOWN: Final = 60  # a month of two rounds a day
ACCESSES_SHOWN: Final = 20
HEALTH_CHANGES_SHOWN: Final = 12  # changes of its health
router = APIRouter()


def listed_problems(exc: ConfigProblems, t: Translator) -> list[dict[str, object]]:
    """The problems of a file as the page lists them: `file`, `line`, `field`, and the text."""
    return [{**problem.as_json(), "text": t.problem(problem.text)} for problem in exc.problems]


def json_or_reason(action: Callable[[], Any], t: Translator) -> JSONResponse:
    """What `action` returns, as JSON; or an error document that says why it was refused."""
    try:
        answer = action()
    except ConfigProblems as exc:
        listed = listed_problems(exc, t)
        zh = f"有 {exc.count} 处问题，未作任何更改"
        en = f"{exc.count} problems; nothing was changed"
        if len(listed) < exc.count:
            zh, en = f"{zh}；列出前 {len(listed)} 处", f"{en}; the first {len(listed)} are listed"
        message = t(zh, en)
        return error_document(422, message, problems=listed, count=exc.count)
    except ChangedMeanwhile:
        message = t("其间有人改过，请刷新后再试", "somebody else changed it: load it again")
        return error_document(409, message)
    except RegistryEditRefused as exc:
        return error_document(409, refusal_text(str(exc), t))
    return JSONResponse(answer, headers=NO_STORE)


def refusal_text(code: str, t: Translator) -> str:
    """The sentence for a refusal, a stream failure or a picture fault; another text as it is."""
    for known in (labels.ACTION_REFUSALS, labels.REFUSALS, labels.FAILURES):
        if code in known:
            return t.pair(known[code])
    return kind_label(code, t) if code in labels.PICTURE_FAULTS else t.problem(code)


@router.get("/cameras.csv")
def export_cameras_csv(context: ContextDep, user: MayChangeRegistry) -> Response:
    """cameras.csv with masked passwords; a `${NAME}` in an address stays."""
    export = context.app.camera_table.export_csv
    return _exported(context, user, export, ".csv", "text/csv; charset=utf-8")


@router.get("/cameras.xlsx")
def export_cameras_xlsx(context: ContextDep, user: MayChangeRegistry) -> Response:
    """The same table as a workbook whose cells are text: Excel rounds no id."""
    return _exported(context, user, context.app.camera_table.export_xlsx, ".xlsx", XLSX_TYPE)


def _exported(
    context: WebContext, user: CurrentUser, export: Callable[..., bytes], suffix: str, kind: str
) -> Response:
    try:
        data = export(by=user.account.name)
    except ConfigProblems as exc:
        raise HTTPException(409, str(exc)) from exc
    except ModuleNotFoundError as exc:
        raise HTTPException(501, "xlsxwriter is missing, pip install 'patrol[reports]'") from exc
    day = user.now.astimezone(context.site.tz)
    name = f"cameras-{context.site.id}-{day:%Y%m%d-%H%M}{suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
    return Response(data, media_type=kind, headers=headers)


@router.get("/camera-import")
def camera_import_page(context: ContextDep, user: MayChangeRegistry) -> Response:
    """The page on which a file is chosen."""
    writable = context.app.registry_watcher.folder is not None
    return context.renderer.render_page("camera_import.html", user, writable=writable)


@router.post("/api/cameras/import/check")
def check_import(context: ContextDep, user: MayChangeRegistry, file: Upload) -> JSONResponse:
    """Compare the uploaded file with the registry: its changes, or every problem in it."""

    def compare() -> dict[str, Any]:
        plan = context.app.camera_table.plan_import(read_upload(file))
        return _plan_document(plan, user.t)

    with TABLE_IMPORTS:
        return json_or_reason(compare, user.t)


@router.post("/api/cameras/import")
def apply_import(
    context: ContextDep, user: MayChangeRegistry, file: Upload,
    mark: Annotated[str, Form(max_length=64)],
    why: Annotated[str, Form(min_length=2, max_length=200)],
) -> JSONResponse:  # fmt: skip
    """Import the file whose comparison has the version `mark`."""
    by = user.account.name

    def apply() -> dict[str, Any]:
        data = read_upload(file)
        plan = context.app.camera_table.apply_import(data, version=mark, by=by, why=why)
        return _plan_document(plan, user.t)

    with TABLE_IMPORTS:
        return json_or_reason(apply, user.t)


def _plan_document(plan: ImportPlan, t: Translator) -> dict[str, Any]:
    return {
        "mark": plan.version,
        "unchanged": plan.unchanged,
        "notices": [
            {"line": one.line, "field": one.field, "text": t.problem(one.text)}
            for one in plan.notices[:MAX_CHANGES_SHOWN]
        ],
        "counts": {kind: len(plan.of_kind(kind)) for kind in ("added", "changed", "retired")},
        "changes": [
            _change_document(change)
            for kind in ("retired", "added", "changed")
            for change in plan.of_kind(kind)[:MAX_CHANGES_SHOWN]
        ],
    }


def _change_document(change: CameraChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "camera": change.camera,
        "name": change.name,
        "cells": [
            {"column": column, "before": before, "after": after}
            for column, before, after in change.cells
        ],
    }


@router.get("/cameras")
def cameras_page(
    context: ContextDep, user: MayViewCameras, asked: Annotated[CameraFilter, Depends()],
    page: int = 1,
) -> Response:  # fmt: skip
    """The table of cameras, filtered by text, village, health, link and grid."""
    registry, t = context.app.registry, user.t
    with context.app.store.begin_read() as uow:
        known, withdrawn = uow.health.all(), uow.consents.withdrawn()
    states = {ident: state for ident, (state, *_) in known.items()}
    fitting = [one for one in registry.cameras.values() if asked.fits(one, registry, states)]
    shown, pager = paginate(fitting, page, CAMERAS_PER_PAGE)
    day = user.now.astimezone(context.site.tz).date()
    villages = {village_of(registry, camera.grid) for camera in registry.cameras.values()}
    return context.renderer.render_page(
        "cameras.html", user, asked=asked, scope=asked.scope_label(registry, t), **pager,
        count=len(fitting), all=len(registry.cameras),
        may_change=user.has_permission(Permission.REGISTRY),
        lines=[
            {**camera_row(camera, registry, known, t), "withdrawn": camera.id in withdrawn,
             "refusal": refusal_label(camera, day, t)}
            for camera in shown
        ],
        villages=sorted((code, grid_name(registry, GridCode(code))) for code in villages if code),
        healths=[(key, t.pair(pair)) for key, pair in labels.CAMERA_CONDITIONS.items()],
    )  # fmt: skip


@router.get("/cameras/{ident}")
def camera_page(context: ContextDep, user: MayViewCameras, ident: str) -> Response:
    """One camera: its registration, its visits and health, and for auditors who looked."""
    registry, t = context.app.registry, user.t
    found = registered_camera(context, ident)
    with context.app.store.begin_read() as uow:
        health, withdrawn = uow.health.all(), uow.consents.withdrawn()
        terms = uow.consents.of_camera(found.id, user.now)
        visits = uow.rounds.latest_visits(found.id, limit=VISITS_SHOWN)
        health_changes = uow.health.history(found.id, limit=HEALTH_CHANGES_SHOWN)
        references = camera_references(uow, found)
        accesses = (
            uow.access.entries(camera=found.id, limit=ACCESSES_SHOWN)
            if user.has_permission(Permission.AUDIT)
            else ()
        )
    day, read = user.now.astimezone(context.site.tz).date(), stored_texts(registry, t)
    return context.renderer.render_page(
        "camera.html",
        user,
        camera=found,
        line=camera_row(found, registry, health, t),
        accesses=[
            (one, t.pair(labels.label_of(ACCESS_ACTIONS, one.what)), read(one.why))
            for one in accesses
        ],
        visits=[visit_row(visit, t) for visit in visits],
        health_changes=[
            (
                at,
                state,
                t.pair(labels.label_of(labels.CAMERA_CONDITIONS, state)),
                kind_labels(why, t),
            )
            for state, at, why in health_changes
        ],
        refusal=refusal_label(found, day, t),
        withdrawn=found.id in withdrawn,
        terms=terms,
        left=(found.consent.until - day).days if found.consent.until else None,
        references=reference_rows(references, t),
        sample=_newest_picture(user, visits) if may_see_pictures(user, found, withdrawn) else None,
        may_draw=user.has_permission(Permission.AREAS),
    )


def registered_camera(context: WebContext, ident: str) -> Camera:
    """The camera as it is registered now. Raises ResourceNotFound."""
    found = context.app.registry.cameras.get(CameraId(ident))
    if found is None:
        raise ResourceNotFound(ident)
    return found


def may_see_pictures(user: CurrentUser, camera: Camera, withdrawn: frozenset[CameraId]) -> bool:
    """Whether this user may see stored pictures of the camera on pages of the registry."""
    gone = camera.id in withdrawn or camera.consent.state is ConsentState.WITHDRAWN
    return user.has_permission(Permission.AREAS) and not gone


def _newest_picture(user: CurrentUser, visits: Sequence[Visit]) -> dict[str, Any] | None:
    """The newest picture of the visits; fetching it writes an access log entry."""
    for visit in visits:
        for picture in visit.pictures[:1]:
            at = user.picture_url(picture.id, "full", f"camera:{visit.camera}")
            return {"at": at, "taken_at": picture.taken_at}
    return None


CLASSES: Final = (
    ("person", "人"), ("car", "轿车"), ("truck", "货车"), ("bus", "客车"), ("motorcycle", "摩托车"),
    ("bicycle", "自行车"), ("train", "火车"), ("sheep", "羊"), ("cow", "牛"), ("horse", "马"),
    ("dog", "狗"),
)  # fmt: skip


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
        picture=user.picture_url(newest.id, "full", viewed_for) if newest and may_look else "",
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
        picture=user.picture_url(candidate.id, "full", viewed_for) if candidate else "",
        light=t.pair(LIGHTS[light]) if light else "",
    )


@router.post("/api/cameras/{ident}/reference")
def approve_reference(
    context: ContextDep, user: MayDrawAreas, ident: str, form: ReferenceApprovalForm
) -> JSONResponse:
    """Make the picture the camera's reference, when it is still the newest."""
    camera = registered_camera(context, ident)

    def accept() -> dict[str, Any]:
        picture = PictureId(form.picture)
        try:
            context.app.accept_reference(camera.id, by=user.account.name, picture=picture)
        except ReferenceNotAccepted as exc:
            raise RegistryEditRefused(exc.code) from exc
        return {"accepted": picture}

    return json_or_reason(accept, user.t)
