"""Confirm, dismiss, unsure: a decision and everything that follows from it in one transaction.

Each function works inside the caller's unit of work and leaves the commit to the caller, so that
the decision, the case and the word about it stand or fall together. Somebody who was first makes
the second one hear AlreadyDecided, which says who and when.
"""

from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from patrol.dispatch.sending import SendGate
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case, CaseEvent
from patrol.domain.category import BY_ID
from patrol.domain.finding import (
    AlreadyDecided,
    Decision,
    DismissReason,
    Finding,
    KnownPositive,
    Origin,
)
from patrol.domain.ids import FindingId
from patrol.domain.levels import Level
from patrol.domain.opening import case_id, case_sequence, open_from_finding
from patrol.domain.registry import Registry
from patrol.review.sample import revealed
from patrol.store import UnitOfWork

SITE_ZONE: Final = ZoneInfo("Asia/Shanghai")  # the town's; a site elsewhere passes its own
BY_RULES: Final = "rules"  # who confirms what the site's rules name as urgent


class UnknownCategory(ValueError):
    """Not a category of the house, nor the one that the finding came with."""

    def __init__(self, category: str) -> None:
        known = ", ".join(BY_ID)
        super().__init__(f"{category!r} is not a category, use one of {known}")


def confirm(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    registry: Registry,
    announcer: Wire,
    category: str | None = None,
    level: Level | None = None,
    note: str = "",
    zone: tzinfo = SITE_ZONE,
    gate: SendGate | None = None,
) -> Case:
    """Make the case, or count the finding into the open one of its camera and category.

    Without a gate nothing waits. Raises KeyError (no such finding), AlreadyDecided, KnownPositive,
    UnknownCategory.
    """
    finding = _waiting(uow, finding_id)
    chosen = category or finding.category
    if chosen not in BY_ID and chosen != finding.category:
        raise UnknownCategory(chosen)
    running = uow.cases.open_like(finding.camera, chosen)
    if running is not None:
        return _merge(uow, finding, running, by=by, now=now, announcer=announcer, gate=gate)
    day = now.astimezone(zone).date()
    case = open_from_finding(
        revealed(finding),
        case_id(day, uow.next_number(case_sequence(day))),
        registry,
        by=by,
        now=now,
        category=chosen,
        level=level or finding.level,
        note=note,
    )
    decided = finding.decide(Decision.CONFIRM, by=by, now=now, reason=note)
    if gate is not None:
        case = gate.first_word(uow, case, now)
    uow.cases.add(case)
    told = replace(revealed(decided), category=chosen, level=case.level, case=case.id)
    uow.findings.put(told)
    _tell(uow, case, announcer, now)
    return case


def dismiss(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    reason: DismissReason | str,
) -> Finding:
    """It is no problem, and why. Raises KeyError, AlreadyDecided, ValueError (no reason)."""
    if not reason.strip():
        known = ", ".join(DismissReason)
        raise ValueError(f"a dismissal needs its reason: {known}, or your own words")
    finding = uow.findings.get(finding_id)
    decided = finding.decide(Decision.DISMISS, by=by, now=now, reason=str(reason).strip())
    uow.findings.put(decided)
    return decided


def unsure(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime, reason: str = ""
) -> Finding:
    """It stays in the queue and is looked at again. Raises KeyError, AlreadyDecided."""
    finding = uow.findings.get(finding_id)
    decided = finding.decide(Decision.UNSURE, by=by, now=now, reason=reason)
    uow.findings.put(decided)
    return decided


def _waiting(uow: UnitOfWork, finding_id: FindingId) -> Finding:
    finding = uow.findings.get(finding_id)
    if not finding.is_open:
        raise AlreadyDecided(finding)
    if finding.origin is Origin.PROBE:
        raise KnownPositive(finding)  # probes.settle_probe comes before
    return finding


def _merge(
    uow: UnitOfWork,
    finding: Finding,
    running: Case,
    *,
    by: str,
    now: datetime,
    announcer: Wire,
    gate: SendGate | None,
) -> Case:
    words = f"finding {finding.id}: {finding.why}".rstrip(": ")
    moved = running.move(CaseEvent.MERGE, at=now, by=by, note=words)
    counted = replace(moved, count=running.count + 1)
    case = (
        gate.repeat(counted, now)
        if gate is not None
        else replace(counted, revision=counted.revision + 1)
    )
    decided = finding.decide(Decision.MERGE, by=by, now=now, reason=f"counted in {case.id}")
    uow.cases.put(case)
    uow.findings.put(replace(decided, case=case.id))
    _tell(uow, case, announcer, now)
    return case


def _tell(uow: UnitOfWork, case: Case, announcer: Wire, now: datetime) -> None:
    for message in announcer.case(case, now):
        uow.outbox.add(message)
