"""How the house itself does (系统状态), in words: what waits, since when, and what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, JSONResponse, Response

from patrol.console.asking import AtDesk, ForSystem
from patrol.console.desk import Desk
from patrol.console.doors import Disk, Part
from patrol.console.gate import Caller
from patrol.console.words import Words
from patrol.store import UnitOfWork

LATE_OUTBOX: Final = timedelta(minutes=2)
LATE_REVIEW: Final = timedelta(hours=4)
LATE_LADDER: Final = timedelta(minutes=1)
OLD_BACKUP: Final = timedelta(hours=30)  # a night's, and a morning to notice
LITTLE_DISK: Final = 0.10
PARTS: Final = {
    "relay": ("消息发送", "sends messages"),
    "ladder": ("升级督办", "escalates"),
    "looks": ("复看核查", "looks again"),
    "rounds": ("巡查调度", "keeps the rounds"),
    "canary": ("推送自检发出", "sends the canary"),
    "canary came back": ("推送自检返回", "the canary comes back"),
}
HOLDS: Final = {
    "database": ("数据库磁盘", "database disk"),
    "evidence": ("画面磁盘", "picture disk"),
}
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line: what, how it is, and whether somebody should see to it."""

    what: str
    words: str
    ok: bool = True
    note: str = ""


@router.get("/system")
def system(desk: AtDesk, caller: ForSystem) -> Response:
    """The page."""
    return desk.shell.page("system.html", caller, **_content(desk, caller))


@router.get("/system/part")
def part(desk: AtDesk, caller: ForSystem) -> Response:
    """As it moves."""
    html = desk.shell.fragment("system_part.html", caller, **_content(desk, caller))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.post("/api/system/check")
def check(desk: AtDesk, _caller: ForSystem) -> Response:
    """The store's own fsck; takes seconds."""
    return JSONResponse({"problems": list(desk.doors.check_store())[:50]})


def _content(desk: Desk, caller: Caller) -> dict[str, Any]:
    with desk.doors.store.begin_read() as uow:
        waits = list(_waits(uow, caller))
        kept = list(_kept(uow, caller))
        letters = uow.inbox.dead_letters(limit=20)
    kept += [_disk(one, caller.say) for one in desk.doors.disks()]
    parts = [_part(one, caller.say) for one in desk.doors.parts()]
    return {
        "pages": desk.pulse.listeners,
        "groups": [
            (caller.say("等待处理", "What waits"), waits),
            (caller.say("部件", "Parts of the service"), parts),
            (caller.say("存储与备份", "Storage and backup"), kept),
        ],
        "wrong": sum(not one.ok for one in (*waits, *parts, *kept)),
        "letters": [(caller.say.moment(one.at), one.topic, one.reason) for one in letters],
    }


def _waits(uow: UnitOfWork, caller: Caller) -> Iterator[Fact]:
    say, now = caller.say, caller.now

    def since(what: str, count: int, oldest: datetime | None, late: timedelta, unit: str) -> Fact:
        if not count or oldest is None:
            return Fact(what=what, words=say("没有等待", "nothing waits"))
        note = say(f"最早 {say.ago(oldest, now)}", f"the oldest {say.ago(oldest, now)}")
        return Fact(what=what, words=f"{count} {unit}", ok=now - oldest < late, note=note)

    yield since(
        say("待发消息(发件箱)", "Messages to send (outbox)"), uow.outbox.unsent(),
        uow.outbox.oldest_unsent(), LATE_OUTBOX, say("条", "messages"),
    )  # fmt: skip
    queue = uow.findings.queue()
    yield since(
        say("待研判线索", "Findings to review"), len(queue),
        min((one.found_at for one in queue), default=None), LATE_REVIEW, say("条", "findings"),
    )  # fmt: skip
    due = uow.cases.ladder_due(now, limit=100)
    yield since(
        say("到点未升级的案件", "Cases whose ladder is due"), len(due),
        min((one.ladder_due_at for one in due if one.ladder_due_at), default=None),
        LATE_LADDER, say("件", "cases"),
    )  # fmt: skip
    for target, (count, first) in uow.deliveries.waiting().items():
        yield since(target, count, first, LATE_OUTBOX * 5, say("条", "deliveries"))
    dead = len(uow.deliveries.dead(limit=1000))
    if dead:
        what = say("放弃的外发通知", "Deliveries given up")
        yield Fact(what=what, words=say(f"{dead} 条", f"{dead}"), ok=False)


def _kept(uow: UnitOfWork, caller: Caller) -> Iterator[Fact]:
    say = caller.say
    last = next(iter(uow.access.entries(what="back_up", limit=1)), None)
    what = say("最近一次备份", "Last backup")
    if last is None:
        yield Fact(what=what, words=say("还没有备份过", "never"), ok=False)
    else:
        yield Fact(
            what=what, words=say.ago(last.at, caller.now), note=last.why,
            ok=caller.now - last.at < OLD_BACKUP,
        )  # fmt: skip


def _disk(one: Disk, say: Words) -> Fact:
    free, total = one.free / 1e9, one.total / 1e9
    return Fact(
        what=say.pair(HOLDS[one.holds]),
        words=say(f"剩余 {free:.0f} GB", f"{free:.0f} GB free"),
        note=say(f"共 {total:.0f} GB", f"of {total:.0f} GB"),
        ok=one.free > LITTLE_DISK * one.total,
    )


def _part(one: Part, say: Words) -> Fact:
    ago = say(f"{say.lasting(one.ago)}前有动静", f"{say.lasting(one.ago)} ago") if one.ago else ""
    words = say("正常", "well") if one.ok else say("没有动静", "silent")
    return Fact(
        what=say.pair(PARTS.get(one.name, (one.name, one.name))),
        words=words,
        ok=one.ok,
        note=ago if one.ok else one.words,
    )
