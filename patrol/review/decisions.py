"""Decide a finding: confirm (a case follows), dismiss (a suppression may follow), or be unsure.

Used by the review page, the API, the command line, the site's rules (`BY_RULES`) and simulators.
Each function runs inside the caller's unit of work and leaves the commit to it, so that the
decision, the case, its messages and the suppression stand or fall together. The second of two
deciders gets AlreadyDecided, which names who and when; one whose finding another person is judging
gets FindingClaimed (queue.py). What a dismissal suppresses is the domain's rule
(domain/suppression.py); a reason in free text suppresses nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from patrol.cases.request_keys import RequestKey, remember_request
from patrol.cases.save_and_send import SEND_AT_ONCE, SendGate, add_case, merge_into_case
from patrol.domain.case import Case
from patrol.domain.case_opening import case_id, case_sequence, open_from_finding
from patrol.domain.errors import BadInput
from patrol.domain.finding import (
    CATEGORY_BY_ID,
    AlreadyDecided,
    Decision,
    DismissReason,
    Finding,
    FindingNotAsShown,
    KnownPositive,
    Origin,
)
from patrol.domain.ids import FindingId
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression, suppression_for
from patrol.messaging.payloads import PayloadBuilder
from patrol.review.blind_sample import without_machine_claim
from patrol.review.claims import end_claim
from patrol.store import UnitOfWork

SITE_ZONE: Final = ZoneInfo("Asia/Shanghai")  # default; a site passes its own
BY_RULES: Final = "rules"  # the actor who confirms what the site's rules name as urgent
MAX_SUPPRESSION: Final = timedelta(days=90)  # from now: what never ends is forgotten
DISMISS_REASONS: Final = {str(reason): reason for reason in DismissReason}


class UnknownCategory(BadInput, ValueError):
    """Neither a category of CATEGORIES nor the one that the finding came with."""

    def __init__(self, category: str) -> None:
        known = ", ".join(CATEGORY_BY_ID)
        super().__init__(f"{category!r} is not a category, use one of {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DismissedFinding:
    """The finding as decided, and the suppression that follows from it, if any."""

    finding: Finding
    suppression: Suppression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """What a page knew when it asked for a decision: the revision that it showed, and its key."""

    revision: str = ""  # Finding.revision; empty: unknown, nothing is compared
    request: RequestKey | None = None

    def check(self, uow: UnitOfWork, finding_id: FindingId, now: datetime) -> None:
        """Store the key, and compare the finding with what was shown.

        Raises RequestRepeated, RequestKeyReused, KeyError, AlreadyDecided, FindingNotAsShown.
        """
        remember_request(uow, self.request, now)
        finding = uow.findings.get(finding_id)
        if not finding.is_open:
            raise AlreadyDecided(finding)
        if self.revision not in {"", finding.revision}:
            raise FindingNotAsShown(finding)


NOT_SHOWN: Final = ShownFinding()  # decided by a program or at the command line


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
    send_gate: SendGate = SEND_AT_ONCE,
    holder: str = "",
) -> Case:
    """Open a case, or merge the finding into the open one of its camera and category.

    `holder`: see claims.end_claim. Raises KeyError (no such finding), AlreadyDecided,
    KnownPositive, FindingClaimed, UnknownCategory.
    """
    finding = _undecided(uow, finding_id)
    end_claim(uow, finding_id, by=by, holder=holder, now=now)
    chosen = category or finding.category
    if chosen not in CATEGORY_BY_ID and chosen != finding.category:
        raise UnknownCategory(chosen)
    running = uow.cases.open_like(finding.camera, chosen)
    if running is not None:
        merged = finding.decide(Decision.MERGE, by=by, now=now, reason=f"counted in {running.id}")
        uow.findings.put(replace(merged, case=running.id))
        text = f"finding {finding.id}: {finding.why}".rstrip(": ")
        return merge_into_case(
            uow, running, by=by, now=now, note=text, payloads=payloads, send_gate=send_gate
        )
    day = now.astimezone(zone).date()
    ident = case_id(day, uow.next_number(case_sequence(day)))
    case = open_from_finding(
        without_machine_claim(finding), ident, registry,
        by=by, now=now, category=chosen, level=level or finding.level, note=note,
    )  # fmt: skip
    case = send_gate.hold_or_send_new(uow, case, now)
    add_case(uow, case, payloads, now)
    decided = without_machine_claim(finding.decide(Decision.CONFIRM, by=by, now=now, reason=note))
    uow.findings.put(replace(decided, category=chosen, level=case.level, case=case.id))
    return case


def dismiss_and_suppress(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    reason: str,
    holder: str = "",
) -> DismissedFinding:
    """Dismiss, and suppress the same proposal for a while where the reason says so.

    Raises KeyError, AlreadyDecided, FindingClaimed, ValueError (no reason), as `dismiss`.
    """
    finding = dismiss(uow, finding_id, by=by, now=now, reason=reason, holder=holder)
    return DismissedFinding(finding=finding, suppression=_suppress(uow, finding, by, now))


def dismiss(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    reason: DismissReason | str,
    holder: str = "",
) -> Finding:
    """Decide that it is no problem, with the reason (a DismissReason or free text).

    Raises KeyError, AlreadyDecided, FindingClaimed, ValueError (no reason).
    """
    if not reason.strip():
        known = ", ".join(DismissReason)
        raise ValueError(f"a dismissal needs its reason: {known}, or your own words")
    return _decide(
        uow, finding_id, Decision.DISMISS, by=by, now=now, reason=str(reason).strip(), holder=holder
    )


def unsure(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    holder: str = "",
) -> Finding:
    """Leave it in the queue for another person; its camera is visited again.

    Raises KeyError, AlreadyDecided, FindingClaimed.
    """
    return _decide(uow, finding_id, Decision.UNSURE, by=by, now=now, reason=reason, holder=holder)


def extend_suppression(
    uow: UnitOfWork, number: int, *, by: str, now: datetime, days: int
) -> Suppression:
    """Replace a suppression by a longer one, owned by who extends it.

    Raises KeyError: it is not in force. ValueError: longer than MAX_SUPPRESSION, or not longer.
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


def _undecided(uow: UnitOfWork, finding_id: FindingId) -> Finding:
    finding = uow.findings.get(finding_id)
    if not finding.is_open:
        raise AlreadyDecided(finding)
    if finding.origin is Origin.PROBE:
        raise KnownPositive(finding)  # the caller settles it: blind_sample.merge_known_positive
    return finding


def _decide(
    uow: UnitOfWork,
    finding_id: FindingId,
    decision: Decision,
    *,
    by: str,
    now: datetime,
    reason: str,
    holder: str,
) -> Finding:
    decided = uow.findings.get(finding_id).decide(decision, by=by, now=now, reason=reason)
    end_claim(uow, finding_id, by=by, holder=holder, now=now)
    uow.findings.put(decided)
    return decided


def _suppress(uow: UnitOfWork, finding: Finding, by: str, now: datetime) -> Suppression | None:
    if finding.origin is not Origin.MACHINE:
        return None  # the machine proposed nothing here: there is nothing to suppress
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
