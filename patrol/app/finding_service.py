"""Own findings, undone decisions and review alarms of one application, each in one transaction.

What the console, the API and the command line call: they bring a form and an account, and get the
finding (and the case that it went to). `FindingService` takes the application's parts; it holds no
state of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.app.application import Application
from patrol.cases import actions
from patrol.cases.request_keys import RequestKey, remember_request
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, PictureId
from patrol.domain.round import SAMPLE_PURPOSE, StoredPicture
from patrol.integrations.notifications import queue_review_alarm
from patrol.pixels import decode_jpeg
from patrol.review import confirm
from patrol.review.alarms import ReviewAlarmWorker
from patrol.review.own_findings import CannotFile, FilingForm, FilingTarget, file_finding
from patrol.review.undo import undo_decision
from patrol.store import UnitOfWork

OWN_PICTURE_PURPOSE: Final = "evidence"
UNFILED_FOR: Final = timedelta(hours=1)  # a frame whose finding was not filed after all


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledFinding:
    """An own finding as filed, and the case that was opened or counted, if any."""

    finding: Finding
    case: Case | None


@dataclass(frozen=True, slots=True)
class FindingService:
    """Files own findings and undoes decisions for one application."""

    app: Application

    def file(
        self,
        form: FilingForm,
        *,
        by: str,
        target: FilingTarget,
        phoned: str = "",
        request: RequestKey | None = None,
        then: Callable[[UnitOfWork, Finding, datetime], None] = lambda _uow, _finding, _now: None,
    ) -> FiledFinding:
        """File a finding; `target` CASE confirms it in the same transaction.

        `phoned`: who was telephoned first (level I). `then`: what else stands or falls with it.
        Raises CannotFile, RequestRepeated, RequestKeyReused.
        """
        app, now = self.app, self.app.clock.now()
        registry, settings = app.registry, app.site.settings
        until = now + timedelta(days=settings.retention.evidence_days)
        with app.store.begin() as uow:
            remember_request(uow, request, now)
            filed = file_finding(uow, form, by=by, now=now, registry=registry, rules=app.site.rules)
            case = None
            if target is FilingTarget.CASE:
                case = confirm(
                    uow, filed.id, by=by, now=now, registry=registry, payloads=app.payloads,
                    note=form.text.strip(), zone=settings.site.tz, send_gate=app.send_gate,
                )  # fmt: skip
                if phoned.strip():
                    case = actions.record_phone_call(
                        uow, case.id, by=by, now=now, payloads=app.payloads, note=phoned.strip()
                    )
            if form.picture is not None:
                purpose = "before" if case else OWN_PICTURE_PURPOSE
                uow.pictures.keep(form.picture, purpose=purpose, until=until)
            filed = uow.findings.get(filed.id)
            then(uow, filed, now)
            uow.commit()
        app.wake_relays()
        return FiledFinding(finding=filed, case=case)

    def keep_frame(self, camera: CameraId, jpeg: bytes, taken_at: datetime) -> PictureId:
        """Store a frame that a person saw live as evidence; named by the hash of its bytes.

        Raises CannotFile: the bytes are no picture. PictureStoreFull.
        """
        app = self.app
        decoded = decode_jpeg(jpeg)
        if decoded is None:
            raise CannotFile("picture: is none that can be read")
        height, width = decoded.shape[:2]
        until = app.clock.now() + UNFILED_FOR  # filing keeps it for as long as evidence is kept
        stored = StoredPicture(
            sha256=app.evidence.put(jpeg), camera=camera, taken_at=taken_at, width_px=width,
            height_px=height, bytes=len(jpeg), purpose=SAMPLE_PURPOSE, delete_after=until,
        )  # fmt: skip
        with app.store.begin() as uow:
            uow.pictures.add(stored)
            uow.commit()
        return stored.id

    def undo(
        self,
        finding_id: str,
        *,
        by: str,
        may_undo_others: bool,
        note: str = "",
        request: RequestKey | None = None,
    ) -> Finding:
        """Take a decision back.

        Raises KeyError, IllegalUndo, NotOwnDecision, RequestRepeated, RequestKeyReused.
        """
        now = self.app.clock.now()
        with self.app.store.begin() as uow:
            remember_request(uow, request, now)
            finding = undo_decision(
                uow, FindingId(finding_id), by=by, now=now, may_undo_others=may_undo_others,
                note=note,
            )  # fmt: skip
            uow.commit()
        return finding


def new_review_alarms(app: Application) -> ReviewAlarmWorker:
    """The worker that notifies duty lead and town of unreviewed findings."""
    return ReviewAlarmWorker(
        store=app.store,
        registry=app.registry_watcher.followed,
        policy=app.site.settings.review.alarm.policy,
        queue_alarm=queue_review_alarm(app.integrations.targets),
    )
