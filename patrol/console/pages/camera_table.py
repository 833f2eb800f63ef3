"""cameras.csv: taken along as a file for Excel, brought back, compared, and then taken over."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForRegistry
from patrol.console.camera_doors import CameraChange, ImportPlan, Rejected
from patrol.console.pages.answers import told

LARGEST_BYTES: Final = 8 * 1024 * 1024  # ten thousand cameras are two
SHOWN: Final = 500  # changes of one kind on the page; more are counted
router = APIRouter()
Upload = Annotated[UploadFile, File()]


@router.get("/cameras.csv")
def export(desk: AtDesk, caller: ForRegistry) -> Response:
    """The registry as contracts describe it; passwords masked, `${NAME}` as it is."""
    try:
        data = desk.doors.cameras.export(by=caller.account.name)
    except Rejected as exc:
        raise HTTPException(409, str(exc)) from exc
    day = caller.now.astimezone(desk.doors.facts.zone)
    name = f"cameras-{desk.doors.facts.id}-{day:%Y%m%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/camera-import")
def page(desk: AtDesk, caller: ForRegistry) -> Response:
    """Where a file is chosen."""
    writable = desk.doors.cameras.writable
    return desk.shell.page("camera_import.html", caller, writable=writable)


@router.post("/api/cameras/import/check")
def check(desk: AtDesk, caller: ForRegistry, file: Upload) -> JSONResponse:
    """What the file would change, or everything that is wrong with it."""
    data = _read(file)
    return told(lambda: _said(desk.doors.cameras.plan_import(data)), caller.say)


@router.post("/api/cameras/import")
def take(
    desk: AtDesk, caller: ForRegistry, file: Upload,
    mark: Annotated[str, Form(max_length=64)],
    why: Annotated[str, Form(min_length=2, max_length=200)],
) -> JSONResponse:  # fmt: skip
    """Take over what was compared under `mark`."""
    data, by = _read(file), caller.account.name

    def take_over() -> dict[str, Any]:
        return _said(desk.doors.cameras.import_(data, mark=mark, by=by, why=why))

    return told(take_over, caller.say)


def _read(file: UploadFile) -> bytes:
    data = file.file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise HTTPException(413, "too large")
    return data


def _said(plan: ImportPlan) -> dict[str, Any]:
    return {
        "mark": plan.mark,
        "unchanged": plan.unchanged,
        "notices": [
            {"line": one.line, "field": one.field, "text": one.text} for one in plan.notices[:SHOWN]
        ],
        "counts": {kind: len(plan.of(kind)) for kind in ("added", "changed", "retired")},
        "changes": [
            _change(change)
            for kind in ("retired", "added", "changed")
            for change in plan.of(kind)[:SHOWN]
        ],
    }


def _change(change: CameraChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "camera": change.camera,
        "name": change.name,
        "cells": [
            {"column": column, "before": before, "after": after}
            for column, before, after in change.cells
        ],
    }
