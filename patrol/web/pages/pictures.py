"""Serve pictures, each after its access log entry: to a session, or once to a telephone (/p/…).

A session was given the signed address; the entry is committed before a picture is sent. Every
picture is masked to what may be seen of its camera now; outside the command centre it is redacted,
too.

A one-time link shows a case's picture to somebody who has no login here. The browser that opened it
gets a cookie and may open it again for a minute (a reload, a lost connection). Everybody else gets
410 with the reason; a token that we did not sign gets 404 after the same work. A HEAD request, as
previews send, uses nothing up. The picture is made first; then the opening and its access log entry
are one transaction; then it is sent.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from patrol.domain.account import Permission
from patrol.domain.answering import may_see_case
from patrol.domain.camera import Camera, ConsentState, Polygon
from patrol.domain.case import Case
from patrol.domain.ids import CameraId, CaseId, PictureId, RoundId
from patrol.domain.labels import LINK_REFUSALS
from patrol.domain.observation import Light
from patrol.domain.picture_link import (
    PICTURE_LINK_PATH,
    REOPEN_WITHIN,
    LinkState,
    LinkUse,
    PictureLink,
    holder_hash,
    link_state,
    read_token,
)
from patrol.domain.round import FIELD_PHOTO_PURPOSE, StoredPicture
from patrol.store import UnitOfWork
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.redaction import Watermark
from patrol.web.access_logger import PictureAccess, PictureDeleted
from patrol.web.auth import CurrentUser, Forbidden, NotLoggedIn
from patrol.web.context import AnyUser, ContextDep, WebContext, public
from patrol.web.errors import NO_STORE, ResourceNotFound
from patrol.web.i18n import grid_name
from patrol.web.signed_links import WINDOW_S, SignedPictureUrl, verify_signature
from patrol.web.thumbnails import SheetThumb, masked_jpeg, sheet_layout

REFERENCE_PREFIX: Final = "reference."
_ACCESS_KINDS: Final = {"thumb": "view_thumbnail", "full": "view_picture", "ground": "send_picture"}
_PERMISSIONS_TO_VIEW: Final = {
    "round": (Permission.ROUND,),
    "finding": (Permission.REVIEW,),
    "case": (Permission.CASES, Permission.GROUND),
    "camera": (Permission.AREAS,),
    "patrol": (Permission.PATROL,),
}


router = APIRouter()


def _signed_url(
    picture: str, size: str, until: int, sign: str, viewed_for: Annotated[str, Query(alias="for")]
) -> tuple[SignedPictureUrl, str]:
    return SignedPictureUrl(picture=picture, size=size, viewed_for=viewed_for, until=until), sign


@router.get("/picture/{picture}/{size}")
async def serve_picture(
    context: ContextDep,
    user: AnyUser,
    signed: Annotated[tuple[SignedPictureUrl, str], Depends(_signed_url)],
) -> Response:
    """Send one picture or contact sheet, after its access log entries are committed."""
    signed_url, sign = signed
    viewed_for = signed_url.viewed_for
    if not verify_signature(user.secret, signed_url, sign, user.now) or (
        user.is_outside_centre and signed_url.size != "ground"
    ):
        raise Forbidden(f"no such ticket for {viewed_for}")
    await run_in_threadpool(_check_still_allowed, context, user, viewed_for)
    show = _contact_sheet if signed_url.size == "sheet" else _logged_picture
    jpeg = await show(context, user, signed_url)
    headers = {"Cache-Control": f"private, max-age={WINDOW_S}", "Content-Disposition": "inline"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


async def _contact_sheet(
    context: WebContext, user: CurrentUser, signed_url: SignedPictureUrl
) -> bytes:
    """Some two dozen thumbnails, each logged; a deleted or withdrawn one stays dark."""
    group = await run_in_threadpool(_pictures_on_sheet, context, signed_url)
    entries = [
        context.access_logger.log_access(_thumbnail_access(user, one, signed_url.viewed_for))
        for one in group
    ]
    results = await asyncio.gather(*map(asyncio.wrap_future, entries), return_exceptions=True)
    for failure in results:
        if isinstance(failure, BaseException) and not isinstance(failure, PictureDeleted):
            raise failure
    hidden = await run_in_threadpool(_withdrawn_cameras, context)
    cameras = context.app.registry.cameras
    shown = tuple(
        None
        if stored is None or isinstance(stored, BaseException) or stored.camera in hidden
        else SheetThumb(stored.sha256, _visible_area(cameras.get(stored.camera)))
        for stored in results
    )
    if not any(shown):
        raise HTTPException(410, "deleted on schedule")
    return await run_in_threadpool(context.contact_sheets.jpeg, shown)


def _pictures_on_sheet(context: WebContext, signed_url: SignedPictureUrl) -> Sequence[PictureId]:
    known = context.contact_sheets.pictures(signed_url.picture)
    if known is not None:
        return known
    with context.app.store.begin_read() as uow:  # the server was restarted since the page was made
        a_round = uow.rounds.get(RoundId(signed_url.viewed_for.partition(":")[2]))
        names = sheet_layout(uow.rounds.visits(a_round.id), running=a_round.is_open)
    context.contact_sheets.remember_names(names)
    if signed_url.picture not in names:
        raise HTTPException(410, "the round went on")
    return names[signed_url.picture]


def _thumbnail_access(user: CurrentUser, picture: PictureId, why: str) -> PictureAccess:
    return PictureAccess(
        who=user.account.name, what="view_thumbnail", camera=None, why=why, picture=picture
    )


async def _logged_picture(
    context: WebContext, user: CurrentUser, signed_url: SignedPictureUrl
) -> bytes:
    access = _picture_access(user, signed_url)
    try:
        stored = await asyncio.wrap_future(context.access_logger.log_access(access))
        camera = stored.camera if stored else access.camera
        if camera is not None and not signed_url.viewed_for.startswith("case:"):
            await run_in_threadpool(refuse_withdrawn, context, camera)
        if stored is None:
            return await run_in_threadpool(_reference_bytes, context, signed_url.picture)
        return await run_in_threadpool(_picture_bytes, context, user, signed_url, stored)
    except (PictureDeleted, KeyError) as exc:
        raise HTTPException(410, "deleted on schedule") from exc


def _picture_access(user: CurrentUser, signed_url: SignedPictureUrl) -> PictureAccess:
    if signed_url.picture.startswith(REFERENCE_PREFIX):
        _, _, camera = signed_url.picture.split(".", 2)
        return PictureAccess(
            who=user.account.name, what="view_reference", camera=CameraId(camera),
            why=signed_url.viewed_for, picture=None,
        )  # fmt: skip
    return PictureAccess(
        who=user.account.name,
        what=_ACCESS_KINDS[signed_url.size],
        camera=None,
        why=signed_url.viewed_for,
        picture=PictureId(signed_url.picture),
    )


def _check_still_allowed(context: WebContext, user: CurrentUser, viewed_for: str) -> None:
    """Check again what may have changed since the address was signed. Raises Forbidden."""
    kind, _, ident = viewed_for.partition(":")
    if not any(
        user.has_permission(permission) for permission in _PERMISSIONS_TO_VIEW.get(kind, ())
    ):
        raise Forbidden(f"no right to pictures for {viewed_for}")
    if kind != "case":
        return
    with context.app.store.begin_read() as uow:
        try:
            case = uow.cases.get(CaseId(ident))
        except KeyError:
            raise Forbidden(f"no {viewed_for}") from None
    if not may_see_case(user.account, case, context.app.registry):
        raise Forbidden(f"{viewed_for} lies outside the grid of {user.account.name}")


def refuse_withdrawn(context: WebContext, camera: CameraId) -> None:
    """Refuse pictures of a camera whose household withdrew its consent. Raises PictureDeleted."""
    if camera in _withdrawn_cameras(context):
        raise PictureDeleted(camera)


def _withdrawn_cameras(context: WebContext) -> frozenset[CameraId]:
    """Cameras without consent: by the registry, or withdrawn since."""
    with context.app.store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
    return withdrawn | {
        camera.id
        for camera in context.app.registry.cameras.values()
        if camera.consent.state is ConsentState.WITHDRAWN
    }


def _picture_bytes(
    context: WebContext, user: CurrentUser, signed_url: SignedPictureUrl, stored: StoredPicture
) -> bytes:
    if signed_url.size == "ground":
        return _redacted_bytes(context, user, signed_url, stored)
    if signed_url.size == "thumb":
        small, visible = context.thumbnails.get(stored.sha256), _visible_part(context, stored)
        return masked_jpeg(small, visible) if visible is not None else small
    return masked_to_consent(context, stored)


def masked_to_consent(context: WebContext, stored: StoredPicture) -> bytes:
    """The stored picture, black outside what may be seen of its camera now. Raises KeyError.

    Masked whenever it is shown: a visible area may shrink in the editor, by hand in zones.yaml or
    with a restored backup, and not every change is recorded with its time.
    """
    jpeg, visible = context.app.evidence.get(stored.sha256), _visible_part(context, stored)
    return masked_jpeg(jpeg, visible) if visible is not None else jpeg


def _visible_part(context: WebContext, stored: StoredPicture) -> Polygon | None:
    """The visible area of the picture's camera; None for a field photo: all of it is shown."""
    if stored.purpose == FIELD_PHOTO_PURPOSE:
        return None
    return _visible_area(context.app.registry.cameras.get(stored.camera))


def _visible_area(camera: Camera | None) -> Polygon | None:
    return camera.areas.visible if camera is not None else None


def _redacted_bytes(
    context: WebContext, user: CurrentUser, signed_url: SignedPictureUrl, stored: StoredPicture
) -> bytes:
    """Redact a camera's picture, cut around the finding, or a whole field photo.

    Without consent nobody outside gets the camera's pictures, not even of a running case.
    Raises KeyError, PictureDeleted.
    """
    case_id = CaseId(signed_url.viewed_for.partition(":")[2])
    with context.app.store.begin_read() as uow:
        case = uow.cases.get(case_id)
        sent = any(photo.picture == stored.id for photo in uow.case_photos.of_case(case_id))
    if not sent and case.camera is not None:
        refuse_withdrawn(context, case.camera)
    jpeg = masked_to_consent(context, stored)
    watermark = watermark_for(context, case_id, user.account.name, user.now)
    return context.app.redact(jpeg, None if sent else case.box, watermark).jpeg


def watermark_for(context: WebContext, case: CaseId, recipient: str, now: datetime) -> Watermark:
    """The text on a picture that leaves now: site, case, time, recipient."""
    site = context.site
    at = f"{now.astimezone(site.tz):%Y-%m-%d %H:%M}"
    return Watermark(site=site.name, case=case, at=at, recipient=recipient)


def _reference_bytes(context: WebContext, name: str) -> bytes:
    _, light, camera = name.split(".", 2)
    with context.app.store.begin_read() as uow:
        blob = uow.memories.get(CameraId(camera), Light(light))
    scene = CameraMemory.from_bytes(blob, Light(light)).scene
    if scene is None or not scene.samples:
        raise KeyError(camera)
    visible = _visible_area(context.app.registry.cameras.get(CameraId(camera)))
    return masked_jpeg(scene.samples[-1], visible) if visible is not None else scene.samples[-1]


log = structlog.get_logger(__name__)

PICTURE_LINK_COOKIE: Final = "patrol_picture"
HINT_NEW_LINK: Final = (
    "需再看：在案件中回复后，新消息带新链接；或致电中心。",
    "To look again: answer the case, the next message has a new link; or call the centre.",
)
HINT_CALL_CENTRE: Final = ("有疑问请致电中心。", "Questions: call the centre.")
CONSENT_WITHDRAWN: Final = ("农户已撤回同意，画面不再提供", "the household withdrew its consent")
PICTURE_DELETED: Final = ("照片已按期删除", "deleted on schedule")


class _LinkRefused(Exception):
    """The link is signed by us and may not be opened now; `text` is the (zh, en) reason."""

    def __init__(self, text: tuple[str, str]) -> None:
        super().__init__(text[1])
        self.text = text


@router.get(
    PICTURE_LINK_PATH + "{token}", dependencies=public("the token is the right: one picture, once")
)
def open_picture_link(context: ContextDep, request: Request, token: str) -> Response:
    """Send the redacted picture, once."""
    links, now = context.app.payloads.link_signer, context.app.clock.now()
    link = read_token(token, links.key if links else secrets.token_bytes(32))
    if link is None or links is None:
        raise ResourceNotFound("link")
    given = request.cookies.get(PICTURE_LINK_COOKIE, "")
    try:
        case, stored = _readable_case(context, link, given, now)
        _refuse_other_grids(context, request, case)
        jpeg = _redacted_picture(context, link, case, stored, now)
        secret = _record_opening(context, link, given, now)
    except _LinkRefused as exc:
        log.info("link not opened", case=link.case, grid=link.grid, why=str(exc))
        return _refusal_response(context, request, exc.text)
    answer = Response(jpeg, media_type="image/jpeg", headers=NO_STORE)
    if secret:
        answer.set_cookie(
            PICTURE_LINK_COOKIE,
            secret,
            max_age=int(REOPEN_WITHIN.total_seconds()),
            path=PICTURE_LINK_PATH,
            httponly=True,
            samesite="lax",
            secure=context.console.is_https,
        )
    return answer


def _readable_case(
    context: WebContext, link: PictureLink, given: str, now: datetime
) -> tuple[Case, StoredPicture]:
    with context.app.store.begin_read() as uow:
        try:
            case = uow.cases.get(link.case)
        except KeyError:  # a restored backup is older than the link
            raise ResourceNotFound("link") from None
        _link_state(uow, link, given, now)
        stored = uow.pictures.get(case.before) if case.before is not None else None
    if stored is None:
        raise _LinkRefused(PICTURE_DELETED)
    return case, stored


def _link_state(uow: UnitOfWork, link: PictureLink, given: str, now: datetime) -> LinkState:
    """The state of a link that may be opened. Raises _LinkRefused."""
    case = uow.cases.get(link.case)
    openings = uow.picture_links.uses(link.case, link.grid)
    state = link_state(link, case, openings, holder_hash(given), now)
    if not state.opens:
        raise _LinkRefused(LINK_REFUSALS[state])
    return state


def _refuse_other_grids(context: WebContext, request: Request, case: Case) -> None:
    """Refuse a logged-in user of another grid, and use nothing up. Raises Forbidden."""
    try:
        user = context.auth.current_user(request)
    except NotLoggedIn:
        return
    if user.is_outside_centre and not may_see_case(user.account, case, context.app.registry):
        raise Forbidden(f"{case.id} lies outside the grid of {user.account.name}")


def _redacted_picture(
    context: WebContext, link: PictureLink, case: Case, stored: StoredPicture, now: datetime
) -> bytes:
    notified = reversed(case.policy.ladder[: case.rung + 1])
    person = next((step.person for step in notified if step.grid == link.grid), "")
    recipient = f"{grid_name(context.app.registry, link.grid)} {person}".strip()
    try:
        if case.camera is not None:
            refuse_withdrawn(context, case.camera)
        jpeg = masked_to_consent(context, stored)
    except PictureDeleted:
        raise _LinkRefused(CONSENT_WITHDRAWN) from None
    except KeyError:
        raise _LinkRefused(PICTURE_DELETED) from None
    return context.app.redact(jpeg, case.box, watermark_for(context, case.id, recipient, now)).jpeg


def _record_opening(context: WebContext, link: PictureLink, given: str, now: datetime) -> str:
    """Record and log the opening; the cookie's secret at the first one. Raises _LinkRefused."""
    secret = secrets.token_urlsafe(24)
    with context.app.store.begin() as uow:
        state = _link_state(uow, link, given, now)
        first = state is LinkState.OPENS
        opening = LinkUse(
            case=link.case, grid=link.grid, revision=link.revision, at=now,
            holder=holder_hash(secret),
        )  # fmt: skip
        if first and not uow.picture_links.record_use(opening):
            raise _LinkRefused(LINK_REFUSALS[LinkState.SPENT])  # another telephone was faster
        uow.access.append(
            at=now,
            who=f"link/{link.grid}",
            what="open_link" if first else "reopen_link",
            camera=uow.cases.get(link.case).camera,
            why=f"case:{link.case} r{link.revision}",
        )
        uow.commit()
    return secret if first else ""


def _refusal_response(context: WebContext, request: Request, text: tuple[str, str]) -> Response:
    t, phone = context.translator(request), context.app.site.settings.centre_phone
    again = text in (LINK_REFUSALS[LinkState.SPENT], LINK_REFUSALS[LinkState.EXPIRED])
    detail = f"{t.pair(HINT_NEW_LINK if again else HINT_CALL_CENTRE)} {phone}".strip()
    return context.error_response(request, 410, text, detail=detail)
