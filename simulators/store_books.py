"""The walk's books in memory: rounds, cases; same contract tests as the real ones."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from patrol.domain.case import Case
from patrol.domain.finding import Finding, Origin
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId, Sha256
from patrol.domain.observation import Observation
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundBooks,
    RoundState,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from simulators.store_rows import Journal, Rows

UNFINISHED = (RoundState.PLANNED, RoundState.RUNNING, RoundState.INTERRUPTED)
NOBODY_LOOKED = (VisitOutcome.PENDING, VisitOutcome.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A camera's line in the visits: planned, visited, or both."""

    camera: CameraId
    planned: PlannedVisit | None
    visit: Visit | None


class MemoryRounds:
    """Fulfils ports.RoundsBook."""

    def __init__(self, journal: Journal, pictures: Rows[Sha256, StoredPicture]) -> None:
        self.rounds: Rows[RoundId, Round] = Rows(journal)
        self.places: Rows[tuple[RoundId | None, CameraId | int], _Place] = Rows(journal)
        self.observations: Rows[CameraId, tuple[Observation, ...]] = Rows(journal)
        self.observed: Rows[RoundId, int] = Rows(journal)
        self.findings: Rows[FindingId, Finding] = Rows(journal)
        self.looks: Rows[CameraId, tuple[Visit, ...]] = Rows(journal)
        self.journal = journal
        self._pictures = pictures

    def add(self, a_round: Round, visits: Iterable[PlannedVisit]) -> None:
        """See the port."""
        if a_round.id in self.rounds:
            raise ValueError(f"round {a_round.id} exists")
        self.rounds[a_round.id] = a_round
        for planned in visits:
            key = (a_round.id, planned.camera)
            if key in self.places:
                raise ValueError(f"planned twice: {key}")
            self.places[key] = _Place(camera=planned.camera, planned=planned, visit=None)

    def get(self, round_id: RoundId) -> Round:
        """See the port."""
        return self.rounds[round_id]

    def put(self, a_round: Round) -> None:
        """See the port."""
        self.rounds[a_round.id]  # raises KeyError
        self.rounds[a_round.id] = a_round

    def of_plan(self, plan: str, *, limit: int = 10) -> Sequence[Round]:
        """See the port."""
        mine = [a_round for a_round in self.rounds.values() if a_round.plan == plan]
        return sorted(mine, key=lambda r: (r.planned_at, r.id), reverse=True)[:limit]

    def of_days(self, start: date, end: date) -> Sequence[Round]:
        """See the port."""
        mine = (a_round for a_round in self.rounds.values() if start <= a_round.day < end)
        return sorted(mine, key=lambda a_round: (a_round.planned_at, a_round.id))

    def unfinished(self, plan: str) -> Round | None:
        """See the port."""
        newest = self.of_plan(plan, limit=len(self.rounds))
        return next((a_round for a_round in newest if a_round.state in UNFINISHED), None)

    def _of(self, round_id: RoundId) -> list[_Place]:
        mine = [place for key, place in self.places.items() if key[0] == round_id]
        return sorted(mine, key=lambda place: place.planned.order if place.planned else 0)

    def pending(self, round_id: RoundId) -> Sequence[PlannedVisit]:
        """See the port."""
        waiting = (place for place in self._of(round_id) if place.visit is None)
        return [place.planned for place in waiting if place.planned is not None]

    def record(self, visit: Visit) -> bool:
        """See the port."""
        if visit.outcome is VisitOutcome.PENDING:
            raise ValueError(f"a recorded visit is not pending: {visit!r}")
        planned = None
        key: tuple[RoundId | None, CameraId | int] = (None, len(self.places))
        if visit.round is not None:
            key = (visit.round, visit.camera)
            place = self.places[key]
            if place.visit is not None:
                return False
            planned = place.planned
        self.places[key] = _Place(camera=visit.camera, planned=planned, visit=visit)
        if visit.outcome not in NOBODY_LOOKED:
            self.looks[visit.camera] = (*(self.looks.get(visit.camera) or ()), visit)
        index_pictures(self._pictures, visit.pictures)
        return True

    def miss_pending(self, round_id: RoundId, reason: str, now: datetime) -> int:
        """See the port."""
        waiting = self.pending(round_id)
        for planned in waiting:
            missed = Visit(
                round=round_id,
                camera=planned.camera,
                outcome=VisitOutcome.MISSED,
                started_at=now,
                finished_at=now,
                tries=0,
                seen=reason,
            )
            self.record(missed)
        return len(waiting)

    def books(self, round_id: RoundId) -> RoundBooks:
        """See the port."""
        planned = self.rounds[round_id].planned
        visits = self.visits(round_id)
        outcomes = Counter(visit.outcome for visit in visits)
        return RoundBooks(
            planned=planned,
            pending=len(self.pending(round_id)),
            normal=outcomes[VisitOutcome.NORMAL],
            problem=outcomes[VisitOutcome.PROBLEM],
            not_viewable=outcomes[VisitOutcome.NOT_VIEWABLE],
            missed=outcomes[VisitOutcome.MISSED],
            pictures=sum(len(visit.pictures) for visit in visits),
            observations=self.observed.get(round_id) or 0,
            findings=sum(
                one.round == round_id and one.origin is Origin.MACHINE
                for one in self.findings.values()
            ),
            failures=Counter(visit.failure for visit in visits if visit.failure),
        )

    def outcomes(self, round_id: RoundId) -> Sequence[tuple[CameraId, VisitOutcome, str]]:
        """See the port."""
        known = [(place.camera, place.visit) for place in self._of(round_id)]
        pending = VisitOutcome.PENDING
        return [(c, v.outcome, v.failure) if v else (c, pending, "") for c, v in known]

    def visits(self, round_id: RoundId) -> Sequence[Visit]:
        """See the port."""
        return [place.visit for place in self._of(round_id) if place.visit is not None]

    def last_seen(self, before: datetime) -> Mapping[CameraId, datetime]:
        """See the port."""
        looks = (look for row in self.looks.values() for look in row)
        seen = [one for one in looks if one.outcome.is_seen and one.finished_at < before]
        in_order = sorted(seen, key=lambda one: one.finished_at)
        return {one.camera: one.finished_at for one in in_order}

    def latest_visits(self, camera: CameraId, *, limit: int = 10) -> Sequence[Visit]:
        """See the port."""
        newest = (self.looks.get(camera) or ())[::-1]
        return sorted(newest, key=lambda visit: visit.finished_at, reverse=True)[:limit]


def index_pictures(index: Rows[Sha256, StoredPicture], pictures: Iterable[StoredPicture]) -> None:
    """Of the same content twice, the longer life counts, with its purpose."""
    for picture in pictures:
        known = index.get(picture.sha256)
        if known is None:
            index[picture.sha256] = picture
        elif picture.delete_after > known.delete_after:
            index[picture.sha256] = replace(
                known, purpose=picture.purpose, delete_after=picture.delete_after
            )


class MemoryCases:
    """Fulfils ports.CasesBook."""

    def __init__(self, journal: Journal, findings: Rows[FindingId, Finding]) -> None:
        self.rows: Rows[CaseId, Case] = Rows(journal)
        self._journal = journal
        self._findings = findings

    def add(self, case: Case) -> None:
        """See the port."""
        if case.id in self.rows:
            raise ValueError(f"case {case.id} exists")
        self._journal.refer(self._findings, case.finding)
        self.rows[case.id] = case

    def get(self, case_id: CaseId) -> Case:
        """See the port."""
        return self.rows[case_id]

    def put(self, case: Case) -> None:
        """See the port."""
        known = self.rows[case.id].entries
        if case.entries[: len(known)] != known:
            raise ValueError(f"case {case.id}: its history was changed; it is only appended to")
        self.rows[case.id] = case

    def open_like(self, camera: CameraId, category: str) -> Case | None:
        """See the port."""
        alike = [
            case
            for case in self.rows.values()
            if case.is_open and case.camera == camera and case.category == category
        ]
        return min(alike, key=lambda case: (case.dispatched_at, case.id), default=None)

    def list(self, *, open_only: bool = False, limit: int = 1000) -> Sequence[Case]:
        """See the port."""
        wanted = [case for case in self.rows.values() if case.is_open or not open_only]
        return sorted(wanted, key=lambda c: (c.dispatched_at, c.id), reverse=True)[:limit]

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """See the port."""
        then = (case for case in self.rows.values() if start <= case.dispatched_at < end)
        return sorted(then, key=lambda case: (case.dispatched_at, case.id))

    def ladder_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """See the port."""
        return self._due(now, limit, lambda case: case.ladder_due_at)

    def look_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """See the port."""
        return self._due(now, limit, lambda case: case.look_due_at)

    def hold_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """See the port."""
        return self._due(now, limit, lambda case: case.hold.until if case.hold else None)

    def _due(
        self, now: datetime, limit: int, clock: Callable[[Case], datetime | None]
    ) -> Sequence[Case]:
        rung = [(clock(case), case.id, case) for case in self.rows.values()]
        due = sorted((at, id_, case) for at, id_, case in rung if at is not None and at <= now)
        return [case for _, _, case in due][:limit]
