"""Pictures: served to the login that was given the address, while it holds, and written down."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from patrol.console.asking import Anybody, AtDesk
from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.sheets import Shot, laid_out
from patrol.console.thumbs import masked
from patrol.console.tickets import WINDOW_S, Ticket, is_good
from patrol.console.witness import Gone, Look
from patrol.domain.account import Right, may_see_case
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.ids import CameraId, CaseId, RoundId, Sha256
from patrol.domain.observation import Light
from patrol.domain.round import GROUND
from patrol.domain.zone import Polygon
from patrol.vision.memory import EyeMemory
from patrol.vision.redaction import Mark

REFERENCE: Final = "reference."
_SEEN: Final = {"thumb": "view_thumbnail", "full": "view_picture", "ground": "send_picture"}
_WHY: Final = {
    "round": (Right.ROUND,),
    "finding": (Right.REVIEW,),
    "case": (Right.CASES, Right.GROUND),
    "camera": (Right.AREAS,),
}


router = APIRouter()


def _asked(
    picture: str, size: str, until: int, sign: str, context: Annotated[str, Query(alias="for")]
) -> tuple[Ticket, str]:
    return Ticket(picture=picture, size=size, context=context, until=until), sign


@router.get("/picture/{picture}/{size}")
async def picture(
    desk: AtDesk, caller: Anybody, asked: Annotated[tuple[Ticket, str], Depends(_asked)]
) -> Response:
    """One picture, after its line stands in the access log."""
    ticket, sign = asked
    context = ticket.context
    if not is_good(caller.secret, ticket, sign, caller.now) or (
        caller.outside and ticket.size != "ground"
    ):
        raise Forbidden(f"no such ticket for {context}")
    await run_in_threadpool(_still_allowed, desk, caller, context)
    show = _sheet if ticket.size == "sheet" else _witnessed
    jpeg = await show(desk, caller, ticket)
    headers = {"Cache-Control": f"private, max-age={WINDOW_S}", "Content-Disposition": "inline"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


async def _sheet(desk: Desk, caller: Caller, ticket: Ticket) -> bytes:
    """Two dozen thumbnails, each with its own line; those that are gone stay dark."""
    group = await run_in_threadpool(_laid_out, desk, ticket)
    lines = [desk.witness.saw(_thumbnail(caller, one, ticket.context)) for one in group]
    said = await asyncio.gather(*map(asyncio.wrap_future, lines), return_exceptions=True)
    for failure in said:
        if isinstance(failure, BaseException) and not isinstance(failure, Gone):
            raise failure
    hidden = await run_in_threadpool(_withdrawn, desk)
    cameras = desk.doors.registry.cameras
    shown = tuple(
        None
        if camera is None or isinstance(camera, BaseException) or camera in hidden
        else Shot(one, _visible(cameras.get(camera)))
        for one, camera in zip(group, said, strict=True)
    )
    if not any(shown):
        raise HTTPException(410, "deleted on schedule")
    return await run_in_threadpool(desk.sheets.jpeg, shown)


def _laid_out(desk: Desk, ticket: Ticket) -> Sequence[Sha256]:
    known = desk.sheets.pictures(ticket.picture)
    if known is not None:
        return known
    with desk.doors.store.begin_read() as uow:  # we were started anew since the page was made
        a_round = uow.rounds.get(RoundId(ticket.context.partition(":")[2]))
        names = laid_out(uow.rounds.visits(a_round.id), running=a_round.is_open)
    desk.sheets.remember(names)
    if ticket.picture not in names:
        raise HTTPException(410, "the round went on")
    return names[ticket.picture]


def _thumbnail(caller: Caller, picture: Sha256, why: str) -> Look:
    return Look(
        who=caller.account.name, what="view_thumbnail", camera=None, why=why, picture=picture
    )


async def _witnessed(desk: Desk, caller: Caller, ticket: Ticket) -> bytes:
    look = _look(caller, ticket)
    try:
        camera = await asyncio.wrap_future(desk.witness.saw(look))
        if camera is not None and not ticket.context.startswith("case:"):
            await run_in_threadpool(refuse_withdrawn, desk, camera)
        return await run_in_threadpool(_bytes, desk, caller, ticket)
    except (Gone, KeyError) as exc:
        raise HTTPException(410, "deleted on schedule") from exc


def _look(caller: Caller, ticket: Ticket) -> Look:
    if ticket.picture.startswith(REFERENCE):
        _, _, camera = ticket.picture.split(".", 2)
        return Look(
            who=caller.account.name, what="view_reference", camera=CameraId(camera),
            why=ticket.context, picture=None,
        )  # fmt: skip
    return Look(
        who=caller.account.name,
        what=_SEEN[ticket.size],
        camera=None,
        why=ticket.context,
        picture=Sha256(ticket.picture),
    )


def _still_allowed(desk: Desk, caller: Caller, context: str) -> None:
    """The right may have gone since the address was given; so may the case's grid."""
    kind, _, ident = context.partition(":")
    if not any(caller.may(right) for right in _WHY.get(kind, ())):
        raise Forbidden(f"no right to look for {context}")
    if kind != "case":
        return
    with desk.doors.store.begin_read() as uow:
        try:
            case = uow.cases.get(CaseId(ident))
        except KeyError:
            raise Forbidden(f"no {context}") from None
    if not may_see_case(caller.account, case, desk.doors.registry.tree):
        raise Forbidden(f"{context} lies outside the grid of {caller.account.name}")


def refuse_withdrawn(desk: Desk, camera: CameraId) -> None:
    """Withdrawn consent closes a household's samples; to the desk a running case keeps its own.

    Raises Gone.
    """
    if camera in _withdrawn(desk):
        raise Gone(camera)


def _withdrawn(desk: Desk) -> frozenset[CameraId]:
    """By the registry, or said since."""
    with desk.doors.store.begin_read() as uow:
        said = uow.consents.withdrawn()
    return said | {
        camera.id
        for camera in desk.doors.registry.cameras.values()
        if camera.consent.state is ConsentState.WITHDRAWN
    }


def _bytes(desk: Desk, caller: Caller, ticket: Ticket) -> bytes:
    if ticket.size == "ground":
        return _ground(desk, caller, ticket)
    if ticket.picture.startswith(REFERENCE):
        _, light, camera = ticket.picture.split(".", 2)
        return _reference(desk, CameraId(camera), Light(light))
    if ticket.size == "thumb":
        return _small(desk, Sha256(ticket.picture))
    return as_agreed_now(desk, Sha256(ticket.picture))


def _small(desk: Desk, sha256: Sha256) -> bytes:
    small, visible = desk.thumbs.get(sha256), _agreed(desk, sha256)
    return masked(small, visible) if visible is not None else small


def as_agreed_now(desk: Desk, sha256: Sha256) -> bytes:
    """The stored picture; black outside what may be seen of its camera now. Raises KeyError.

    At every look, whenever it was taken: an area is drawn smaller in the editor, by hand in
    zones.yaml or with a backup that came back, and not all of these leave a line that says when.
    """
    jpeg, visible = desk.doors.evidence.get(sha256), _agreed(desk, sha256)
    return masked(jpeg, visible) if visible is not None else jpeg


def _agreed(desk: Desk, sha256: Sha256) -> Polygon | None:
    """None: all of it. A photo from the ground is no camera's, whichever camera its case is of."""
    with desk.doors.store.begin_read() as uow:
        stored = uow.pictures.get(sha256)
    if stored is None or stored.purpose == GROUND:
        return None
    return _visible(desk.doors.registry.cameras.get(stored.camera))


def _visible(camera: Camera | None) -> Polygon | None:
    return camera.areas.visible if camera is not None else None


def _ground(desk: Desk, caller: Caller, ticket: Ticket) -> bytes:
    """Redacted: a camera's picture cut around the finding, a photo from the ground whole.

    Withdrawn consent closes the camera's pictures to everybody outside, also in a running case.
    """
    sha256, case_id = Sha256(ticket.picture), CaseId(ticket.context.partition(":")[2])
    with desk.doors.store.begin_read() as uow:
        case = uow.cases.get(case_id)
        sent = any(photo.sha256 == sha256 for photo in uow.case_photos.of_case(case_id))
    if not sent and case.camera is not None:
        refuse_withdrawn(desk, case.camera)
    jpeg = as_agreed_now(desk, sha256)
    mark = mark_for(desk, case_id, caller.account.name, caller.now)
    return desk.doors.redact(jpeg, None if sent else case.box, mark).jpeg


def mark_for(desk: Desk, case: CaseId, recipient: str, now: datetime) -> Mark:
    """What is written on a picture that leaves now."""
    facts = desk.doors.facts
    at = f"{now.astimezone(facts.zone):%Y-%m-%d %H:%M}"
    return Mark(site=facts.name, case=case, at=at, recipient=recipient)


def _reference(desk: Desk, camera: CameraId, light: Light) -> bytes:
    with desk.doors.store.begin_read() as uow:
        blob = uow.memories.get(camera, light)
    scene = EyeMemory.from_bytes(blob, light).scene
    if scene is None or not scene.samples:
        raise KeyError(camera)
    visible = _visible(desk.doors.registry.cameras.get(camera))
    return masked(scene.samples[-1], visible) if visible is not None else scene.samples[-1]
