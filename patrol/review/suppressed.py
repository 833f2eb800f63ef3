"""How much a suppression kept from the queue."""

from dataclasses import replace

from patrol.domain.suppression import Suppression
from patrol.store import UnitOfWork


def suppressed_count(uow: UnitOfWork, one: Suppression) -> int:
    """How many observations the suppression kept from becoming findings while it was in force."""
    unrevoked = replace(one, revoked_at=None)
    end = one.revoked_at or one.until
    seen = uow.findings.observed_since(one.camera, one.kind, one.created_at)
    return sum(s.at < end and unrevoked.applies_to(s.kind, s.box, s.at) for s in seen)
