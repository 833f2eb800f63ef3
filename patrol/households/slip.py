"""A household's slip: what is held of it, until when, who looked, when and why, and its link.

Read in one transaction for `patrol household`, the console's slip and the household's own page.
What is held is counted by the register of places (store/pixel_places.py): a new place is on the
slip as soon as it is in the register.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.access_labels import HELD_PURPOSES
from patrol.domain.access_log import AccessEntry
from patrol.domain.camera import Camera
from patrol.domain.consent import RetentionDays
from patrol.domain.ids import CameraId
from patrol.domain.labels import LIGHTS, label_of
from patrol.domain.legal_hold import LegalHold
from patrol.store import UnitOfWork
from patrol.store.consents import CameraTerms
from patrol.store.pixel_places import PIXEL_PLACES, PixelPlace, PlaceKind, RetentionClass
from patrol.store.pixels import HeldPixels

MAX_ACCESSES: Final = 200  # newest lines of the log on a slip; the rest are counted
IN_EXCHANGE: Final = {
    "results": ("巡查结果，等待入库", "of a visit, to be recorded"),
    "references": ("参考画面，供工作机对照", "references, for a worker to compare"),
}
_PURPOSES: Final = {**LIGHTS, **HELD_PURPOSES, **IN_EXCHANGE}
SHORT_ID_DIGITS: Final = 6
MAX_BACKUPS: Final = 100_000
PARTS_SHOWN: Final = {"set_hold": 2, "end_hold": 1}  # number and subject; reference; reason
BACKUP: Final = "back_up"  # `what` of the access log


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHeld:
    """What one place holds of a camera, in one purpose."""

    place: PixelPlace
    purpose: tuple[str, str]  # (zh, en); empty where a place has one alone
    count: int
    bytes: int
    oldest: datetime | None
    until: datetime | None  # when the last of it is deleted; None: nothing is there, or by a person


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSlip:
    """One camera's part of the slip."""

    id: CameraId
    camera: Camera | None  # None: it left the registry
    terms: CameraTerms
    held: tuple[PlaceHeld, ...]
    accesses: tuple[AccessEntry, ...]  # by people, the newest first
    accesses_in_all: int
    machine_visits: int
    last_machine_visit: datetime | None
    holds: tuple[LegalHold, ...]  # orders that keep something of it, whatever the household says
    held_by_order: int  # pictures and references that they keep
    link: str  # the address of the household's own page; empty: none


def camera_slip(
    uow: UnitOfWork,
    ident: CameraId,
    camera: Camera | None,
    *,
    now: datetime,
    days: RetentionDays,
    link: str = "",
    exchanged: Sequence[HeldPixels] = (),
) -> CameraSlip:
    """Read one camera's part; `exchanged`: what a cluster's exchange holds of it."""
    people = uow.access.entries(camera=ident, by_people=True, limit=MAX_ACCESSES)
    last_visits = uow.access.entries(camera=ident, by_people=False, limit=1)
    backups = uow.access.of_no_camera(BACKUP, limit=MAX_BACKUPS)
    return CameraSlip(
        id=ident,
        camera=camera,
        terms=uow.consents.of_camera(ident, now),
        held=tuple(_held([*uow.pixels.held(ident), *exchanged], backups, now, days)),
        accesses=tuple(map(_without_reason_of_order, people)),
        accesses_in_all=uow.access.count(ident, by_people=True),
        machine_visits=uow.access.count(ident, by_people=False),
        last_machine_visit=last_visits[0].at if last_visits else None,
        holds=tuple(uow.holds.over_camera(ident)),
        held_by_order=uow.holds.held_of_camera(ident),
        link=link,
    )


def cameras_of(
    registry: Mapping[CameraId, Camera], whose: str, known: Sequence[CameraId]
) -> Sequence[CameraId]:
    """The cameras of a household's reference, or the camera of this id or of its last six digits.

    `known`: cameras that the store knows, also those that left the registry.
    """
    of_household = sorted(c.id for c in registry.values() if whose and c.household_ref == whose)
    if of_household:
        return of_household
    there = sorted({*registry, *known})
    exact = [camera for camera in there if camera == whose]
    return exact or [c for c in there if len(whose) == SHORT_ID_DIGITS and c.endswith(whose)]


def _without_reason_of_order(entry: AccessEntry) -> AccessEntry:
    """The line of the log as a household may read it: why an authority asks is not in it."""
    parts = PARTS_SHOWN.get(entry.what)
    if parts is None:
        return entry
    return replace(entry, why="; ".join(entry.why.split("; ", parts)[:parts]))


def _held(
    rows: Sequence[HeldPixels],
    backups: Sequence[AccessEntry],
    now: datetime,
    days: RetentionDays,
) -> Iterator[PlaceHeld]:
    """Every place of the register, also the empty ones."""
    for place in PIXEL_PLACES:
        found = [row for row in rows if row.place == place.name]
        for row in found:
            yield PlaceHeld(
                place=place, purpose=label_of(_PURPOSES, row.purpose), count=row.count,
                bytes=row.bytes, oldest=row.oldest, until=row.until or _until(place, row, days),
            )  # fmt: skip
        if not found:
            count, oldest = 0, None
            if place.kind is PlaceKind.OUTSIDE:
                since = now - timedelta(days=max(days.evidence, days.reference))
                made = [entry.at for entry in backups if entry.at > since]
                count, oldest = len(made), min(made, default=None)
            yield PlaceHeld(
                place=place, purpose=("", ""), count=count, bytes=0, oldest=oldest, until=None
            )


def _until(place: PixelPlace, row: HeldPixels, days: RetentionDays) -> datetime | None:
    if place.retention is not RetentionClass.REFERENCE or row.newest is None:
        return None
    return row.newest + timedelta(days=days.reference)
