"""Suppressions at the desk: how often one held, and giving one more time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.suppression import Suppression
from patrol.store import UnitOfWork

LONGEST: Final = timedelta(days=90)  # from now: what holds for ever is forgotten


def held(uow: UnitOfWork, one: Suppression) -> int:
    """How many observations it kept from becoming leads: those that it covered while it stood."""
    stood = replace(one, revoked_at=None)
    end = one.revoked_at or one.until
    seen = uow.findings.observed_since(one.camera, one.kind, one.created_at)
    return sum(s.at < end and stood.holds(s.kind, s.box, s.at) for s in seen)


def extend(uow: UnitOfWork, number: int, *, by: str, now: datetime, days: int) -> Suppression:
    """Another one in its place, answered for by whoever extends it.

    Raises KeyError: it stands no more. ValueError: longer than LONGEST, or not longer at all.
    """
    one = next((s for s in uow.suppressions.standing(now) if s.number == number), None)
    if one is None:
        raise KeyError(number)
    until = one.until + timedelta(days=days)
    if not timedelta() < until - one.until or until - now > LONGEST:
        raise ValueError(f"a suppression holds at most {LONGEST.days} days from now")
    uow.suppressions.revoke(number, by=by, now=now)
    return uow.suppressions.add(
        camera=one.camera, kind=one.kind, box=one.box, reason=one.reason, owner=by, now=now,
        until=until,
    )  # fmt: skip
