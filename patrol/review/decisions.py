"""Confirm, dismiss, unsure: a decision and everything that follows from it in one transaction.

Each function works inside the caller's unit of work and leaves the commit to the caller, so that
the decision, the case and the word about it stand or fall together. Somebody who was first makes
the second one hear AlreadyDecided, which says who and when.

Suppressions at the desk: how often one held, and giving one more time.

Dismiss and learn from it: the decision and the suppression that it teaches, together.

The command line and the console both come through here. What a reason teaches is the domain's
(lessons.py); a reason in a person's own words teaches nothing, as does one that is not ours.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from patrol.cases.send_gate import SendGate
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_opening import case_id, case_sequence, open_from_finding
from patrol.domain.errors import BadInput
from patrol.domain.finding import (
    AlreadyDecided,
    Decision,
    DismissReason,
    Finding,
    KnownPositive,
    Origin,
)
from patrol.domain.ids import FindingId
from patrol.domain.labels import CATEGORY_BY_ID
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression, suppression_for
from patrol.messaging.payloads import PayloadBuilder
from patrol.review.blind_sample import without_machine_claim
from patrol.store import UnitOfWork

SITE_ZONE: Final = ZoneInfo("Asia/Shanghai")  # the town's; a site elsewhere passes its own
BY_RULES: Final = "rules"  # who confirms what the site's rules name as urgent


class UnknownCategory(BadInput, ValueError):
    """Not a category of the house, nor the one that the finding came with."""

    def __init__(self, category: str) -> None:
        known = ", ".join(CATEGORY_BY_ID)
        super().__init__(f"{category!r} is not a category, use one of {known}")


def confirm(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    registry: Registry,
    payloads: PayloadBuilder,
    category: str | None = None,
    level: Level | None = None,
    note: str = "",
    zone: tzinfo = SITE_ZONE,
    send_gate: SendGate | None = None,
) -> Case:
    """Make the case, or count the finding into the open one of its camera and category.

    Without a gate nothing waits. Raises KeyError (no such finding), AlreadyDecided, KnownPositive,
    UnknownCategory.
    """
    finding = _undecided(uow, finding_id)
    chosen = category or finding.category
    if chosen not in CATEGORY_BY_ID and chosen != finding.category:
        raise UnknownCategory(chosen)
    open_case = uow.cases.open_like(finding.camera, chosen)
    if open_case is not None:
        return _merge_into_open(
            uow, finding, open_case, by=by, now=now, payloads=payloads, send_gate=send_gate
        )
    day = now.astimezone(zone).date()
    case = open_from_finding(
        without_machine_claim(finding),
        case_id(day, uow.next_number(case_sequence(day))),
        registry,
        by=by,
        now=now,
        category=chosen,
        level=level or finding.level,
        note=note,
    )
    decided = finding.decide(Decision.CONFIRM, by=by, now=now, reason=note)
    if send_gate is not None:
        case = send_gate.hold_or_send_new(uow, case, now)
    uow.cases.add(case)
    stored = replace(
        without_machine_claim(decided), category=chosen, level=case.level, case=case.id
    )
    uow.findings.put(stored)
    _announce(uow, case, payloads, now)
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


def _undecided(uow: UnitOfWork, finding_id: FindingId) -> Finding:
    finding = uow.findings.get(finding_id)
    if not finding.is_open:
        raise AlreadyDecided(finding)
    if finding.origin is Origin.PROBE:
        raise KnownPositive(finding)  # probes.settle_probe comes before
    return finding


def _merge_into_open(
    uow: UnitOfWork,
    finding: Finding,
    open_case: Case,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    send_gate: SendGate | None,
) -> Case:
    note = f"finding {finding.id}: {finding.why}".rstrip(": ")
    moved = open_case.apply_event(CaseEvent.MERGE, at=now, by=by, note=note)
    counted = replace(moved, count=open_case.count + 1)
    case = (
        send_gate.hold_or_send_repeat(counted, now)
        if send_gate is not None
        else replace(counted, revision=counted.revision + 1)
    )
    decided = finding.decide(Decision.MERGE, by=by, now=now, reason=f"counted in {case.id}")
    uow.cases.put(case)
    uow.findings.put(replace(decided, case=case.id))
    _announce(uow, case, payloads, now)
    return case


def _announce(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    for message in payloads.case_messages(case, now):
        uow.outbox.add(message)


MAX_SUPPRESSION: Final = timedelta(days=90)  # from now: what holds for ever is forgotten


def suppressed_count(uow: UnitOfWork, one: Suppression) -> int:
    """How many observations it kept from becoming leads: those that it covered while it stood."""
    unrevoked = replace(one, revoked_at=None)
    end = one.revoked_at or one.until
    seen = uow.findings.observed_since(one.camera, one.kind, one.created_at)
    return sum(s.at < end and unrevoked.applies_to(s.kind, s.box, s.at) for s in seen)


def extend_suppression(
    uow: UnitOfWork, number: int, *, by: str, now: datetime, days: int
) -> Suppression:
    """Another one in its place, answered for by whoever extends it.

    Raises KeyError: it stands no more. ValueError: longer than LONGEST, or not longer at all.
    """
    one = next((s for s in uow.suppressions.active(now) if s.number == number), None)
    if one is None:
        raise KeyError(number)
    until = one.until + timedelta(days=days)
    if not timedelta() < until - one.until or until - now > MAX_SUPPRESSION:
        raise ValueError(f"a suppression holds at most {MAX_SUPPRESSION.days} days from now")
    uow.suppressions.revoke(number, by=by, now=now)
    return uow.suppressions.add(
        camera=one.camera, kind=one.kind, box=one.box, reason=one.reason, owner=by, now=now,
        until=until,
    )  # fmt: skip


DISMISS_REASONS: Final = {str(reason): reason for reason in DismissReason}


@dataclass(frozen=True, slots=True, kw_only=True)
class DismissedFinding:
    """The lead as decided, and what is held back from now on because of it."""

    finding: Finding
    suppression: Suppression | None


def dismiss_and_suppress(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime, reason: str
) -> DismissedFinding:
    """It is no problem, and the same again is not proposed for a while; the caller commits.

    Raises KeyError, AlreadyDecided, ValueError (no reason), as `dismiss`.
    """
    finding = dismiss(uow, finding_id, by=by, now=now, reason=reason)
    return DismissedFinding(finding=finding, suppression=_suppress(uow, finding, by, now))


def _suppress(uow: UnitOfWork, finding: Finding, by: str, now: datetime) -> Suppression | None:
    if finding.origin is not Origin.MACHINE:
        return None  # the machine proposed nothing here: there is nothing to hold back
    reason = DISMISS_REASONS.get(finding.reason)
    proposal = suppression_for(finding, reason) if reason is not None else None
    if proposal is None:
        return None
    return uow.suppressions.add(
        camera=finding.camera,
        kind=proposal.kind,
        box=proposal.box,
        reason=str(proposal.reason),
        owner=by,
        now=now,
        until=now + proposal.lasts,
    )
