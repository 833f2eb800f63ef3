"""Review (研判): one finding at a time on the screen, the next ones claimed and loaded behind it.

A batch of findings is claimed for one session; nobody else gets them until they are decided,
passed, or the claims run out. A reviewer who was unsure of a finding does not get it again.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases.request_keys import RequestRepeated
from patrol.domain import labels
from patrol.domain.account import AccountRole
from patrol.domain.case import Case
from patrol.domain.finding import CATEGORIES, Finding, FindingState, KnownPositive, Origin
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.domain.routing import route
from patrol.review.claims import FindingClaimed, claim_findings, release_own_claims
from patrol.review.decisions import ShownFinding
from patrol.review.queue import waiting_in_order
from patrol.review.reference import reference_is_learning
from patrol.store import UnitOfWork
from patrol.store.findings import WaitingFinding
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, IdempotencyKey, MayReview, WebContext, request_key
from patrol.web.errors import error_document, translate_errors
from patrol.web.i18n import (
    Translator,
    camera_name,
    case_state_label,
    category_label,
    grid_name,
    level_label,
    stored_texts,
)
from patrol.web.pages.cameras import refusal_text
from patrol.web.pages.case_actions import masked_note_warning
from patrol.web.pages.review_strip import (
    ReviewFilter,
    check_is_named,
    dismissal_reason,
    taught,
)

BATCH_SIZE: Final = 3  # one on the screen, two behind it
MAX_BATCH: Final = 10
FindingDetails = tuple[StoredPicture | None, Case | None, str, bool]
router = APIRouter()


class BatchForm(BaseModel):
    """The findings that the page has, those it passed, and the one it wants first."""

    keep: list[str] = Field(default_factory=list, max_length=MAX_BATCH)
    passed: list[str] = Field(default_factory=list, max_length=500)
    first: str = ""
    subject: Literal["", "scene", "equipment"] = ""
    level: Level | None = None
    village: str = Field(default="", max_length=20)
    kind: str = Field(default="", max_length=64)

    @property
    def wanted(self) -> ReviewFilter:
        """The filters of the page."""
        subject = Subject(self.subject) if self.subject else None
        return ReviewFilter(level=self.level, village=self.village, kind=self.kind, subject=subject)


class DecisionForm(BaseModel):
    """One decision about a finding."""

    id: str
    decision: Literal["confirm", "dismiss", "unsure"]
    category: str | None = None
    level: Level | None = None
    reason: str = Field(default="", max_length=500)
    note: str = Field(default="", max_length=500)
    phoned: str = Field(default="", max_length=200)
    seen: str = Field(default="", max_length=64)  # the revision that was on the screen


class ReleaseForm(BaseModel):
    """The findings whose claims the page releases."""

    ids: list[str] = Field(max_length=MAX_BATCH)


@router.get("/review")
def review_page(
    context: ContextDep, user: MayReview, finding: str = "", subject: str = ""
) -> Response:
    """The page; its script claims the first batch."""
    return context.renderer.render_page(
        "review.html", user, first=finding, subject=subject,
        reasons=[(str(key), user.t.pair(pair)) for key, pair in labels.DISMISS_REASONS.items()],
    )  # fmt: skip


@router.post("/api/review/hand")
def claim_batch(context: ContextDep, user: MayReview, form: BatchForm) -> Response:
    """Renew the claims that the page keeps, and claim the findings that it lacks."""
    registry = context.app.registry
    cameras = registry.cameras
    with context.app.store.begin_read() as uow:  # ranking is no work for the write transaction
        order = _in_wanted_order(waiting_in_order(uow, user.now, cameras=cameras), form)
        candidates = list(islice(order, _candidate_count(uow, form, user)))
    with context.app.store.begin() as uow:
        found = uow.findings.with_ids(candidates)
        waiting = (found[ident] for ident in candidates if ident in found)
        chosen = claim_findings(
            uow,
            (one for one in waiting if one.is_open and _is_for(one, form, user, registry)),
            holder=user.holder,
            now=user.now,
            limit=max(BATCH_SIZE, min(len(form.keep), MAX_BATCH)),
        )
        new = [finding for finding in chosen if finding.id not in form.keep]
        details = [_finding_details(uow, finding) for finding in new]
        count = sum(total.count for total in uow.findings.waiting_totals())
        uow.commit()
    return JSONResponse(
        {
            "waiting": count,
            "mine": [finding.id for finding in chosen],
            "new": [_review_item(context, user, *one) for one in zip(new, details, strict=True)],
        }
    )


@router.post("/api/review/decide")
def decide(
    context: ContextDep, user: MayReview, form: DecisionForm, key: IdempotencyKey = ""
) -> Response:
    """Confirm, dismiss or be unsure; the first decision counts, a later one gets 409.

    A finding that is no longer as it was `seen` gets 409, too. A repeat of a decision under its key
    is answered as the first one was.
    """
    case: Case | None = None
    message = ""
    shown = ShownFinding(revision=form.seen, request=request_key(user, key, "decide", form))
    try:
        with translate_errors():
            case = _apply_decision(context, form, user, shown)
        if form.decision == "unsure":
            message = _no_recheck_text(context, user, FindingId(form.id))
    except RequestRepeated:
        case, message = _earlier_outcome(context, user, FindingId(form.id))
    except FindingClaimed as exc:
        message = user.t(f"正由 {exc.account} 研判", f"{exc.account} is judging it")
        return error_document(409, message, detail="")
    except KnownPositive as exc:
        message = _known_positive_text(exc, user.t)
    outcome = {"case": case.id if case else None, "count": case.count if case else 0}
    warning = masked_note_warning(context, user, f"{form.note}\n{form.phoned}")
    more = {"warning": warning} if warning else {}
    return JSONResponse({**outcome, "words": message, **more})


def _apply_decision(
    context: WebContext, form: DecisionForm, user: CurrentUser, shown: ShownFinding
) -> Case | None:
    """Raises as Application.confirm, dismiss and unsure."""
    app, by, holder = context.app, user.account.name, user.holder
    if form.decision == "confirm":
        with app.store.begin_read() as uow, translate_errors():
            check_is_named(uow.findings.get(FindingId(form.id)), form.category, form.note, user.t)
        return app.confirm(
            form.id, by=by, category=form.category, level=form.level, note=form.note,
            phoned=form.phoned, holder=holder, shown=shown,
        )  # fmt: skip
    if form.decision == "dismiss":
        reason = dismissal_reason(form.reason, form.note, user.t)
        app.dismiss(form.id, by=by, reason=reason, holder=holder, shown=shown)
    else:
        app.unsure(form.id, by=by, reason=form.note, holder=holder, shown=shown)
    return None


def _no_recheck_text(context: WebContext, user: CurrentUser, ident: FindingId) -> str:
    """Why its camera is not visited again after an "unsure"; empty: it is."""
    with context.app.store.begin_read() as uow:
        camera = uow.findings.get(ident).camera
    if not camera:
        return user.t(
            "已记为存疑；电话报告，没有点位可看", "noted; a call names no camera to visit"
        )
    gate = context.app.live_view.gate
    gate.refresh()
    refusal = gate.refusal_of(camera)
    if refusal is None:
        return ""
    why = refusal_text(str(refusal), user.t)
    return user.t(
        f"已记为存疑，但不会复看该点位：{why}", f"noted, but it is not visited again: {why}"
    )


def _earlier_outcome(
    context: WebContext, user: CurrentUser, ident: FindingId
) -> tuple[Case | None, str]:
    """(case, message) that a decision led to which was carried out before."""
    with context.app.store.begin_read() as uow:
        finding = uow.findings.get(ident)
        case = uow.cases.get(finding.case) if finding.case else None
    if finding.origin is Origin.PROBE and finding.state is FindingState.MERGED:
        return None, _known_positive_text(KnownPositive(finding), user.t)
    return case, ""


def _known_positive_text(known: KnownPositive, t: Translator) -> str:
    return str(known).partition(" / ")[0 if t.language == "zh" else 2]


@router.post("/api/review/release")
def release_claims(context: ContextDep, user: MayReview, form: ReleaseForm) -> Response:
    """Release claims, when the page is closed or skips findings."""
    with context.app.store.begin() as uow:
        mine = map(FindingId, form.ids)
        release_own_claims(uow, mine, holder=user.holder, now=user.now)
        uow.commit()
    return Response(status_code=204)


def _candidate_count(uow: UnitOfWork, form: BatchForm, user: CurrentUser) -> int | None:
    """How many of the queue are enough: the batch, and all that may not be this session's.

    Those are what others hold, what this user was unsure of, and what he passed.
    """
    if not form.wanted.is_empty:
        return None
    claimed = len(uow.claims.active(user.now))
    unsure_count = uow.findings.waiting_unsure_count()
    return MAX_BATCH + 1 + claimed + unsure_count + len(form.passed)


def _in_wanted_order(waiting: Iterable[WaitingFinding], form: BatchForm) -> Iterator[FindingId]:
    """Kept ones first, then the wanted one, then in queue order; passed ones last."""
    kept = [FindingId(ident) for ident in form.keep]
    ahead = [*kept, FindingId(form.first)] if form.first else kept
    passed = set(form.passed) - set(ahead)
    yield from dict.fromkeys(ahead)
    late: list[FindingId] = []
    for one in waiting:
        if form.subject and one.subject is not Subject(form.subject):
            continue
        if one.id in passed:
            late.append(one.id)
        elif one.id not in ahead:
            yield one.id
    yield from late


def _is_for(finding: Finding, form: BatchForm, user: CurrentUser, registry: Registry) -> bool:
    """Whether this user may judge it here: his page has it, or it is wanted and not his."""
    if finding.id != form.first and not form.wanted.takes(finding, registry):
        return finding.id in form.keep
    is_supervisor = user.account.duty is AccountRole.SHIFT_SUPERVISOR
    is_unsure = finding.state is FindingState.UNSURE
    return is_supervisor or not is_unsure or finding.decided_by != user.account.name


def _finding_details(uow: UnitOfWork, finding: Finding) -> FindingDetails:
    picture = uow.pictures.get(finding.picture) if finding.picture else None
    light = _light_of(uow, finding)
    learning = reference_is_learning(uow, finding.camera, light) if finding.camera else False
    return picture, uow.cases.open_like(finding.camera, finding.category), light, learning


def _light_of(uow: UnitOfWork, finding: Finding) -> str:
    """The light (day, infrared) of the visit that found it."""
    visits = uow.rounds.latest_visits(finding.camera, limit=4)
    same = (visit.light for visit in visits if visit.round == finding.round and visit.light)
    return next(same, "day")


def _review_item(
    context: WebContext, user: CurrentUser, finding: Finding, details: FindingDetails
) -> dict[str, Any]:
    picture, running, light, learning = details
    registry, t = context.app.registry, user.t
    viewed_for, read = f"finding:{finding.id}", stored_texts(registry, t)
    camera = registry.cameras.get(finding.camera)
    html = context.renderer.render_fragment(
        "review_item.html",
        user,
        finding=finding,
        why=read(finding.why),
        seen_again=read(finding.recheck.why) if finding.recheck else "",
        what=category_label(finding.category, t),
        level=level_label(finding.level, t),
        levels=[(one.value, level_label(one, t)) for one in Level],
        categories=_category_choices(finding, t),
        camera=camera_name(registry, finding.camera or None),
        place=camera.place if camera else finding.place,
        grid=grid_name(registry, finding.grid),
        found=t.ago(finding.found_at, user.now),
        exactly=t.full_datetime(finding.found_at),
        unnamed=finding.category == labels.UNNAMED_CHANGE,
        learning=learning,
        teaches=json.dumps(taught(finding, t), ensure_ascii=False),
        second=finding.state is FindingState.UNSURE,
        call=_first_to_call(finding, registry),
        running=(running.id, case_state_label(running.state, t)) if running else None,
        picture=user.picture_url(picture.id, "full", viewed_for) if picture else "",
        reference=_reference_url(user, finding.camera, light, viewed_for),
    )
    return {
        "id": finding.id,
        "html": html,
        "seen": finding.revision,
        "urgent": finding.level in (Level.URGENT, Level.PRESSING),
        "what": category_label(finding.category, t),
    }


def _first_to_call(finding: Finding, registry: Registry) -> tuple[str, str] | None:
    """(name, telephone) of the first recipient of its case."""
    if finding.grid not in registry.tree.grids:
        return None
    stops = route(registry, finding.grid, finding.subject).recipients
    return (stops[0].person.name, stops[0].person.phone) if stops else None


def _reference_url(user: CurrentUser, camera: CameraId, light: str, viewed_for: str) -> str:
    return user.picture_url(f"reference.{light}.{camera}", "full", viewed_for)


def _category_choices(finding: Finding, t: Translator) -> list[tuple[str, str]]:
    known = {one.id: f"{one.code} {t(one.zh, one.en)}" for one in CATEGORIES}
    known.setdefault(finding.category, category_label(finding.category, t))
    return list(known.items())
