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
from patrol.domain.levels import Level
from patrol.store import Store

AGES_AFTER: Final = timedelta(days=3)  # six rounds: whatever is still there was seen again
AGEING: Final = frozenset({Level.ORDINARY, Level.NOTE})
ALL: Final = 100_000  # more than any queue holds: the last line ages like the first
BY: Final = "patrol"


def age(store: Store, now: datetime, *, after: timedelta = AGES_AFTER) -> Sequence[Finding]:
    """Put away what has waited for so long; each in a transaction of its own."""
    with store.begin_read() as uow:
        old = [lead.id for lead in uow.findings.queue(limit=ALL) if is_too_old(lead, now, after)]
    aged = (_age(store, finding_id, now, after) for finding_id in old)
    return [finding for finding in aged if finding is not None]


def is_too_old(finding: Finding, now: datetime, after: timedelta = AGES_AFTER) -> bool:
    """Whether it would be put away at `now`; somebody's doubt starts its time anew."""
    since = finding.decided_at or finding.found_at
    return finding.is_open and finding.level in AGEING and now - since >= after


def _age(store: Store, finding_id: FindingId, now: datetime, after: timedelta) -> Finding | None:
    with store.begin() as uow:
        finding = uow.findings.get(finding_id)
        if not is_too_old(finding, now, after):
            return None  # a person was faster
        days = f"nobody decided within {after / timedelta(days=1):g} d"
        aged = finding.decide(Decision.AGE, by=BY, now=now, reason=days)
        uow.findings.put(aged)
        uow.commit()
    return aged
