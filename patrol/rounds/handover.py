"""The sheet of a hand-over, gathered from the books, and its two signatures.

Everything that the next shift has to know is open: leads, cases, what is out of order upstream,
what is stopped and by whom. The sheet is plain JSON and is stored as it was signed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from patrol.domain.case import Case, CaseState
from patrol.domain.finding import Finding
from patrol.domain.handover import (
    HandoverEntry,
    NotYours,
    Signature,
    owner_of,
    waiting_sheet,
    why_not_give,
    why_not_take,
)
from patrol.domain.stoppage import Scope, Stoppage
from patrol.domain.trouble import Trouble, TroubleKind
from patrol.domain.verdict import awaits_verdict
from patrol.rounds.summary import utc_text
from patrol.store import UnitOfWork

OPEN_CASES = 10_000
SIGNATURES = 50  # back to the last one who took over


def sheet_of(
    uow: UnitOfWork, now: datetime, maintenance: Iterable[Stoppage] = ()
) -> dict[str, Any]:
    """What is open just now; `maintenance`: the windows that site.yaml itself names."""
    cases = uow.cases.list(open_only=True, limit=OPEN_CASES)
    findings, troubles = uow.findings.queue(), uow.troubles.standing()
    said = [s for s in (*maintenance, *uow.stoppages.standing(now)) if not s.is_over(now)]
    unheard = [case for case in cases if case.state in (CaseState.DISPATCHED, CaseState.REWORK)]
    overdue = [case for case in cases if case.due_at < now]
    states = Counter(story.state for story in uow.health.stories().values())
    return {
        "at": utc_text(now),
        "shift_of": owner_of(uow.handovers.entries(limit=SIGNATURES)),
        "findings": _findings(findings),
        "open_cases": len(cases),
        "unacknowledged": [_case(case) for case in unheard],
        "overdue": [_case(case) for case in overdue],
        "to_verify": [_case(case) for case in cases if awaits_verdict(case)],
        "returned": [_case(case) for case in cases if case.state is CaseState.RETURNED],
        "upstream": [_trouble(t) for t in troubles if t.kind is not TroubleKind.CAMERA],
        "cameras": {
            "offline": states["offline"],
            "faulty": states["faulty"],
            "in_the_queue": sum(t.kind is TroubleKind.CAMERA for t in troubles),
            "withdrawn": len(uow.consents.withdrawn()),
        },
        "paused": [_stoppage(s) for s in said if s.scope is Scope.ROUNDS],
        "suspended": [_stoppage(s) for s in said if s.scope is not Scope.ROUNDS],
        "messages_waiting": uow.outbox.unsent(),
    }


def give(
    uow: UnitOfWork, *, who: str, to: str, note: str, sheet: Mapping[str, object], now: datetime
) -> HandoverEntry:
    """The one who goes signs. Raises NotYours; the caller commits."""
    problem = why_not_give(uow.handovers.entries(limit=SIGNATURES), who, to)
    if problem is not None:
        raise NotYours(problem)
    return uow.handovers.append(at=now, what=Signature.GIVE, who=who, to=to, note=note, sheet=sheet)


def take(uow: UnitOfWork, *, who: str, note: str, now: datetime) -> HandoverEntry:
    """The one who comes signs the very sheet that was given. Raises NotYours."""
    entries = uow.handovers.entries(limit=SIGNATURES)
    given, problem = waiting_sheet(entries), why_not_take(entries, who)
    if given is None or problem is not None:
        raise NotYours(problem or "nothing was handed over")
    return uow.handovers.append(
        at=now, what=Signature.TAKE, who=who, to="", note=note, sheet=given.sheet
    )


def _findings(findings: Iterable[Finding]) -> dict[str, Any]:
    waiting = list(findings)
    oldest = min((finding.found_at for finding in waiting), default=None)
    return {
        "open": len(waiting),
        "by_level": dict(sorted(Counter(str(f.level.value) for f in waiting).items())),
        "by_subject": dict(sorted(Counter(str(f.subject) for f in waiting).items())),
        "oldest": utc_text(oldest),
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "case": case.id,
        "grid": case.grid,
        "level": str(case.level.value),
        "category": case.category,
        "state": str(case.state),
        "rung": case.rung,
        "due": utc_text(case.due_at),
    }


def _trouble(trouble: Trouble) -> dict[str, Any]:
    return {
        "trouble": trouble.number,
        "kind": str(trouble.kind),
        "subject": trouble.subject,
        "since": utc_text(trouble.since),
        "cameras": len(trouble.cameras),
        "taken_by": trouble.taken_by,
        "due": utc_text(trouble.due_at),
    }


def _stoppage(stoppage: Stoppage) -> dict[str, Any]:
    return {
        "number": stoppage.number,
        "scope": str(stoppage.scope),
        "subject": stoppage.subject,
        "from": utc_text(stoppage.start),
        "until": utc_text(stoppage.until),
        "reason": stoppage.reason,
        "by": stoppage.by,
    }
