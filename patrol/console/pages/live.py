"""Live look (实时查看): for a finding, a case or a round, with a reason, for a minute, on record.

The answer is multipart/x-mixed-replace, a JPEG each time the camera sends a key frame; the last
part says in JSON why it ended. Both ends are lines in the access log; the first stands there before
the camera is connected to.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from patrol.console.asking import AtDesk, ForLive
from patrol.console.camera_doors import CannotDo, LiveFrame
from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.answers import told, why_not
from patrol.console.pages.cameras import known_camera
from patrol.console.pages.common import category_words, plan_words
from patrol.console.witness import Look
from patrol.domain.account import may_see_case
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId
from patrol.store import UnitOfWork

BOUNDARY: Final = "patrol-live-look"
RECENT: Final = timedelta(hours=12)  # a finding or a round of yesterday is no reason to look now
router = APIRouter()


class Asked(BaseModel):
    """Why somebody wants to look."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    context: str = Field(alias="for", max_length=80)
    reason: str = Field(min_length=2, max_length=200)


@router.get("/cameras/{ident}/live")
def page(
    desk: AtDesk, caller: ForLive, ident: str, context: Annotated[str, Query(alias="for")] = ""
) -> Response:
    """Where the reason is given; nothing is connected to yet."""
    camera = known_camera(desk, ident)
    words, back = _checked(desk, caller, camera, context)
    limits = desk.doors.cameras.live
    return desk.shell.page(
        "live.html", caller, camera=camera, context=context, words=words, back=back,
        lasts_s=round(limits.lasts_s),
    )  # fmt: skip


@router.post("/api/cameras/{ident}/live")
async def look(desk: AtDesk, caller: ForLive, ident: str, asked: Asked) -> Response:
    """The pictures."""
    camera = await run_in_threadpool(known_camera, desk, ident)
    await run_in_threadpool(_checked, desk, caller, camera, asked.context)
    watching = _Watching(desk, caller, camera, asked)
    await watching.begin()
    frames = desk.doors.cameras.watch(camera.id)
    try:
        first = await anext(frames, None)
    except CannotDo as exc:
        watching.end(str(exc))
        refused = exc
        return told(lambda: _raise(refused), caller.say)
    except Exception:
        watching.end("failed")
        raise
    return StreamingResponse(
        watching.parts(first, frames),
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        # Told as it is: what is zipped is held back until there is enough of it.
        headers={"Cache-Control": "no-store", "Content-Encoding": "identity"},
    )


@dataclass
class _Watching:
    """One look under way."""

    desk: Desk
    caller: Caller
    camera: Camera
    asked: Asked
    pictures: int = 0
    begun_at: datetime | None = None

    async def begin(self) -> None:
        """Written down before the camera is connected to."""
        self.begun_at = self.desk.doors.clock.now()
        await asyncio.wrap_future(self._saw("live_look", self.asked.reason))

    async def parts(
        self, first: LiveFrame | None, frames: AsyncIterator[LiveFrame]
    ) -> AsyncIterator[bytes]:
        """The multipart body; its end is written down however it comes."""
        ended = "stopped"  # the window was closed
        try:
            if first is not None:
                yield self._part(first)
            async for frame in frames:
                yield self._part(frame)
            ended = "time_up"
        except CannotDo as exc:
            ended = str(exc)
        finally:
            self.end(ended)
        said = {"ended": ended, "words": why_not(ended, self.caller.say)}
        body = json.dumps(said, ensure_ascii=False).encode()
        yield _head("application/json", len(body)) + body + f"\r\n--{BOUNDARY}--\r\n".encode()

    def _part(self, frame: LiveFrame) -> bytes:
        self.pictures += 1
        at = frame.taken_at.isoformat().replace("+00:00", "Z")
        head = _head("image/jpeg", len(frame.jpeg), f"X-Taken-At: {at}\r\n")
        return head + frame.jpeg + b"\r\n"

    def end(self, how: str) -> None:
        """Written down; nobody waits for it."""
        lasted = self.desk.doors.clock.now() - (self.begun_at or self.caller.now)
        self._saw(
            "live_look_end", f"{lasted.total_seconds():.0f} s, {self.pictures} pictures, {how}"
        )

    def _saw(self, what: str, why: str) -> Future[CameraId | None]:
        said = f"{self.asked.context} {why}"
        who, camera = self.caller.account.name, self.camera.id
        return self.desk.witness.saw(
            Look(who=who, what=what, camera=camera, why=said, picture=None)
        )


def _head(kind: str, length: int, more: str = "") -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n".encode()
    )


def _raise(exc: CannotDo) -> None:
    raise exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Who wants to look through which camera, and the number of what it is for."""

    desk: Desk
    caller: Caller
    camera: Camera
    ident: str

    def no_reason(self, kind: str) -> Forbidden:
        """It exists, and is no reason to look here and now."""
        return Forbidden(f"{kind} {self.ident}: no reason to look through {self.camera.id} now")


def _checked(desk: Desk, caller: Caller, camera: Camera, context: str) -> tuple[str, str]:
    """What it is for, in words, and where that page is. Raises Forbidden."""
    kind, _, ident = context.partition(":")
    if kind not in _REASONS:
        raise Forbidden("a live look is for a finding, a case or a round")
    wish = _Wish(desk=desk, caller=caller, camera=camera, ident=ident)
    try:
        with desk.doors.store.begin_read() as uow:
            return _REASONS[kind](uow, wish)
    except KeyError as exc:
        raise Forbidden(f"no {context}") from exc


def _finding(uow: UnitOfWork, wish: _Wish) -> tuple[str, str]:
    finding, say = uow.findings.get(FindingId(wish.ident)), wish.caller.say
    decided = finding.decided_at
    over = decided is not None and wish.caller.now - decided > RECENT
    if finding.camera != wish.camera.id or over:
        raise wish.no_reason("finding")
    what = category_words(finding.category, say)
    words = say(f"线索 {finding.id} {what}", f"finding {finding.id}, {what}")
    return words, f"/review?finding={finding.id}"


def _case(uow: UnitOfWork, wish: _Wish) -> tuple[str, str]:
    case, say = uow.cases.get(CaseId(wish.ident)), wish.caller.say
    visible = may_see_case(wish.caller.account, case, wish.desk.doors.registry.tree)
    if case.camera != wish.camera.id or not visible or not case.is_open:
        raise wish.no_reason("case")
    what = category_words(case.category, say)
    return say(f"案件 {case.id} {what}", f"case {case.id}, {what}"), f"/cases/{case.id}"


def _round(uow: UnitOfWork, wish: _Wish) -> tuple[str, str]:
    a_round, say = uow.rounds.get(RoundId(wish.ident)), wish.caller.say
    over = not a_round.is_open and wish.caller.now - a_round.planned_at > RECENT
    visited = any(visit.camera == wish.camera.id for visit in uow.rounds.visits(a_round.id))
    if over or not visited:
        raise wish.no_reason("round")
    words = f"{a_round.day} {plan_words(a_round.plan, say)}"
    where = f"/rounds/{a_round.id}/camera/{wish.camera.id}"
    return say(f"巡查 {words}", f"round {words}"), where


_REASONS: Final = {"finding": _finding, "case": _case, "round": _round}
