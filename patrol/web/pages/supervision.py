"""Supervision (督办): the overdue list, approvals that wait for me, and verifications by keys."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.town_service import TownService
from patrol.cases.supervision import overdue_list, pending_approvals
from patrol.domain import labels, town_labels
from patrol.domain.answering import may_see_case
from patrol.domain.approval import span_texts
from patrol.domain.case import Case, CaseEvent
from patrol.domain.ids import CaseId
from patrol.domain.registry import Registry
from patrol.domain.supervision import OverdueCase, PendingApproval
from patrol.domain.verification import RECHECK_EVENTS, MachineOpinion, machine_opinion
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayActOnCases,
    MaySettle,
    MaySupervise,
    MayTag,
    MayViewCases,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, InvalidRequest, translate_errors
from patrol.web.i18n import (
    Translator,
    category_label,
    grid_name,
    level_label,
    person_name,
    stored_texts,
)
from patrol.web.pages.case_actions import shown_revision, split_tags, visible_case
from patrol.web.pages.extension import granting_text

router = APIRouter()


@router.get("/overdue")
def overdue_page(context: ContextDep, user: MayViewCases) -> Response:
    """The overdue list of the account's scope, the most urgent and longest first."""
    lines = [_overdue_row(context, user, line) for line in overdue_of(context, user)]
    return context.renderer.render_page("overdue.html", user, lines=lines)


def overdue_of(context: WebContext, user: CurrentUser) -> list[OverdueCase]:
    """The overdue cases that this account may see."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        found = overdue_list(uow, user.now)
    return [line for line in found if may_see_case(user.account, line.case, registry)]


def _overdue_row(context: WebContext, user: CurrentUser, line: OverdueCase) -> dict[str, Any]:
    registry, case, t = context.app.registry, line.case, user.t
    person = registry.people.get(line.person)
    return {
        "id": case.id,
        "level": level_label(case.level, t),
        "urgent": case.level.value in {"I", "II"},
        "what": category_label(case.category, t),
        "grid": grid_name(registry, case.grid),
        "place": case.place,
        "step": t.pair(labels.label_of(town_labels.OVERDUE_STEPS, line.step)),
        "over": t.duration(user.now - line.since),
        "since": t.short_datetime(line.since),
        "person": person.name if person else "—",
        "phone": person.phone if person else "",
        "supervised": case.supervision is not None,
        "tags": case.tags,
    }


@router.post("/api/overdue/send")
def send_overdue(context: ContextDep, user: MaySupervise) -> Response:
    """Send every cadre the own overdue list now."""
    if user.is_outside_centre:
        raise InvalidRequest(user.t("由镇中心发送", "the town's centre sends it"))
    return JSONResponse({"sent": TownService(context.app).send_overdue(by=user.account.name)})


class GridTagsForm(BaseModel):
    """All tags that a grid shall have, parted by spaces or commas."""

    tags: str = Field(default="", max_length=400)


@router.post("/api/grids/{grid}/tags")
def tag_grid(
    context: ContextDep, user: MayTag, grid: str, form: GridTagsForm, key: IdempotencyKey = ""
) -> Response:
    """Give a grid exactly these tags; cases in it and below count under them."""
    with translate_errors(f"grid {grid}"):
        tags = TownService(context.app).tag_grid(
            grid, split_tags(form.tags), by=user.account.name,
            request=request_key(user, key, f"tags of {grid}", form),
        )  # fmt: skip
    return JSONResponse({"grid": grid, "tags": list(tags)})


@router.get("/approvals")
def approvals_page(context: ContextDep, user: MaySettle) -> Response:
    """What waits for my approval, as one list: requests of cases, and broadcasts."""
    with context.app.store.begin_read() as uow:
        waiting = pending_approvals(uow)
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    rows = (_approval_row(one, names, context, user) for one in waiting)
    lines = [row for row in rows if row is not None]
    return context.renderer.render_page("approvals.html", user, lines=lines)


def _approval_row(
    one: PendingApproval, names: Mapping[str, str], context: WebContext, user: CurrentUser
) -> dict[str, Any] | None:
    """One line of the list; None: this account asked for it itself."""
    case, t, asked = one.case, user.t, one.broadcast or one.case.request
    if asked is None or asked.by == user.account.name:
        return None
    registry = context.app.registry
    read, request = stored_texts(registry, t), None if one.broadcast else case.request
    return {
        "case": case.id,
        "seen": shown_revision(case) if request else "",
        "broadcast": one.broadcast.id if one.broadcast else "",
        "what": _request_text(case, user) if request else t("大喇叭播报", "broadcast"),
        "about": f"{category_label(case.category, t)} {grid_name(registry, case.grid)}",
        "by": person_name(registry, asked.by, names),
        "at": t.short_datetime(asked.at),
        "why": read(request.why if request else one.broadcast.text if one.broadcast else ""),
        "if_granted": granting_text(case, request, user) if request else "",
    }


def _request_text(case: Case, user: CurrentUser) -> str:
    """`延期 2 小时`."""
    request, t = case.request, user.t
    if request is None:
        return ""
    kind = t.pair(labels.APPROVAL_KINDS[request.kind])
    span = t.pair(span_texts(request, case.policy.office)) if request.span_s else ""
    return f"{kind} {span}".rstrip()


def _machine_text(case: Case, registry: Registry, t: Translator) -> str:
    """The machine's word, with what it saw; where it has none, that a person has to see."""
    last = next((e for e in reversed(case.entries) if e.what in RECHECK_EVENTS), None)
    if machine_opinion(case) is MachineOpinion.NOTHING and (
        last is None or last.what is CaseEvent.FEED_BACK
    ):
        return t("机器没有复看结果", "the machine has no word")
    return stored_texts(registry, t)(last.note) if last else ""


@router.get("/verify")
def verify_page(context: ContextDep, user: MayActOnCases) -> Response:
    """Verifications as a queue by keys; its script asks for one case after the other."""
    return context.renderer.render_page("verify.html", user)


@router.get("/api/verify/queue")
def verification_queue(context: ContextDep, user: MayActOnCases) -> Response:
    """The cases that wait for a person's verification, the most pressing first."""
    registry, t = context.app.registry, user.t
    order = [one.case for one in context.app.to_verify()]
    with context.app.store.begin_read() as uow:
        cases = {case.id: case for case in uow.cases.with_ids(order)}
    waiting = [
        cases[ident]
        for ident in order
        if ident in cases and may_see_case(user.account, cases[ident], registry)
    ]
    lines = [
        {
            "id": one.id,
            "seen": shown_revision(one),
            "what": category_label(one.category, t),
            "level": level_label(one.level, t),
            "grid": grid_name(registry, one.grid),
            "place": one.place,
        }
        for one in waiting
    ]
    return JSONResponse({"cases": lines}, headers=NO_STORE)


@router.get("/api/verify/{case_id}")
def verification_pictures(context: ContextDep, user: MayActOnCases, case_id: str) -> Response:
    """Before and after of one case, and the photos from the ground; each view is logged."""
    case = visible_case(context, user, CaseId(case_id))
    viewed_for, t = f"case:{case.id}", user.t
    with context.app.store.begin_read() as uow:
        stored = {one: uow.pictures.get(one) for one in (case.before, case.after) if one}
        photos = uow.case_photos.of_case(case.id)

    def shown(picture: Any) -> dict[str, str] | None:
        known = stored.get(picture) if picture else None
        if known is None:
            return None
        url = user.picture_url(known.id, "full", viewed_for)
        return {"url": url, "taken": t.full_datetime(known.taken_at)}

    last = next((e for e in reversed(case.entries) if e.note and e.by != "system"), None)
    return JSONResponse(
        {
            "before": shown(case.before),
            "after": shown(case.after),
            "photos": [
                user.picture_url(one.picture or one.sha256, "full", viewed_for) for one in photos
            ],
            "opinion": str(machine_opinion(case)),
            "machine": _machine_text(case, context.app.registry, t),
            "note": stored_texts(context.app.registry, t)(last.note) if last else "",
        },
        headers=NO_STORE,
    )
