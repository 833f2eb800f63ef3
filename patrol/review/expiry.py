"""Expiry: a finding that nobody decided within three days leaves the queue in the state `aged`.

Its picture is old by then; what is still there is found anew by the next round, with a fresh one.
Urgent and pressing findings never expire. An expired finding counts neither as confirmed nor as
dismissed. Called by the service when it sweeps old pictures.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import FindingId
from patrol.domain.priority import Level
from patrol.review.queue import NO_LIMIT
from patrol.store import Store

EXPIRES_AFTER: Final = timedelta(days=3)  # six rounds: whatever is still there was seen again
EXPIRING_LEVELS: Final = frozenset({Level.ORDINARY, Level.NOTE})
ACTOR: Final = "patrol"


def expire_undecided(
    store: Store, now: datetime, *, after: timedelta = EXPIRES_AFTER
) -> Sequence[Finding]:
    """Expire what has waited for `after`, one transaction a finding; those that expired."""
    with store.begin_read() as uow:
        old = [
            finding.id
            for finding in uow.findings.queue(limit=NO_LIMIT)
            if is_expired(finding, now, after)
        ]
    expired = (_expire(store, finding_id, now, after) for finding_id in old)
    return [finding for finding in expired if finding is not None]


def is_expired(finding: Finding, now: datetime, after: timedelta = EXPIRES_AFTER) -> bool:
    """Whether it expires at `now`; an "unsure" starts its time anew."""
    since = finding.decided_at or finding.found_at
    return finding.is_open and finding.level in EXPIRING_LEVELS and now - since >= after


def _expire(store: Store, finding_id: FindingId, now: datetime, after: timedelta) -> Finding | None:
    with store.begin() as uow:
        finding = uow.findings.get(finding_id)
        if not is_expired(finding, now, after):
            return None  # a person was faster
        reason = f"nobody decided within {after / timedelta(days=1):g} d"
        expired = finding.decide(Decision.AGE, by=ACTOR, now=now, reason=reason)
        uow.findings.put(expired)
        uow.commit()
    return expired
