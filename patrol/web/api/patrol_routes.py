"""API routes of human patrols: tasks, their moves, and what is said of each camera."""

from typing import Annotated

from fastapi import APIRouter, Depends

from patrol.app.human_patrol_service import HumanPatrolService, Patroller
from patrol.domain.account import ApiKey
from patrol.domain.human_patrol import CheckOutcome, HumanPatrolEvent
from patrol.domain.ids import CameraId, PictureId
from patrol.reports.documents import JsonObject, human_patrol_document
from patrol.rounds import duty
from patrol.rounds.human_patrol import CheckForm
from patrol.web.api import town_documents
from patrol.web.api.routes import BEARER, App, DocumentRoute, Limit, RequireScope, masked
from patrol.web.errors import translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
Work = Annotated[ApiKey, Depends(RequireScope("rounds:work"))]
READ = [Depends(RequireScope("rounds:read"))]


@router.get("/human-patrols", response_model=list[town_documents.HumanPatrolTask],
            dependencies=READ)  # fmt: skip
def human_patrols(app: App, limit: Limit = 100) -> list[JsonObject]:
    """Tasks of human patrols, the newest first."""
    with app.store.begin_read() as uow:
        return [
            masked(app, human_patrol_document(one)) for one in uow.human_patrols.list(limit=limit)
        ]


@router.post("/human-patrols/plan", response_model=town_documents.HumanPatrolTask, status_code=201)
def plan_patrol(app: App, form: town_documents.PlanPatrol, _key: Work) -> JsonObject:
    """Plan today's task of a plan of site.yaml at once; 422: there is one already."""
    with translate_errors(f"plan {form.plan}"):
        planned = HumanPatrolService(app).plan_now(form.plan)
        if planned is None:
            raise ValueError(f"plan {form.plan}: today's task is planned already")
    return _document(app, planned.id)


@router.get("/human-patrols/{patrol_id}", response_model=town_documents.HumanPatrolTask,
            dependencies=READ)  # fmt: skip
def one_human_patrol(app: App, patrol_id: str) -> JsonObject:
    """One task with its counts and what was said of each camera."""
    return _document(app, patrol_id)


@router.post("/human-patrols/{patrol_id}/checks", response_model=town_documents.HumanPatrolTask)
def check_camera(
    app: App, patrol_id: str, form: town_documents.CheckCamera, _key: Work
) -> JsonObject:
    """Say that a camera was seen, or cannot be viewed; 409 when something was said before."""
    wanted = CheckForm(
        patrol=patrol_id, camera=CameraId(form.camera), outcome=CheckOutcome(form.outcome),
        picture=PictureId(form.picture) if form.picture else None,
    )  # fmt: skip
    with translate_errors(f"patrol {patrol_id}, camera {form.camera}"):
        _check_account(app, form.account)
        HumanPatrolService(app).check(wanted, Patroller(name=form.account))
    return _document(app, patrol_id)


@router.post("/human-patrols/{patrol_id}/items", response_model=town_documents.HumanPatrolTask)
def tick_item(app: App, patrol_id: str, form: town_documents.TickItem, _key: Work) -> JsonObject:
    """Tick an item of the checklist, or take the tick back; 409 when the task does not run."""
    with translate_errors(f"patrol {patrol_id}, item {form.item}"):
        _check_account(app, form.account)
        who = Patroller(name=form.account)
        HumanPatrolService(app).tick(patrol_id, form.item, who, checked=form.checked)
    return _document(app, patrol_id)


@router.post("/human-patrols/{patrol_id}/{event}", response_model=town_documents.HumanPatrolTask)
def move_patrol(
    app: App, patrol_id: str, event: HumanPatrolEvent, form: town_documents.WorkPatrol, _key: Work
) -> JsonObject:
    """Start, pause, resume or finish a task for an account; 409 when it cannot be now."""
    with translate_errors(f"patrol {patrol_id}"):
        _check_account(app, form.account)
        who = Patroller(name=form.account)
        HumanPatrolService(app).move(patrol_id, event, who, remark=form.remark)
    return _document(app, patrol_id)


def _check_account(app: App, name: str) -> None:
    with app.store.begin_read() as uow:
        duty.check_colleague(uow, name)


def _document(app: App, patrol_id: str) -> JsonObject:
    with app.store.begin_read() as uow, translate_errors(f"patrol {patrol_id}"):
        patrol = uow.human_patrols.get(patrol_id)
        return masked(app, human_patrol_document(patrol, uow.human_patrols.checks(patrol.id)))
