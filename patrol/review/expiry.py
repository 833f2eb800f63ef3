"""Ageing: a lead that nobody decided for days is put away as aged, and says so.

Its picture is old by then; what is still there is found anew by the next round, with a fresh one.
Urgent and pressing leads never age: they stay at the top of the queue until a person decides.
An aged lead is no verdict: it counts neither as confirmed nor as dismissed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import FindingId
from patrol.domain.priority import Level
from patrol.store import Store

EXPIRES_AFTER: Final = timedelta(days=3)  # six rounds: whatever is still there was seen again
EXPIRING_LEVELS: Final = frozenset({Level.ORDINARY, Level.NOTE})
NO_LIMIT: Final = 100_000  # more than any queue holds: the last line ages like the first
ACTOR: Final = "patrol"


def expire_undecided(
    store: Store, now: datetime, *, after: timedelta = EXPIRES_AFTER
) -> Sequence[Finding]:
    """Put away what has waited for so long; each in a transaction of its own."""
    with store.begin_read() as uow:
        old = [
            finding.id
            for finding in uow.findings.queue(limit=NO_LIMIT)
            if is_expired(finding, now, after)
        ]
    expired = (_expire(store, finding_id, now, after) for finding_id in old)
    return [finding for finding in expired if finding is not None]


def is_expired(finding: Finding, now: datetime, after: timedelta = EXPIRES_AFTER) -> bool:
    """Whether it would be put away at `now`; somebody's doubt starts its time anew."""
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
