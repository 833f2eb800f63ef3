"""Which cameras the rates of health leave out, and why: without consent, in maintenance.

Used by `patrol health` and by what the county is told.
"""

from collections.abc import Iterable
from datetime import datetime, tzinfo

from patrol.domain.camera import Camera
from patrol.domain.consent import visit_refusal
from patrol.domain.ids import CameraId
from patrol.domain.registry import Registry
from patrol.domain.schedule import IN_MAINTENANCE, Stoppage, maintenance_of
from patrol.store import UnitOfWork


def left_out_reasons(
    uow: UnitOfWork,
    registry: Registry,
    maintenance: Iterable[Stoppage],
    zone: tzinfo,
    now: datetime,
) -> dict[CameraId, str]:
    """The refusal of each camera that may not be visited now; `maintenance`: the calendar's."""
    local, terms = now.astimezone(zone), uow.consents.terms(now)
    stoppages = [*maintenance, *uow.stoppages.active(now)]

    def reason_for(camera: Camera) -> str | None:
        refusal = visit_refusal(camera, local, terms)
        if refusal is not None:
            return str(refusal)
        stopped = maintenance_of(camera, stoppages, registry.tree, now)
        return None if stopped is None else IN_MAINTENANCE

    reasons = {camera.id: reason_for(camera) for camera in registry.cameras.values()}
    return {ident: reason for ident, reason in reasons.items() if reason is not None}
