"""Helpers (群防群治) of one application: cases opened to them, their steps, their reports.

A report is an own finding from the ground: it waits in the review queue like every other, with its
photo (turned upright, scaled down, without metadata) and its place, and its author sees what became
of it. Each action is one transaction.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.app.application import Application
from patrol.cases.helpers import note_helper, reports_of, set_open_to_helpers
from patrol.cases.request_keys import RequestKey, request_transaction
from patrol.domain.case import Case
from patrol.domain.finding import FilingSource, Finding
from patrol.domain.ground_patrol import Location
from patrol.domain.helping import FiledReport, HelperStep
from patrol.domain.ids import CameraId, CaseId, GridCode, MessageKey, PictureId
from patrol.domain.round import FIELD_PHOTO_PURPOSE, StoredPicture
from patrol.review.own_findings import CannotFile, FilingForm, file_finding
from patrol.store import UnitOfWork

MAX_PLACE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperReport:
    """One report from the ground, as a phone sends it."""

    key: str  # the phone's own: a repeat is dropped
    grid: GridCode
    category: str
    text: str
    place: str = ""
    location: Location | None = None
    photo: PictureId | None = None
    source: FilingSource = FilingSource.HELPER


@dataclass(frozen=True, slots=True)
class HelperService:
    """What helpers do, and what is done for them."""

    app: Application

    def set_open(
        self, case: str, *, is_open: bool, by: str, note: str = "",
        request: RequestKey | None = None,
    ) -> Case:  # fmt: skip
        """Open a case to helpers, or close it. Raises as set_open_to_helpers."""
        with self._transaction(request) as (uow, now):
            return set_open_to_helpers(
                uow, CaseId(case), is_open=is_open, by=by, now=now, payloads=self.app.payloads,
                note=note,
            )  # fmt: skip

    def note_step(
        self, case: str, step: HelperStep, *, by: str, note: str = "",
        request: RequestKey | None = None,
    ) -> Case:  # fmt: skip
        """A helper goes, or was there. Raises KeyError, NotOpenToHelpers."""
        with self._transaction(request) as (uow, now):
            return note_helper(
                uow, CaseId(case), step, by=by, now=now, payloads=self.app.payloads, note=note
            )

    def report(self, form: HelperReport, *, by: str) -> Finding | None:
        """File a report into the review queue; None: its key was seen before.

        Raises CannotFile.
        """
        app = self.app
        if not form.text.strip() and form.photo is None:
            raise CannotFile("text: is missing, say what it is or take a photo")
        place = with_location(app.payloads.scrub(form.place.strip())[:MAX_PLACE], form.location)
        wanted = FilingForm(
            category=form.category, source=form.source, grid=form.grid,
            text=app.payloads.scrub(form.text.strip()), picture=form.photo, place=place,
        )  # fmt: skip
        until = app.clock.now() + timedelta(days=app.site.settings.retention.evidence_days)
        with self._transaction(None) as (uow, now):
            if not uow.inbox.remember_key(MessageKey(f"helper/{by}/{form.key}"), now):
                return None
            filed = file_finding(
                uow, wanted, by=by, now=now, registry=app.registry, rules=app.site.rules
            )
            if form.photo is not None:
                uow.pictures.keep(form.photo, purpose=FIELD_PHOTO_PURPOSE, until=until)
            return filed

    def keep_photo(self, jpeg: bytes, width_px: int, height_px: int) -> PictureId:
        """Store a normalized photo of a report; one that is not filed goes with the next sweep."""
        app, now = self.app, self.app.clock.now()
        until = now + timedelta(days=1)
        stored = StoredPicture(
            sha256=app.evidence.put(jpeg, until=until), camera=CameraId(""), taken_at=now,
            width_px=width_px, height_px=height_px, bytes=len(jpeg), purpose=FIELD_PHOTO_PURPOSE,
            delete_after=until,
        )  # fmt: skip
        with app.store.begin() as uow:
            uow.pictures.add(stored)
            uow.commit()
        return stored.id

    def reports(self, filed_by: str = "", *, limit: int = 100) -> Sequence[FiledReport]:
        """The reports of an account, or of all; the newest first."""
        with self.app.store.begin_read() as uow:
            return reports_of(uow, filed_by, limit=limit)

    def _transaction(
        self, request: RequestKey | None
    ) -> AbstractContextManager[tuple[UnitOfWork, datetime]]:
        app = self.app
        return request_transaction(app.store, app.clock, request, app.wake_relays)


def with_location(place: str, location: Location | None) -> str:
    """The place with the coordinates that a map opens by: `渠口 (39.73921,98.51234 ±12 m)`."""
    if location is None:
        return place
    where = f"{location.latitude:.5f},{location.longitude:.5f} ±{location.accuracy_m:.0f} m"
    return f"{place} ({where})".strip()
