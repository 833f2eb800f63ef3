"""Open cases to helpers (群防群治), and write what helpers do and report.

Each function runs inside the caller's unit of work; the caller commits. Used by the phone pages,
the console, the API and the command line.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from patrol.cases.save_and_send import save_case
from patrol.domain.case import Case
from patrol.domain.helping import FiledReport, HelperStep, note_helper_step, open_to_helpers
from patrol.domain.ids import CaseId
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork

MAX_REPORTS: Final = 100


def set_open_to_helpers(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    is_open: bool,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Open a case to the helpers of its grid, or close it to them.

    Raises KeyError, CannotOpen, IllegalCaseTransition.
    """
    case = uow.cases.get(case_id)
    changed = open_to_helpers(case, is_open=is_open, by=by, now=now, note=payloads.scrub(note))
    if changed == case:
        return case
    log_opening(uow, changed, now)
    return save_case(uow, case, changed, payloads, now)


def log_opening(uow: UnitOfWork, changed: Case, now: datetime) -> None:
    """Write in the access log who opened the case to helpers just now, or closed it to them."""
    last = changed.entries[-1]
    why = f"case:{changed.id}"
    uow.access.append(at=now, who=last.by, what=str(last.what), camera=None, why=why)


def note_helper(
    uow: UnitOfWork,
    case_id: CaseId,
    step: HelperStep,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Write that a helper is going, or was there. Raises KeyError, NotOpenToHelpers."""
    case = uow.cases.get(case_id)
    changed = note_helper_step(case, step, by=by, now=now, note=payloads.scrub(note))
    if changed == case:
        return case
    uow.access.append(at=now, who=by, what=f"helper_{step}", camera=None, why=f"case:{case.id}")
    return save_case(uow, case, changed, payloads, now)


def reports_of(
    uow: UnitOfWork, filed_by: str, *, limit: int = MAX_REPORTS
) -> Sequence[FiledReport]:
    """The reports of an account (of all, where `filed_by` is empty), the newest first."""
    findings = uow.helper_reports.list(filed_by, limit=limit)
    cases = {case.id: case for case in uow.cases.with_ids({f.case for f in findings if f.case})}
    return [
        FiledReport(finding=one, case=cases.get(one.case) if one.case else None) for one in findings
    ]
