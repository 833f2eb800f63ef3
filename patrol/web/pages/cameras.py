"""What the pages of cameras answer a script when something cannot be done: words, and the list.

cameras.csv: taken along as a file for Excel, brought back, compared, and then taken over.

Cameras (点位): the registry with health and consent; one camera's story. Never an address.

Whoever keeps the registry or mends cameras has no reason to look into yards: pictures are here for
those alone who say what may be seen (Right.AREAS).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from patrol.app.camera_types import (
    ActionRefused,
    CameraChange,
    CameraReference,
    ChangedMeanwhile,
    ImportPlan,
    RegistryRejected,
)
from patrol.domain import labels
from patrol.domain.account import Right
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.domain.round import Visit
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayChangeRegistry, MayViewCameras, WebContext
from patrol.web.i18n import (
    PageNotFound,
    Translator,
    grid_name,
    kind_label,
    outcome_label,
    village_of,
)

NO_STORE = {"Cache-Control": "no-store"}


def json_or_reason(action: Callable[[], Any], t: Translator) -> JSONResponse:
    """What `do` answers, as JSON; or why not."""
    try:
        answer = action()
    except RegistryRejected as exc:
        listed = [
            {"file": one.file, "line": one.line, "field": one.field, "text": one.text}
            for one in exc.problems
        ]
        message = t(
            f"有 {len(listed)} 处问题,未作任何更改", f"{len(listed)} problems; nothing was changed"
        )
        return JSONResponse({"error": 422, "words": message, "problems": listed}, 422, NO_STORE)
    except ChangedMeanwhile:
        message = t(
            "其间有人改过,请刷新后再试", "somebody else changed it meanwhile; load it again"
        )
        return JSONResponse({"error": 409, "words": message}, 409, NO_STORE)
    except ActionRefused as exc:
        return JSONResponse({"error": 409, "words": refusal_text(str(exc), t)}, 409, NO_STORE)
    return JSONResponse(answer, headers=NO_STORE)


def refusal_text(code: str, t: Translator) -> str:
    """A refusal, a failure of the stream, or the words as they came."""
    for known in (labels.ACTION_REFUSALS, labels.REFUSALS, labels.FAILURES):
        if code in known:
            return t.pair(known[code])
    return kind_label(code, t) if code in labels.PICTURE_FAULTS else code


MAX_CSV_BYTES: Final = 8 * 1024 * 1024  # ten thousand cameras are two
MAX_CHANGES_SHOWN: Final = 500  # changes of one kind on the page; more are counted
router = APIRouter()
Upload = Annotated[UploadFile, File()]


@router.get("/cameras.csv")
def export_cameras_csv(context: ContextDep, user: MayChangeRegistry) -> Response:
    """The registry as contracts describe it; passwords masked, `${NAME}` as it is."""
    try:
        data = context.deps.cameras.export_csv(by=user.account.name)
    except RegistryRejected as exc:
        raise HTTPException(409, str(exc)) from exc
    day = user.now.astimezone(context.deps.site_profile.zone)
    name = f"cameras-{context.deps.site_profile.id}-{day:%Y%m%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/camera-import")
def camera_import_page(context: ContextDep, user: MayChangeRegistry) -> Response:
    """Where a file is chosen."""
    writable = context.deps.cameras.writable
    return context.renderer.render_page("camera_import.html", user, writable=writable)


@router.post("/api/cameras/import/check")
def check_import(context: ContextDep, user: MayChangeRegistry, file: Upload) -> JSONResponse:
    """What the file would change, or everything that is wrong with it."""
    data = _read_upload(file)
    return json_or_reason(lambda: _plan_document(context.deps.cameras.plan_import(data)), user.t)


@router.post("/api/cameras/import")
def apply_import(
    context: ContextDep, user: MayChangeRegistry, file: Upload,
    mark: Annotated[str, Form(max_length=64)],
    why: Annotated[str, Form(min_length=2, max_length=200)],
) -> JSONResponse:  # fmt: skip
    """Take over what was compared under `mark`."""
    data, by = _read_upload(file), user.account.name

    def apply() -> dict[str, Any]:
        return _plan_document(context.deps.cameras.import_csv(data, version=mark, by=by, why=why))

    return json_or_reason(apply, user.t)


def _read_upload(file: UploadFile) -> bytes:
    data = file.file.read(MAX_CSV_BYTES + 1)
    if len(data) > MAX_CSV_BYTES:
        raise HTTPException(413, "too large")
    return data


def _plan_document(plan: ImportPlan) -> dict[str, Any]:
    return {
        "mark": plan.version,
        "unchanged": plan.unchanged,
        "notices": [
            {"line": one.line, "field": one.field, "text": one.text}
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


CAMERAS_PER_PAGE: Final = 50
VISITS_SHOWN: Final = 60  # a month of two rounds a day
ACCESSES_SHOWN: Final = 20
HEALTH_CHANGES_SHOWN: Final = 12  # changes of its health
HealthById = Mapping[CameraId, tuple[str, datetime, str]]


@router.get("/cameras")
def cameras_page(  # noqa: PLR0917  a filter's fields
    context: ContextDep, user: MayViewCameras, page: int = 1, text: str = "", village: str = "",
    health: str = "",
) -> Response:  # fmt: skip
    """The table."""
    registry, t = context.deps.registry, user.t
    with context.deps.store.begin_read() as uow:
        known, withdrawn = uow.health.all(), uow.consents.withdrawn()
    fitting = [
        camera
        for camera in registry.cameras.values()
        if (not text or text.strip().lower() in f"{camera.id} {camera.name} {camera.place}".lower())
        and (not village or village_of(registry, camera.grid) == village)
        and (not health or known.get(camera.id, ("unknown",))[0] == health)
    ]
    pages = max(1, -(-len(fitting) // CAMERAS_PER_PAGE))
    page = min(max(1, page), pages)
    shown = fitting[(page - 1) * CAMERAS_PER_PAGE : page * CAMERAS_PER_PAGE]
    day = user.now.astimezone(context.deps.site_profile.zone).date()
    villages = {village_of(registry, camera.grid) for camera in registry.cameras.values()}
    return context.renderer.render_page(
        "cameras.html", user, text=text, village=village, health=health, page=page,
        count=len(fitting), pages=pages, all=len(registry.cameras),
        may_change=user.has_right(Right.REGISTRY),
        lines=[
            {**_camera_row(camera, registry, known, t), "withdrawn": camera.id in withdrawn,
             "refusal": _refusal_label(camera, day, t)}
            for camera in shown
        ],
        villages=sorted((code, grid_name(registry, GridCode(code))) for code in villages if code),
        healths=[(key, t.pair(pair)) for key, pair in labels.CAMERA_CONDITIONS.items()],
    )  # fmt: skip


@router.get("/cameras/{ident}")
def camera_page(context: ContextDep, user: MayViewCameras, ident: str) -> Response:
    """One camera: what is registered, how its visits went, who looked."""
    registry, t = context.deps.registry, user.t
    found = registered_camera(context, ident)
    with context.deps.store.begin_read() as uow:
        health, withdrawn = uow.health.all(), uow.consents.withdrawn()
        visits = uow.rounds.latest_visits(found.id, limit=VISITS_SHOWN)
        health_changes = uow.health.history(found.id, limit=HEALTH_CHANGES_SHOWN)
        accesses = (
            uow.access.entries(camera=found.id, limit=ACCESSES_SHOWN)
            if user.has_right(Right.AUDIT)
            else ()
        )
    day = user.now.astimezone(context.deps.site_profile.zone).date()
    return context.renderer.render_page(
        "camera.html",
        user,
        camera=found,
        line=_camera_row(found, registry, health, t),
        accesses=[
            (one, t.pair(labels.label_of(labels.ACCESS_ACTIONS, one.what))) for one in accesses
        ],
        visits=[_visit_row(visit, t) for visit in visits],
        health_changes=[
            (
                at,
                state,
                t.pair(labels.label_of(labels.CAMERA_CONDITIONS, state)),
                _kind_labels(why, t),
            )
            for state, at, why in health_changes
        ],
        refusal=_refusal_label(found, day, t),
        withdrawn=found.id in withdrawn,
        left=(found.consent.until - day).days if found.consent.until else None,
        references=reference_rows(context.deps.cameras.references(found), t),
        sample=_newest_picture(user, visits) if may_see_pictures(user, found, withdrawn) else None,
        may_draw=user.has_right(Right.AREAS),
    )


def registered_camera(context: WebContext, ident: str) -> Camera:
    """As registered now. Raises NotFound."""
    found = context.deps.registry.cameras.get(CameraId(ident))
    if found is None:
        raise PageNotFound(ident)
    return found


def may_see_pictures(user: CurrentUser, camera: Camera, withdrawn: frozenset[CameraId]) -> bool:
    """Whether stored pictures of the camera may stand on a page of the registry."""
    gone = camera.id in withdrawn or camera.consent.state is ConsentState.WITHDRAWN
    return user.has_right(Right.AREAS) and not gone


def reference_rows(known: Sequence[CameraReference], t: Translator) -> list[dict[str, Any]]:
    """What the camera is compared with, in words."""
    return [
        {
            "light": t.pair(labels.label_of(labels.LIGHTS, one.light)),
            "name": one.light,
            "state": one.state,
            "label": t.pair(labels.REFERENCE_STATES[one.state]),
            "why": t.pair(labels.label_of(labels.REFERENCE_SUSPENSIONS, one.why)),
            "since": t.full_datetime(one.since),
            "samples": one.samples,
        }
        for one in known
    ]


def _visit_row(visit: Visit, t: Translator) -> dict[str, Any]:
    return {
        "at": visit.finished_at,
        "outcome": visit.outcome.value,
        "label": outcome_label(visit.outcome, t),
        "why": " ".join(kind_label(kind, t) for kind in (*visit.faults, visit.failure) if kind),
    }


def _newest_picture(user: CurrentUser, visits: Sequence[Visit]) -> dict[str, Any] | None:
    """The newest picture that a visit brought home; looking at it is a line in the log."""
    for visit in visits:
        for picture in visit.pictures[:1]:
            at = user.picture_url(picture.sha256, "full", f"camera:{visit.camera}")
            return {"at": at, "taken_at": picture.taken_at}
    return None


def _camera_row(
    camera: Camera, registry: Registry, known: HealthById, t: Translator
) -> dict[str, Any]:
    state, since, why = known.get(camera.id, ("unknown", None, ""))
    return {
        "id": camera.id,
        "name": camera.name,
        "grid": grid_name(registry, camera.grid),
        "place": camera.place,
        "link": camera.link,
        "health": state,
        "health_label": t.pair(labels.label_of(labels.CAMERA_CONDITIONS, state)),
        "since": t.short_datetime(since),
        "why": _kind_labels(why, t),
        "consent": camera.consent.state.value,
        "priority_label": t.pair(labels.PRIORITIES[camera.priority]),
        "consent_label": t.pair(labels.CONSENT_STATES[camera.consent.state]),
        "until": f"{camera.consent.until:%Y-%m-%d}" if camera.consent.until else "—",
    }


def _kind_labels(why: str, t: Translator) -> str:
    return " ".join(kind_label(kind, t) for kind in why.split())


def _refusal_label(camera: Camera, day: date, t: Translator) -> str:
    refusal = camera.refusal_on(day)
    return t.pair(labels.REFUSALS[refusal]) if refusal else ""
