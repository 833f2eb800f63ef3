"""Consents in the console: what a household said by telephone or in person; its printed slip.

Buttons of the camera's page (/cameras/…) post here; /households/… is the slip with the QR code of
the household's own page (household.py). Making a slip is logged for each camera on it.
"""

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, JSONResponse, Response

from patrol.cases.request_keys import remember_request
from patrol.domain.consent import TermsAction, TermsChange, parse_hours, parse_until
from patrol.households.documents import terms_document
from patrol.households.links import make_link, revoke_link
from patrol.households.slip import camera_slip, cameras_of
from patrol.households.slip_text import STYLE_HASH, SlipReader, slip_page
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayChangeConsent,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, ResourceNotFound, translate_errors
from patrol.web.pages.cameras import registered_camera

SLIP_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
)
router = APIRouter()


class ConsentForm(BaseModel):
    """What the household said; `until` of a pause, `hours` as 08:00-12:00,14:00-18:00."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["withdraw", "restore", "pause", "resume", "hours"]
    until: str = Field(default="", max_length=25)
    hours: str = Field(default="", max_length=80)
    why: str = Field(default="", max_length=200)


class LinkForm(BaseModel):
    """What happens to the household's link: made where none stands, replaced, or revoked."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["make", "replace", "revoke"]


@router.post("/api/cameras/{ident}/consent")
def change_consent(
    context: ContextDep,
    user: MayChangeConsent,
    ident: str,
    form: ConsentForm,
    key: IdempotencyKey = "",
) -> Response:
    """Withdraw, restore, pause, resume or set hours; in force within a second."""
    camera = registered_camera(context, ident)
    with translate_errors():
        change = terms_change(form.action, form.until, form.hours, form.why, context)
        change.check(user.now)
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, f"consent of {camera.id}", form), user.now)
        uow.commit()
    stands = context.app.households.change_consent(
        camera.id, change, by=user.account.name, channel="console"
    )
    return JSONResponse({"camera": camera.id, **terms_document(stands)}, headers=NO_STORE)


def terms_change(action: str, until: str, hours: str, why: str, context: WebContext) -> TermsChange:
    """The change that a form asks for. Raises BadTerms."""
    wanted = TermsAction(action)
    return TermsChange(
        action=wanted,
        until=parse_until(until, context.site.tz) if wanted is TermsAction.PAUSE else None,
        hours=parse_hours(hours) if wanted is TermsAction.HOURS else (),
        why=why.strip(),
    )


@router.post("/api/cameras/{ident}/household-link")
def change_household_link(
    context: ContextDep, user: MayChangeConsent, ident: str, form: LinkForm
) -> Response:
    """Make, replace or revoke the link of the household's own page."""
    camera, by, now = registered_camera(context, ident), user.account.name, user.now
    signer, address = context.household_links, ""
    with context.app.store.begin() as uow:
        if form.action in ("replace", "revoke"):
            revoke_link(uow, camera.id, by=by, now=now)
        if form.action in ("make", "replace"):
            address = make_link(uow, signer, camera.id, by=by, now=now)
        uow.commit()
    return JSONResponse({"camera": camera.id, "link": address or None}, headers=NO_STORE)


@router.get("/households/{ident}")
def household_slip(context: ContextDep, user: MayChangeConsent, ident: str) -> Response:
    """The printable slip of a household, or of one camera: what is held, who looked, the link."""
    registry, now = context.app.registry.cameras, user.now
    with context.app.store.begin() as uow:
        found = cameras_of(registry, ident, uow.registry.known_cameras())
        if not found:
            raise ResourceNotFound(ident)
        slips = []
        for camera in found:
            by, signer = user.account.name, context.household_links
            may_link = camera in registry and signer.base_url
            link = make_link(uow, signer, camera, by=by, now=now) if may_link else ""
            slips.append(
                camera_slip(
                    uow, camera, registry.get(camera), now=now, link=link,
                    days=context.app.site.settings.retention.days,
                    exchanged=context.app.households.exchanged(camera),
                )
            )  # fmt: skip
            uow.access.append(
                at=now, who=user.account.name, what="print_slip", camera=camera, why="console"
            )
        uow.commit()
    settings = context.app.site.settings
    reader = SlipReader(
        language=user.t.language, zone=context.site.tz, site=context.site.name,
        phone=settings.centre_phone,
    )  # fmt: skip
    page = slip_page(ident, slips, now, reader)
    return HTMLResponse(page, headers={**NO_STORE, "Content-Security-Policy": SLIP_POLICY})
