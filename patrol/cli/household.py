"""`patrol household ID`: the slip of what is held of a household: text, JSON, a page to print.

Making a slip is logged for each of its cameras, as an opened picture is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from patrol.cli.exchange import held_in_exchange
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import bad_input, console, print_json
from patrol.cli.site import site_of, store_of, trusted_now_of
from patrol.domain.household_link import HouseholdLinkSigner
from patrol.domain.ids import CameraId
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.households.documents import slip_document
from patrol.households.links import household_link_signer, make_link, revoke_link, standing_link
from patrol.households.slip import CameraSlip, camera_slip, cameras_of
from patrol.households.slip_text import SlipReader, slip_lines, slip_page
from patrol.settings import Site
from patrol.settings.addresses import phone_base_url
from patrol.store import Store, UnitOfWork
from patrol.store.pixels import HeldPixels

LANGUAGES: Final = ("zh", "en")
Whose = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="农户编号，或点位编码（或后 6 位）。 A household, or one of its cameras."
    ),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="写成可打印的一页，带二维码。 A page to print."),
]
Language = Annotated[
    str, typer.Option("--language", help="zh 或 en，默认站点语言。 The reader's; the site's own.")
]
NewLink = Annotated[
    bool, typer.Option("--new-link", help="旧链接作废，换新的。 Revoke the link and make another.")
]
RevokeLink = Annotated[
    bool, typer.Option("--revoke-link", help="链接作废。 Revoke the household's link.")
]


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What is to happen to the links while the slip is made."""

    make: bool
    revoke: bool


def show_household(
    context: typer.Context, ident: Whose, *, html: Html = None, language: Language = "",
    new_link: NewLink = False, revoke_links: RevokeLink = False, by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """农户告知单：存有什么、到何时、谁看过、为什么；可打印。 What is held, who looked."""
    site, who = site_of(context), operator(by)
    reader = _reader(site, language)
    if new_link and revoke_links:
        bad_input("--new-link and --revoke-link exclude each other, give one")
    if html is not None and not html.parent.is_dir():
        bad_input(f"--html: {html.parent}: no such directory, make it first")
    links = LinkChange(make=html is not None or new_link, revoke=new_link or revoke_links)
    with store_of(site) as store:
        now = trusted_now_of(store)
        slips = _read_slips(store, site, ident, links=links, by=who, now=now)
    if html is not None:
        page = slip_page(ident, slips, now, reader)
        write_atomically(html, page.encode(), mode=PRIVATE_MODE)
    if as_json:
        print_json(slip_document(ident, slips, now))
    elif html is not None:
        console().print(f"{html}", markup=False, soft_wrap=True)
    else:
        for line in slip_lines(ident, slips, now, reader):
            console().print(line, markup=False, soft_wrap=True)


def _reader(site: Site, language: str) -> SlipReader:
    settings = site.settings
    if language and language not in LANGUAGES:
        bad_input(f"--language: {language!r}, give {' or '.join(LANGUAGES)}")
    return SlipReader(
        language=language or settings.site.language, zone=settings.site.tz,
        site=settings.site.name, phone=settings.centre_phone,
    )  # fmt: skip


def _read_slips(
    store: Store, site: Site, ident: str, *, links: LinkChange, by: str, now: datetime
) -> Sequence[CameraSlip]:
    signer = household_link_signer(store, phone_base_url(site.settings))
    if links.make and not signer.base_url:
        bad_input("no link: nobody knows where phones reach the console, set `links.base_url`")
    with store.begin() as uow:
        cameras = cameras_of(site.registry.cameras, ident, uow.registry.known_cameras())
        if not cameras:
            bad_input(f"{ident!r}: no household of cameras.csv, and no camera; give its 20 digits")
        slips = [
            _one_slip(
                uow, site, signer, camera, links=links, by=by, now=now,
                exchanged=held_in_exchange(site, store, camera),
            )
            for camera in cameras
        ]  # fmt: skip
        uow.commit()
    return slips


def _one_slip(
    uow: UnitOfWork,
    site: Site,
    signer: HouseholdLinkSigner,
    camera: CameraId,
    *,
    links: LinkChange,
    by: str,
    now: datetime,
    exchanged: Sequence[HeldPixels],
) -> CameraSlip:
    if links.revoke:
        revoke_link(uow, camera, by=by, now=now)
    is_registered = camera in site.registry.cameras
    if links.make and is_registered:
        link = make_link(uow, signer, camera, by=by, now=now)
    else:
        link = standing_link(uow, signer, camera)
    slip = camera_slip(
        uow, camera, site.registry.cameras.get(camera), now=now,
        days=site.settings.retention.days, link=link, exchanged=exchanged,
    )  # fmt: skip
    uow.access.append(at=now, who=by, what="print_slip", camera=camera, why="patrol household")
    return slip
