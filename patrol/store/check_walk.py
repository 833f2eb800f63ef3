"""fsck of the walk's books: rounds balance, histories lead where their cases stand."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, exists, func, or_, select, text

from patrol.domain.case import MOVES, CaseEvent, CaseState
from patrol.domain.finding import FindingState
from patrol.domain.round import RoundState, VisitOutcome
from patrol.store.db import Db
from patrol.store.desk_tables import outbox
from patrol.store.problem import AUDITOR, Problem
from patrol.store.tables import (
    OPEN_CASE,
    case_entries,
    cases,
    deletions,
    findings,
    pictures,
    rounds,
    visit_pictures,
    visits,
)

_SEEN: Final = (VisitOutcome.NORMAL, VisitOutcome.PROBLEM)


def check_rounds(db: Db) -> Iterator[Problem]:
    """Planned = pending + seen + not viewable + missed, and what is finished has none pending."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    by_outcome = select(visits.c.round, visits.c.outcome, func.count().label("rows"))
    known = visits.c.round.is_not(None)
    for row in db.all(by_outcome.where(known).group_by(visits.c.round, visits.c.outcome)):
        counts[row.round][row.outcome] = row.rows
    for row in db.all(select(rounds.c.id, rounds.c.planned, rounds.c.state)):
        yield from _check_round(row, counts[row.id])
    empty_handed = select(visits.c.number, visits.c.camera).where(
        visits.c.outcome.in_(_SEEN), visits.c.usable_pictures < 1
    )
    for row in db.all(empty_handed):
        yield Problem(
            where=f"visit {row.number} of camera {row.camera}",
            what="counted as seen without a usable picture",
        )


def _check_round(row: Row[Any], counts: dict[str, int]) -> Iterator[Problem]:
    where = f"round {row.id}"
    if row.state not in list(RoundState):
        yield Problem(where=where, what=f"{row.state!r} is no state of a round")
    for outcome in counts.keys() - set(VisitOutcome):
        yield Problem(where=where, what=f"{outcome!r} is no outcome of a visit")
    written = sum(counts.values())
    if written != row.planned:
        yield Problem(where=where, what=f"{row.planned} cameras planned, {written} written down")
    pending = counts.get(VisitOutcome.PENDING, 0)
    if pending and row.state in (RoundState.FINISHED, RoundState.MISSED):
        yield Problem(where=where, what=f"{row.state}, but {pending} visits are still pending")


def check_findings(db: Db) -> Iterator[Problem]:
    """Every decided finding points to its case, and the case back to it."""
    columns = findings.c.id, findings.c.state, findings.c.case, findings.c.decided_by
    told = (FindingState.CONFIRMED, FindingState.MERGED)
    its_case = cases.c.id.label("its_case"), cases.c.finding.label("back")
    joined = findings.outerjoin(cases, cases.c.id == findings.c.case)
    for row in db.all(select(*columns, *its_case).select_from(joined)):
        where = f"finding {row.id}"
        if row.state not in list(FindingState):
            yield Problem(where=where, what=f"{row.state!r} is no state of a finding")
        if row.state in told and row.its_case is None:
            yield Problem(where=where, what=f"{row.state}, but its case {row.case!r} is not there")
        if row.state == FindingState.CONFIRMED and row.its_case and row.back != row.id:
            yield Problem(where=where, what=f"its case {row.case} is of finding {row.back}")


def check_cases(db: Db) -> Iterator[Problem]:
    """Each history replays through the state table to where the case stands."""
    histories: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for entry in db.all(select(case_entries).order_by(case_entries.c.case, case_entries.c.place)):
        histories[entry.case].append(entry)
    for row in db.all(select(cases.c.id, cases.c.state)):
        wrong = _replayed(histories[row.id], row.state)
        if wrong:
            yield Problem(where=f"case {row.id}", what=wrong)
    # One whose first word is held is told later; messages of ended ones are pruned in the end.
    untold = ~exists().where(outbox.c.case == cases.c.id)
    waits = cases.c.hold_until.is_not(None)
    for row in db.all(select(cases.c.id).where(text(OPEN_CASE), ~waits, untold)):
        yield Problem(where=f"case {row.id}", what="nobody was ever told: no message in the outbox")


def _replayed(history: Sequence[Row[Any]], stands: str) -> str | None:
    """What is wrong with the history, or None."""
    state: CaseState | None = CaseState.DISPATCHED
    for place, entry in enumerate(history):
        if entry.place != place:
            return f"line {place} of its history is missing"
        if not (place == 0 and entry.what == CaseEvent.DISPATCH):
            state = _after(state, entry.what)
        if state is None or entry.state != state:
            return f"line {place} of its history, {entry.what} to {entry.state}, is no legal move"
    return None if state == stands else f"it is {stands}, its history leads to {state}"


def _after(state: CaseState | None, event: str) -> CaseState | None:
    if state is None or event not in list(CaseEvent):
        return None
    return MOVES.get((state, CaseEvent(event)))


def check_pictures(db: Db) -> Iterator[Problem]:
    """Every picture that was taken is still indexed, or its deletion is in the ledger."""
    taken = visit_pictures.c.sha256
    there = exists().where(pictures.c.sha256 == taken)
    gone = exists().where(deletions.c.sha256 == taken)
    for row in db.all(select(taken).where(~there, ~gone).distinct()):
        yield Problem(
            where=f"picture {row.sha256}",
            what="neither indexed nor in the deletion ledger",
            whose=AUDITOR,
        )
    too_early = and_(deletions.c.deleted_at < deletions.c.due_at)
    nameless = or_(pictures.c.purpose == "", pictures.c.bytes < 1)
    for row in db.all(select(deletions.c.sha256).where(too_early)):
        yield Problem(where=f"picture {row.sha256}", what="deleted before its time", whose=AUDITOR)
    for row in db.all(select(pictures.c.sha256).where(nameless)):
        yield Problem(where=f"picture {row.sha256}", what="indexed without purpose or size")
