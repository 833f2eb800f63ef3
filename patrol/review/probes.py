"""Known positives: earlier leads that were real, shown again now and then to keep eyes awake.

Off unless the site asks for them. A probe stands in the queue as the lead that it was; confirmed,
it is counted to its old case and the operator is told, dismissed it was missed. In no statistics.
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
from patrol.store import UnitOfWork

LOOKED_BACK: Final = timedelta(days=90)  # an older picture shows another season
ALL: Final = 100_000


def choose_probes(
    uow: UnitOfWork,
    cameras: Collection[CameraId],
    share: float,
    now: datetime,
    rng: random.Random,
) -> dict[CameraId, Finding]:
    """Earlier leads that were real, of cameras where nothing is open now."""
    count = int(len(cameras) * share + 1e-9)
    if count == 0:
        return {}
    real = {
        one.camera: one
        for one in uow.findings.confirmed_since(now - LOOKED_BACK)
        if one.camera in cameras and one.subject is Subject.SCENE and _is_stored(uow, one)
    }
    return {camera: real[camera] for camera in rng.sample(sorted(real), min(len(real), count))}


def shown_again(real: Finding, visit: Visit, ident: FindingId) -> Finding:
    """The same lead, as if this visit had shown it."""
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
        again=None,
    )


def settle_probe(uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime) -> Finding:
    """A known positive was confirmed: it is counted to the case that it was; the caller commits.

    Raises KeyError, AlreadyDecided.
    """
    finding = uow.findings.get(finding_id)
    earlier = uow.findings.confirmed_since(finding.found_at - 2 * LOOKED_BACK, limit=ALL)
    mine = (one for one in earlier if _is_same(one, finding))
    case = next((one.case for one in mine), None)
    moved = finding.decide(Decision.MERGE, by=by, now=now, reason=f"known positive, {case}")
    decided = replace(moved, case=case)
    uow.findings.put(decided)
    return decided


def _is_same(real: Finding, probe: Finding) -> bool:
    return (real.camera, real.picture) == (probe.camera, probe.picture)


def _is_stored(uow: UnitOfWork, real: Finding) -> bool:
    return real.picture is not None and uow.pictures.get(real.picture) is not None
