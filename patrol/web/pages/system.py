"""The system page (系统状态): what waits since when, silent parts of the service, disks, backups.

The state of the parts is that of /healthz. The button runs the store's consistency check.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.app import Application
from patrol.domain import labels
from patrol.messaging.refused_messages import read_refused
from patrol.store import UnitOfWork
from patrol.store import check as find_problems
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    MayViewSystem,
    WebContext,
)
from patrol.web.i18n import Translator

LATE_OUTBOX: Final = timedelta(minutes=2)
LATE_REVIEW: Final = timedelta(hours=4)
LATE_LADDER: Final = timedelta(minutes=1)
OLD_BACKUP: Final = timedelta(hours=30)  # one a night, and a morning to notice that it failed
LITTLE_DISK: Final = 0.10
MAX_PROBLEMS: Final = 50
SQLITE: Final = "sqlite:///"
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine:
    """One line of the page: a fact, its value, and whether it needs attention (`ok` is False)."""

    what: str
    text: str
    ok: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """The health check of one part of the service."""

    name: str
    ok: bool
    text: str
    since_heartbeat: timedelta | None = None  # None: it sends none


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """Free space of the disk that holds the database or the pictures."""

    holds: str  # database, evidence
    free: int  # bytes
    total: int


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
def check_database(context: ContextDep, _user: MayViewSystem) -> Response:
    """Run the store's consistency check; takes seconds."""
    return JSONResponse({"problems": store_problems(context.app)[:MAX_PROBLEMS]})


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
            (user.t.short_datetime(one.at), one.topic, user.t.problem(one.reason))
            for one in dead_letters
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
        t("待发消息（发件箱）", "Messages to send (outbox)"), uow.outbox.unsent(),
        uow.outbox.oldest_unsent(), LATE_OUTBOX, t("条", "messages"),
    )  # fmt: skip
    refused = read_refused(uow)
    if refused.text:
        count = refused.retrying + refused.quarantined
        yield StatusLine(
            what=t("代理拒收的消息", "Messages that the broker refuses"),
            text=t(f"{count} 条", f"{count}"), ok=False,
            note=t.problem("; ".join(f"{m.key}: {m.problem}" for m in refused.first)),
        )  # fmt: skip
    totals = uow.findings.waiting_totals()
    yield since(
        t("待研判线索", "Findings to review"), sum(one.count for one in totals),
        min((one.oldest for one in totals), default=None), LATE_REVIEW, t("条", "findings"),
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
    last = next(iter(uow.access.of_no_camera("back_up", limit=1)), None)
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
        note=ago if one.ok else t.problem(one.text),
    )


def service_status(app: Application) -> Sequence[ServiceStatus]:
    """The parts of the service as /healthz shows them; none when it runs in another process."""
    return [
        ServiceStatus(
            name=check.name,
            ok=check.ok,
            text=check.message,
            since_heartbeat=None if check.ago_s is None else timedelta(seconds=check.ago_s),
        )
        for check in app.service_checks()
    ]


def disk_usage(app: Application) -> Sequence[DiskSpace]:
    """The disks of pictures and database; a PostgreSQL server's disk is left out."""
    settings = app.site.settings
    folders = {"evidence": settings.evidence}
    if settings.database.startswith(SQLITE):
        folders["database"] = Path(settings.database.removeprefix(SQLITE)).parent
    return [
        DiskSpace(holds=holds, free=usage.free, total=usage.total)
        for holds, folder in folders.items()
        if folder.exists()
        for usage in (shutil.disk_usage(folder),)
    ]


def store_problems(app: Application) -> list[str]:
    """Problems that the store's consistency check finds; takes seconds. Raises StoreUnavailable."""
    return [str(problem) for problem in find_problems(app.store)]
