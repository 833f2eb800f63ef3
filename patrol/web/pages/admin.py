"""Three pages of administration: audit (审计), suppressions (抑制), system state (系统状态).

Audit shows the access log and checks its hash chain. Suppressions are what dismissals hold back,
for how long and by whom. System state says what waits since when, which part of the service is
silent, and how disks and backups are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.status import DiskSpace, ServiceStatus, disk_usage, service_status
from patrol.app.status import check_store as find_store_problems
from patrol.domain import labels
from patrol.domain.ids import CameraId
from patrol.domain.labels import ACCESS_ACTIONS
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression
from patrol.messaging.refused_messages import read_refused
from patrol.review.decisions import extend_suppression, suppressed_count
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    MayAudit,
    MayManageSuppressions,
    MayViewSystem,
    WebContext,
)
from patrol.web.errors import InvalidRequest, translate_errors
from patrol.web.i18n import Translator, camera_name, grid_name, kind_label, paginate, person_name

AUDIT_PER_PAGE: Final = 100
SUPPRESSIONS_PER_PAGE: Final = 50
MAX_SUPPRESSIONS: Final = 5000
LATE_OUTBOX: Final = timedelta(minutes=2)
LATE_REVIEW: Final = timedelta(hours=4)
LATE_LADDER: Final = timedelta(minutes=1)
OLD_BACKUP: Final = timedelta(hours=30)  # one a night, and a morning to notice that it failed
LITTLE_DISK: Final = 0.10
router = APIRouter()


class ExtendSuppressionForm(BaseModel):
    """How many days longer."""

    days: int = Field(ge=1, le=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine:
    """One line of the page: a fact, its value, and whether it needs attention (`ok` is False)."""

    what: str
    text: str
    ok: bool = True
    note: str = ""


@router.get("/audit")
def audit_page(  # noqa: PLR0917  a filter's fields
    context: ContextDep,
    user: MayAudit,
    before: int = 0,
    who: str = "",
    camera: str = "",
    what: str = "",
) -> Response:
    """The access log, newest first, paged by entry number, so that new entries shift no page."""
    with context.app.store.begin_read() as uow:
        found = uow.access.entries(
            camera=CameraId(camera) if camera else None, who=who, what=what,
            before=before or None, limit=AUDIT_PER_PAGE + 1,
        )  # fmt: skip
    shown = found[:AUDIT_PER_PAGE]
    lines: list[dict[str, Any]] = [
        {
            "number": entry.number,
            "at": entry.at,
            "who": entry.who,
            "what": user.t.pair(ACCESS_ACTIONS.get(entry.what, (entry.what, entry.what))),
            "camera": entry.camera,
            "camera_name": camera_name(context.app.registry, entry.camera),
            "why": entry.why,
            "hash": entry.hash[:12],
        }
        for entry in shown
    ]
    return context.renderer.render_page(
        "audit.html", user, lines=lines, who=who, camera=camera, what=what, before=before,
        older=shown[-1].number if len(found) > AUDIT_PER_PAGE else 0,
        actions=[(key, user.t.pair(pair)) for key, pair in ACCESS_ACTIONS.items()],
    )  # fmt: skip


@router.post("/api/audit/check")
def check_audit_chain(context: ContextDep, _user: MayAudit) -> Response:
    """Check the whole hash chain; the number of the first entry that does not fit."""
    with context.app.store.begin_read() as uow:
        broken = uow.access.first_broken()
    return JSONResponse({"holds": broken is None, "first_broken": broken})


@router.get("/suppressions")
def suppressions_page(
    context: ContextDep, user: MayManageSuppressions, page: int = 1, which: str = ""
) -> Response:
    """The active suppressions, the next to end first; or all, the newest first."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        active = sorted(uow.suppressions.active(user.now), key=lambda one: one.until)
        found = uow.suppressions.list(limit=MAX_SUPPRESSIONS) if which == "all" else active
        shown, pager = paginate(found, page, SUPPRESSIONS_PER_PAGE)
        counted = {one.number: suppressed_count(uow, one) for one in shown}
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    lines = [_suppression_row(one, counted[one.number], user, registry, names) for one in shown]
    return context.renderer.render_page(
        "suppressions.html", user, lines=lines, which=which, active=len(active),
        **pager,
    )  # fmt: skip


@router.post("/api/suppressions/{number}/end")
def end_suppression(context: ContextDep, user: MayManageSuppressions, number: int) -> Response:
    """End a suppression: similar findings are proposed again from the next round on."""
    with context.app.store.begin() as uow:
        if not uow.suppressions.revoke(number, by=user.account.name, now=user.now):
            raise InvalidRequest(user.t("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


@router.post("/api/suppressions/{number}/extend")
def lengthen_suppression(
    context: ContextDep, user: MayManageSuppressions, number: int, form: ExtendSuppressionForm
) -> Response:
    """Extend a suppression, under one's own name."""
    with translate_errors(), context.app.store.begin() as uow:
        made = extend_suppression(uow, number, by=user.account.name, now=user.now, days=form.days)
        uow.commit()
    return JSONResponse({"number": made.number, "until": made.until.isoformat()}, 201)


def _suppression_row(
    one: Suppression, count: int, user: CurrentUser, registry: Registry, names: dict[str, str]
) -> dict[str, Any]:
    t = user.t
    camera = registry.cameras.get(one.camera)
    reasons = {key: t.pair(pair) for key, pair in labels.DISMISS_REASONS.items()}
    is_active = one.revoked_at is None and user.now < one.until
    return {
        "number": one.number,
        "camera": camera_name(registry, one.camera),
        "grid": grid_name(registry, camera.grid) if camera else "",
        "kind": kind_label(one.kind, t),
        "area": t("画面一处", "one place") if one.box else t("全画面", "whole picture"),
        "reason": reasons.get(one.reason, one.reason),
        "owner": person_name(registry, one.owner, names),
        "since": t.short_datetime(one.created_at),
        "until": t.short_datetime(one.until),
        "left": t.time_left(one.until, user.now) if is_active else "",
        "active": is_active,
        "ended": f"{t.short_datetime(one.revoked_at)} "
        f"{person_name(registry, one.revoked_by, names)}"
        if one.revoked_at
        else "",
        "suppressed": count,
    }


@router.get("/system")
def system_page(context: ContextDep, user: MayViewSystem) -> Response:
    """The system page."""
    return context.renderer.render_page("system.html", user, **_system_content(context, user))


@router.get("/system/part")
def system_fragment(context: ContextDep, user: MayViewSystem) -> Response:
    """The lines of the page, fetched again as they change."""
    return context.renderer.fragment_response(
        "system_part.html", user, **_system_content(context, user)
    )


@router.post("/api/system/check")
def check_store(context: ContextDep, _user: MayViewSystem) -> Response:
    """Run the store's consistency check; takes seconds."""
    return JSONResponse({"problems": list(find_store_problems(context.app))[:50]})


def _system_content(context: WebContext, user: CurrentUser) -> dict[str, Any]:
    with context.app.store.begin_read() as uow:
        waits = list(_queue_lines(uow, user))
        kept = list(_backup_lines(uow, user))
        dead_letters = uow.inbox.dead_letters(limit=20)
    kept += [_disk_line(one, user.t) for one in disk_usage(context.app)]
    services = [_service_line(one, user.t) for one in service_status(context.app)]
    return {
        "pages": context.change_feed.subscribers,
        "groups": [
            (user.t("等待处理", "What waits"), waits),
            (user.t("部件", "Parts of the service"), services),
            (user.t("存储与备份", "Storage and backup"), kept),
        ],
        "wrong": sum(not one.ok for one in (*waits, *services, *kept)),
        "dead_letters": [
            (user.t.short_datetime(one.at), one.topic, one.reason) for one in dead_letters
        ],
    }


def _queue_lines(uow: UnitOfWork, user: CurrentUser) -> Iterator[StatusLine]:
    t, now = user.t, user.now

    def since(
        what: str, count: int, oldest: datetime | None, late: timedelta, unit: str
    ) -> StatusLine:
        if not count or oldest is None:
            return StatusLine(what=what, text=t("没有等待", "nothing waits"))
        note = t(f"最早 {t.ago(oldest, now)}", f"the oldest {t.ago(oldest, now)}")
        return StatusLine(what=what, text=f"{count} {unit}", ok=now - oldest < late, note=note)

    yield since(
        t("待发消息(发件箱)", "Messages to send (outbox)"), uow.outbox.unsent(),
        uow.outbox.oldest_unsent(), LATE_OUTBOX, t("条", "messages"),
    )  # fmt: skip
    refused = read_refused(uow)
    if refused.text:
        count = refused.retrying + refused.quarantined
        yield StatusLine(
            what=t("代理拒收的消息", "Messages that the broker refuses"),
            text=t(f"{count} 条", f"{count}"), ok=False,
            note="; ".join(f"{m.key}: {m.problem}" for m in refused.first),
        )  # fmt: skip
    queue = uow.findings.queue()
    yield since(
        t("待研判线索", "Findings to review"), len(queue),
        min((one.found_at for one in queue), default=None), LATE_REVIEW, t("条", "findings"),
    )  # fmt: skip
    due = uow.cases.escalation_due(now, limit=100)
    yield since(
        t("到点未升级的案件", "Cases whose ladder is due"), len(due),
        min((one.ladder_due_at for one in due if one.ladder_due_at), default=None),
        LATE_LADDER, t("件", "cases"),
    )  # fmt: skip
    for target, (count, first) in uow.deliveries.waiting().items():
        yield since(target, count, first, LATE_OUTBOX * 5, t("条", "deliveries"))
    dead = len(uow.deliveries.dead(limit=1000))
    if dead:
        what = t("放弃的外发通知", "Deliveries given up")
        yield StatusLine(what=what, text=t(f"{dead} 条", f"{dead}"), ok=False)


def _backup_lines(uow: UnitOfWork, user: CurrentUser) -> Iterator[StatusLine]:
    t = user.t
    last = next(iter(uow.access.entries(what="back_up", limit=1)), None)
    what = t("最近一次备份", "Last backup")
    if last is None:
        yield StatusLine(what=what, text=t("还没有备份过", "never"), ok=False)
    else:
        yield StatusLine(
            what=what, text=t.ago(last.at, user.now), note=last.why,
            ok=user.now - last.at < OLD_BACKUP,
        )  # fmt: skip


def _disk_line(one: DiskSpace, t: Translator) -> StatusLine:
    free, total = one.free / 1e9, one.total / 1e9
    return StatusLine(
        what=t.pair(labels.DISKS[one.holds]),
        text=t(f"剩余 {free:.0f} GB", f"{free:.0f} GB free"),
        note=t(f"共 {total:.0f} GB", f"of {total:.0f} GB"),
        ok=one.free > LITTLE_DISK * one.total,
    )


def _service_line(one: ServiceStatus, t: Translator) -> StatusLine:
    ago = (
        t(f"{t.duration(one.since_heartbeat)}前有动静", f"{t.duration(one.since_heartbeat)} ago")
        if one.since_heartbeat
        else ""
    )
    text = t("正常", "well") if one.ok else t("没有动静", "silent")
    return StatusLine(
        what=t.pair(labels.label_of(labels.SERVICE_PARTS, one.name)),
        text=text,
        ok=one.ok,
        note=ago if one.ok else one.text,
    )
