"""Known positives: earlier findings that were real, put into the queue again to measure attention.

Off unless the site sets `review.known_positives`. The blind sample draws them at the beginning of a
round (`choose_known_positives`) and enters them when the camera was visited. One that is confirmed
is counted to its old case, and the operator learns what it was; one that is dismissed was missed.
They are in no statistics.
"""

import random
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import Decision, Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Subject
from patrol.domain.round import Visit
from patrol.review.claims import end_claim
from patrol.review.queue import NO_LIMIT
from patrol.store import UnitOfWork

KNOWN_POSITIVE_WINDOW: Final = timedelta(days=90)  # an older picture shows another season


def choose_known_positives(
    uow: UnitOfWork,
    cameras: Collection[CameraId],
    share: float,
    now: datetime,
    rng: random.Random,
) -> dict[CameraId, Finding]:
    """Draw a share of the cameras; each with its latest finding that was real, by camera."""
    count = int(len(cameras) * share + 1e-9)
    if count == 0:
        return {}
    real = {
        finding.camera: finding
        for finding in uow.findings.confirmed_since(now - KNOWN_POSITIVE_WINDOW)
        if finding.camera in cameras
        and finding.subject is Subject.SCENE
        and _has_picture(uow, finding)
    }
    return {camera: real[camera] for camera in rng.sample(sorted(real), min(len(real), count))}


def as_known_positive(real: Finding, visit: Visit, ident: FindingId) -> Finding:
    """The same finding, as if this visit had shown it."""
    return replace(
        real,
        id=ident,
        round=visit.round,
        found_at=visit.pictures[-1].taken_at,
        origin=Origin.PROBE,
        state=FindingState.CANDIDATE,
        count=1,
        unreviewed_ok=False,
        decided_by="",
        decided_at=None,
        reason="",
        case=None,
        recheck=None,
    )


def merge_known_positive(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime, holder: str = ""
) -> Finding:
    """Count a confirmed known positive to the case that it was; the caller commits.

    Raises KeyError, AlreadyDecided, FindingClaimed.
    """
    finding = uow.findings.get(finding_id)
    earlier = uow.findings.confirmed_since(
        finding.found_at - 2 * KNOWN_POSITIVE_WINDOW, limit=NO_LIMIT
    )
    mine = (one for one in earlier if _is_same(one, finding))
    case = next((one.case for one in mine), None)
    moved = finding.decide(Decision.MERGE, by=by, now=now, reason=f"known positive, {case}")
    decided = replace(moved, case=case)
    end_claim(uow, finding_id, by=by, holder=holder, now=now)
    uow.findings.put(decided)
    return decided


def _is_same(real: Finding, shown: Finding) -> bool:
    return (real.camera, real.picture) == (shown.camera, shown.picture)


def _has_picture(uow: UnitOfWork, real: Finding) -> bool:
    return real.picture is not None and uow.pictures.get(real.picture) is not None
