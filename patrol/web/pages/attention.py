"""Attention (提醒): what calls to the screen now, and how the account wants to be called.

Every console page asks (static/attention.js) as something changes: for the title's number, the
sound, the notifications of the desktop, the strip of unreviewed findings.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.domain import labels
from patrol.domain.account import GRID_ACCOUNT_ROLES, Permission
from patrol.domain.answering import may_see_case
from patrol.domain.attention import AttentionChoice, AttentionKind
from patrol.domain.attention_cases import CaseReply, new_replies, overdue_cases
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.review.alarms import alarming
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import AnyUser, ContextDep, MayBeCalled, WebContext
from patrol.web.errors import NO_STORE
from patrol.web.i18n import Translator, camera_name, category_label, grid_name, person_name
from patrol.web.pages.cases import MAX_OPEN_CASES

ITEMS_SHOWN: Final = 50  # of a kind; the others are counted
REPLIES_WITHIN: Final = timedelta(hours=12)  # a browser that was away longer reads the timeline
MACHINES: Final = ("system", "patrol")
router = APIRouter()
Item = dict[str, Any]


class AttentionForm(BaseModel):
    """How the account wants to be called."""

    sound: bool
    desktop: bool
    kinds: list[AttentionKind] = Field(max_length=len(AttentionKind))


@router.get("/api/attention")
def attention_document(
    context: ContextDep,
    user: MayBeCalled,
    since: Annotated[AwareDatetime | None, Query()] = None,
) -> JSONResponse:
    """What there is to see to, within the account's rights. `since`: replies after it are new."""
    with context.app.store.begin_read() as uow:
        waiting = _waiting(uow, context, user)
        cases = _visible_cases(uow, context, user)
        names = {one.name: one.shown_as for one in uow.accounts.all()}
        centre = {one.name: one for one in uow.accounts.all() if one.duty not in GRID_ACCOUNT_ROLES}
    after = max(since or user.now, user.now - REPLIES_WITHIN)
    replies = new_replies(cases, after, {**centre, **dict.fromkeys(MACHINES)})
    overdue = overdue_cases(cases, user.now)
    items = [
        *(_finding_item(one, context, user) for one in waiting[:ITEMS_SHOWN]),
        *(_overdue_item(one, context, user) for one in overdue[:ITEMS_SHOWN]),
        *(_reply_item(one, context, user, names) for one in replies[:ITEMS_SHOWN]),
    ]
    chosen = choice_of(context, user)
    alarm_sound = context.app.site.settings.review.alarm.sound
    body = {
        "now": user.now.isoformat(),
        "sound": chosen.sound,
        "desktop": chosen.desktop,
        "alarm_sound": chosen.sound and alarm_sound and AttentionKind.FINDING in chosen.kinds,
        "kinds": list(chosen.kinds),
        "totals": {
            AttentionKind.FINDING: len(waiting),
            AttentionKind.OVERDUE: len(overdue),
            AttentionKind.REPLY: len(replies),
        },
        "items": items,
        "alarm": alarm_text(waiting, user.t, user.now),
    }
    return JSONResponse(body, headers=NO_STORE)


@router.post("/api/account/attention")
def choose_attention(context: ContextDep, user: AnyUser, form: AttentionForm) -> Response:
    """Keep how the own account wants to be called; its open pages follow within seconds."""
    kinds = tuple(kind for kind in AttentionKind if kind in form.kinds)
    chosen = AttentionChoice(sound=form.sound, desktop=form.desktop, kinds=kinds)
    with context.app.store.begin() as uow:
        uow.accounts.put(uow.accounts.get(user.account.name).wanting(chosen))
        uow.commit()
    context.auth.clear_cache()
    return Response(status_code=204)


def choice_of(context: WebContext, user: CurrentUser) -> AttentionChoice:
    """The account's own choice, or the site's."""
    return user.account.attention or context.console.attention.policy


def alarm_text(waiting: Sequence[Finding], t: Translator, now: datetime) -> str:
    """`3 条紧急线索未研判，最早 疑似明火 5 分钟前`; empty without any."""
    if not waiting:
        return ""
    first = waiting[0]
    label, ago = category_label(first.category, t), t.ago(first.found_at, now)
    return t(
        f"{len(waiting)} 条紧急线索未研判，最早 {label} {ago}",
        f"{len(waiting)} urgent findings not reviewed, the first {label} {ago}",
    )


def _waiting(uow: UnitOfWork, context: WebContext, user: CurrentUser) -> list[Finding]:
    if not user.has_permission(Permission.REVIEW):
        return []
    policy = context.app.site.settings.review.alarm.policy
    return alarming(uow.findings.queue(), policy, user.now)


def _visible_cases(uow: UnitOfWork, context: WebContext, user: CurrentUser) -> list[Case]:
    if not user.has_permission(Permission.CASES):
        return []
    registry = context.app.registry
    known = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
    return [case for case in known if may_see_case(user.account, case, registry)]


def _finding_item(one: Finding, context: WebContext, user: CurrentUser) -> Item:
    t, registry = user.t, context.app.registry
    where = camera_name(registry, one.camera) if one.camera else one.place
    return {
        "kind": AttentionKind.FINDING,
        "key": f"finding:{one.id}",
        "id": one.id,
        "url": f"/review?finding={one.id}",
        "title": t("紧急线索未研判", "Urgent finding not reviewed"),
        "text": f"{category_label(one.category, t)} · {where}",
    }


def _overdue_item(case: Case, context: WebContext, user: CurrentUser) -> Item:
    t = user.t
    return {
        "kind": AttentionKind.OVERDUE,
        "key": f"overdue:{case.id}:{case.due_at.isoformat()}",
        "id": case.id,
        "url": f"/cases/{case.id}",
        "title": t("案件超时", "Case overdue"),
        "text": f"{case.id} {_case_text(case, context, t)} · {t.time_left(case.due_at, user.now)}",
    }


def _reply_item(
    reply: CaseReply, context: WebContext, user: CurrentUser, names: dict[str, str]
) -> Item:
    t, case = user.t, reply.case
    who = person_name(context.app.registry, reply.by, names)
    event = t.pair(labels.CASE_EVENTS[reply.what])
    return {
        "kind": AttentionKind.REPLY,
        "key": f"reply:{case.id}:{reply.at.isoformat()}",
        "id": case.id,
        "url": f"/cases/{case.id}",
        "title": t(f"新回复：{event}", f"Reply: {event}"),
        "text": f"{case.id} {_case_text(case, context, t)} · {who}",
    }


def _case_text(case: Case, context: WebContext, t: Translator) -> str:
    return f"{category_label(case.category, t)} {grid_name(context.app.registry, case.grid)}"
