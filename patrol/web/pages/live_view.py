"""Live view (实时查看) of a camera: for a finding, a case or a round, with a reason, for a minute.

The answer is multipart/x-mixed-replace: a JPEG each time the camera sends a key frame, and a last
part in JSON that says why it ended. Start and end are access log entries; the first is committed
before the camera is connected to.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from patrol.domain.account import Permission
from patrol.domain.answering import may_see_case
from patrol.domain.camera import Camera
from patrol.domain.human_patrol import HumanPatrolState
from patrol.domain.ids import CaseId, FindingId, RoundId
from patrol.domain.round import StoredPicture
from patrol.rounds.live_view import LiveFrame, LiveViewRefused
from patrol.store import StoreUnavailable, UnitOfWork
from patrol.web.access_logger import PictureAccess
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayViewLive, WebContext
from patrol.web.errors import error_document
from patrol.web.i18n import category_label, plan_label
from patrol.web.live_frames import SentFrame
from patrol.web.pages.cameras import refusal_text, registered_camera

BOUNDARY: Final = "patrol-live-look"
LOGIN_CHECK_S: Final = 0.4  # a view ends within a second of the account's disabling
RECENT: Final = timedelta(hours=12)  # an older finding or round justifies no live view
router = APIRouter()


class LiveViewForm(BaseModel):
    """The finding, case or round that a live view is for, and the reason, which is logged."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    viewed_for: str = Field(alias="for", max_length=80)
    reason: str = Field(min_length=2, max_length=200)


@router.get("/cameras/{ident}/live")
def live_view_page(
    context: ContextDep,
    user: MayViewLive,
    ident: str,
    viewed_for: Annotated[str, Query(alias="for")] = "",
) -> Response:
    """The page that asks for the reason; the camera is not connected to yet."""
    camera = registered_camera(context, ident)
    purpose, back = _purpose_and_page(context, user, camera, viewed_for)
    limits = context.app.live_view.limits
    return context.renderer.render_page(
        "live.html", user, camera=camera, context=viewed_for, purpose=purpose, back=back,
        lasts_s=round(limits.duration_s),
    )  # fmt: skip


@router.post("/api/cameras/{ident}/live")
async def live_view(
    context: ContextDep, user: MayViewLive, ident: str, form: LiveViewForm
) -> Response:
    """Stream the pictures; or answer with the reason why not."""
    camera = await run_in_threadpool(registered_camera, context, ident)
    await run_in_threadpool(_purpose_and_page, context, user, camera, form.viewed_for)
    session = _LiveViewSession(context, user, camera, form)
    await session.log_start()
    frames = _until_logged_out(context, user, context.app.live_view.frames(camera.id))
    try:
        first = await anext(frames, None)
    except LiveViewRefused as exc:
        session.log_end(str(exc))
        return error_document(409, refusal_text(str(exc), user.t))
    except Exception:
        session.log_end("failed")
        raise
    return StreamingResponse(
        session.multipart_body(first, frames),
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        # Not zipped: the compression would hold pictures back until it has enough of them.
        headers={"Cache-Control": "no-store", "Content-Encoding": "identity"},
    )


async def _until_logged_out(
    context: WebContext, user: CurrentUser, frames: AsyncIterator[LiveFrame]
) -> AsyncIterator[LiveFrame]:
    """The frames while the viewer's login lasts. Raises LiveViewRefused (`logged_out`)."""
    ending = asyncio.create_task(_wait_for_log_out(context, user), name="live view's login")
    getting: asyncio.Task[LiveFrame | None] | None = None
    try:
        while True:
            getting = asyncio.create_task(_next(frames))
            await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise LiveViewRefused("logged_out")
            frame = getting.result()
            if frame is None:
                return
            yield frame
    finally:
        for task in (ending, getting):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if isinstance(frames, AsyncGenerator):
            await frames.aclose()


async def _next(frames: AsyncIterator[LiveFrame]) -> LiveFrame | None:
    return await anext(frames, None)


async def _wait_for_log_out(context: WebContext, user: CurrentUser) -> None:
    """Return once the login session is over: logged out, disabled, another duty, its time."""
    while True:
        with suppress(StoreUnavailable):  # a login ends in the store; nobody can end it meanwhile
            if not await run_in_threadpool(context.auth.is_in_force, user.session):
                return
        await asyncio.sleep(LOGIN_CHECK_S)


@dataclass
class _LiveViewSession:
    """One live view under way, and its access log entries."""

    context: WebContext
    user: CurrentUser
    camera: Camera
    form: LiveViewForm
    pictures: int = 0
    begun_at: datetime | None = None

    async def log_start(self) -> None:
        """Log the start, before the camera is connected to; raises when that fails."""
        self.begun_at = self.context.app.clock.now()
        await asyncio.wrap_future(self._log_access("live_look", self.form.reason))

    async def multipart_body(
        self, first: LiveFrame | None, frames: AsyncIterator[LiveFrame]
    ) -> AsyncIterator[bytes]:
        """The multipart body; its end is logged, whatever ends it."""
        ended = "stopped"  # the window was closed
        try:
            if first is not None:
                yield self._frame_part(first)
            async for frame in frames:
                yield self._frame_part(frame)
            ended = "time_up"
        except LiveViewRefused as exc:
            ended = str(exc)
        finally:
            self.log_end(ended)
        ending = {"ended": ended, "words": refusal_text(ended, self.user.t)}
        body = json.dumps(ending, ensure_ascii=False).encode()
        yield _head("application/json", len(body)) + body + f"\r\n--{BOUNDARY}--\r\n".encode()

    def _frame_part(self, frame: LiveFrame) -> bytes:
        self.pictures += 1
        at = frame.taken_at.isoformat().replace("+00:00", "Z")
        sent = SentFrame(
            camera=self.camera.id, jpeg=frame.jpeg, taken_at=frame.taken_at,
            sent_at=self.context.app.clock.now(),
        )  # fmt: skip
        digest = self.context.live_frames.remember(self.user.session.id, sent)
        more = f"X-Taken-At: {at}\r\nX-Frame: {digest}\r\n"
        head = _head("image/jpeg", len(frame.jpeg), more)
        return head + frame.jpeg + b"\r\n"

    def log_end(self, how: str) -> None:
        """Log the end, without waiting for it."""
        lasted = self.context.app.clock.now() - (self.begun_at or self.user.now)
        self._log_access(
            "live_look_end", f"{lasted.total_seconds():.0f} s, {self.pictures} pictures, {how}"
        )

    def _log_access(self, what: str, why: str) -> Future[StoredPicture | None]:
        reason = f"{self.form.viewed_for} {why}"
        who, camera = self.user.account.name, self.camera.id
        return self.context.access_logger.log_access(
            PictureAccess(who=who, what=what, camera=camera, why=reason, picture=None)
        )


def _head(kind: str, length: int, more: str = "") -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n".encode()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _LiveViewRequest:
    """The user, the camera, and the id of the finding, case or round that it is for."""

    context: WebContext
    user: CurrentUser
    camera: Camera
    ident: str

    def no_reason(self, kind: str) -> Forbidden:
        """The refusal when finding, case or round exist and justify no live view now."""
        return Forbidden(f"{kind} {self.ident}: no reason for a live view of {self.camera.id} now")


def _purpose_and_page(
    context: WebContext, user: CurrentUser, camera: Camera, viewed_for: str
) -> tuple[str, str]:
    """(what it is for, the address of that page). Raises Forbidden."""
    kind, _, ident = viewed_for.partition(":")
    if kind not in _REASONS:
        raise Forbidden("a live view is for a finding, a case or a round")
    request = _LiveViewRequest(context=context, user=user, camera=camera, ident=ident)
    try:
        with context.app.store.begin_read() as uow:
            return _REASONS[kind](uow, request)
    except KeyError as exc:
        raise Forbidden(f"no {viewed_for}") from exc


def _finding_purpose(uow: UnitOfWork, request: _LiveViewRequest) -> tuple[str, str]:
    finding, t = uow.findings.get(FindingId(request.ident)), request.user.t
    decided = finding.decided_at
    over = decided is not None and request.user.now - decided > RECENT
    if finding.camera != request.camera.id or over:
        raise request.no_reason("finding")
    what = category_label(finding.category, t)
    purpose = t(f"线索 {finding.id} {what}", f"finding {finding.id}, {what}")
    return purpose, f"/review?finding={finding.id}"


def _case_purpose(uow: UnitOfWork, request: _LiveViewRequest) -> tuple[str, str]:
    case, t = uow.cases.get(CaseId(request.ident)), request.user.t
    visible = may_see_case(request.user.account, case, request.context.app.registry)
    if case.camera != request.camera.id or not visible or not case.is_open:
        raise request.no_reason("case")
    what = category_label(case.category, t)
    return t(f"案件 {case.id} {what}", f"case {case.id}, {what}"), f"/cases/{case.id}"


def _round_purpose(uow: UnitOfWork, request: _LiveViewRequest) -> tuple[str, str]:
    a_round, t = uow.rounds.get(RoundId(request.ident)), request.user.t
    over = not a_round.is_open and request.user.now - a_round.planned_at > RECENT
    visited = any(visit.camera == request.camera.id for visit in uow.rounds.visits(a_round.id))
    if over or not visited:
        raise request.no_reason("round")
    label = f"{a_round.day} {plan_label(a_round.plan, t)}"
    where = f"/rounds/{a_round.id}/camera/{request.camera.id}"
    return t(f"巡查 {label}", f"round {label}"), where


def _patrol_purpose(uow: UnitOfWork, request: _LiveViewRequest) -> tuple[str, str]:
    """A running human patrol of the own, whose plan wants live pictures, and a camera of it."""
    patrol, user = uow.human_patrols.get(request.ident), request.user
    check = uow.human_patrols.check_of(patrol.id, request.camera.id)
    mine = patrol.started_by == user.account.name or user.has_permission(Permission.SETTLE)
    if patrol.state is not HumanPatrolState.RUNNING or not patrol.live or not mine:
        raise request.no_reason("patrol")
    label = f"{patrol.day} {patrol.title}"
    purpose = user.t(f"人工巡查 {label}", f"human patrol {label}")
    return purpose, f"/patrols/{check.patrol}"


_REASONS: Final = {
    "finding": _finding_purpose,
    "case": _case_purpose,
    "round": _round_purpose,
    "patrol": _patrol_purpose,
}
