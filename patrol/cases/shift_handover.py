"""Shift handover (交接班): the sheet of what is open, gathered from the store, and two signatures.

Used by the shift page and `patrol handover`. The sheet lists findings, cases, outages upstream and
stoppages; it is plain JSON and is stored as it was signed (rules: domain/shift_handover.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from patrol.domain.case import Case, CaseState
from patrol.domain.finding import WaitingTotal
from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.shift_handover import (
    HandoverAction,
    HandoverEntry,
    NotShiftOwner,
    handover_refusal,
    pending_sheet,
    shift_owner,
    takeover_refusal,
)
from patrol.domain.timestamps import rfc3339_or_none
from patrol.domain.verification import awaits_person
from patrol.store import UnitOfWork

MAX_OPEN_CASES = 10_000
SIGNATURES_READ = 50  # enough to reach back to the last takeover


def handover_sheet(
    uow: UnitOfWork, now: datetime, maintenance: Iterable[Stoppage] = ()
) -> dict[str, Any]:
    """What is open at `now`, as JSON; `maintenance`: the windows of site.yaml."""
    cases = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
    troubles = uow.troubles.list_open()
    stoppages = [s for s in (*maintenance, *uow.stoppages.active(now)) if not s.has_ended(now)]
    unacknowledged = [
        case for case in cases if case.state in (CaseState.DISPATCHED, CaseState.REWORK)
    ]
    overdue = [case for case in cases if case.due_at < now]
    states = Counter(health.state for health in uow.health.current_by_camera().values())
    return {
        "at": rfc3339_or_none(now),
        "shift_of": shift_owner(uow.handovers.entries(limit=SIGNATURES_READ)),
        "findings": _finding_counts(uow.findings.waiting_totals()),
        "open_cases": len(cases),
        "unacknowledged": [_case_entry(case) for case in unacknowledged],
        "overdue": [_case_entry(case) for case in overdue],
        "to_verify": [_case_entry(case) for case in cases if awaits_person(case)],
        "returned": [_case_entry(case) for case in cases if case.state is CaseState.RETURNED],
        "upstream": [_trouble_entry(t) for t in troubles if t.kind is not TroubleKind.CAMERA],
        "cameras": {
            "offline": states["offline"],
            "faulty": states["faulty"],
            "in_the_queue": sum(t.kind is TroubleKind.CAMERA for t in troubles),
            "withdrawn": len(uow.consents.withdrawn()),
        },
        "paused": [_stoppage_entry(s) for s in stoppages if s.scope is StoppageScope.ROUNDS],
        "suspended": [_stoppage_entry(s) for s in stoppages if s.scope is not StoppageScope.ROUNDS],
        "messages_waiting": uow.outbox.unsent(),
    }


def give_shift(
    uow: UnitOfWork, *, who: str, to: str, note: str, sheet: Mapping[str, object], now: datetime
) -> HandoverEntry:
    """Append the signature of who leaves the shift. Raises NotShiftOwner; the caller commits."""
    refusal = handover_refusal(uow.handovers.entries(limit=SIGNATURES_READ), who, to)
    if refusal is not None:
        raise NotShiftOwner(refusal)
    return uow.handovers.append(
        at=now, what=HandoverAction.GIVE, who=who, to=to, note=note, sheet=sheet
    )


def take_shift(uow: UnitOfWork, *, who: str, note: str, now: datetime) -> HandoverEntry:
    """Append the signature of who takes the shift, under the sheet that was given.

    Raises NotShiftOwner; the caller commits.
    """
    entries = uow.handovers.entries(limit=SIGNATURES_READ)
    given, refusal = pending_sheet(entries), takeover_refusal(entries, who)
    if given is None or refusal is not None:
        raise NotShiftOwner(refusal or "nothing was handed over")
    return uow.handovers.append(
        at=now, what=HandoverAction.TAKE, who=who, to="", note=note, sheet=given.sheet
    )


def _finding_counts(totals: Sequence[WaitingTotal]) -> dict[str, Any]:
    by_level, by_subject = Counter[str](), Counter[str]()
    for total in totals:
        by_level[str(total.level.value)] += total.count
        by_subject[str(total.subject)] += total.count
    oldest = min((total.oldest for total in totals), default=None)
    return {
        "open": sum(total.count for total in totals),
        "by_level": dict(sorted(by_level.items())),
        "by_subject": dict(sorted(by_subject.items())),
        "oldest": rfc3339_or_none(oldest),
    }


def _case_entry(case: Case) -> dict[str, Any]:
    return {
        "case": case.id,
        "grid": case.grid,
        "level": str(case.level.value),
        "category": case.category,
        "state": str(case.state),
        "rung": case.rung,
        "due": rfc3339_or_none(case.due_at),
    }


def _trouble_entry(trouble: Trouble) -> dict[str, Any]:
    return {
        "trouble": trouble.number,
        "kind": str(trouble.kind),
        "subject": trouble.subject,
        "since": rfc3339_or_none(trouble.since),
        "cameras": len(trouble.cameras),
        "taken_by": trouble.taken_by,
        "due": rfc3339_or_none(trouble.due_at),
    }


def _stoppage_entry(stoppage: Stoppage) -> dict[str, Any]:
    return {
        "number": stoppage.number,
        "scope": str(stoppage.scope),
        "subject": stoppage.subject,
        "from": rfc3339_or_none(stoppage.start),
        "until": rfc3339_or_none(stoppage.until),
        "reason": stoppage.reason,
        "by": stoppage.by,
    }
