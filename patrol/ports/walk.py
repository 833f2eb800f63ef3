"""What a round writes: rounds and visits, findings, cases."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId
from patrol.domain.observation import Observation, Subject
from patrol.domain.ranking import TrackRecord
from patrol.domain.round import PlannedVisit, Round, RoundBooks, Visit, VisitOutcome


class RoundsBook(Protocol):
    """Rounds and their visits."""

    def add(self, a_round: Round, visits: Iterable[PlannedVisit]) -> None:
        """Write a round and its pending visits. Raises ValueError when the id exists."""

    def get(self, round_id: RoundId) -> Round:
        """Raises KeyError."""

    def put(self, a_round: Round) -> None:
        """Write its changed fields."""

    def of_plan(self, plan: str, *, limit: int = 10) -> Sequence[Round]:
        """Newest first."""

    def of_days(self, start: date, end: date) -> Sequence[Round]:
        """All plans' rounds of the local days from `start` until before `end`, oldest first."""

    def unfinished(self, plan: str) -> Round | None:
        """The newest round of the plan that is PLANNED, RUNNING or INTERRUPTED."""

    def pending(self, round_id: RoundId) -> Sequence[PlannedVisit]:
        """Planned and not yet visited, in order."""

    def record(self, visit: Visit) -> bool:
        """Write a visit and its pictures; of a round, only if it is still pending.

        False: this camera's visit in this round was recorded before; nothing was written.
        Raises KeyError when the round never planned this camera.
        """

    def miss_pending(self, round_id: RoundId, reason: str, now: datetime) -> int:
        """Mark every pending visit missed (`seen` says why, no tries); how many there were."""

    def books(self, round_id: RoundId) -> RoundBooks:
        """Counted from the rows, not from memory."""

    def outcomes(self, round_id: RoundId) -> Sequence[tuple[CameraId, VisitOutcome, str]]:
        """(camera, outcome, failure) of every visit, pending ones too, in the order of the plan."""

    def visits(self, round_id: RoundId) -> Sequence[Visit]:
        """All that are no longer pending, in the order of the plan.

        Pictures are listed as they were taken; `Pictures.get` says which still exist.
        """

    def last_seen(self, before: datetime) -> Mapping[CameraId, datetime]:
        """When each camera last gave a usable picture, of all that was visited before then."""

    def latest_visits(self, camera: CameraId, *, limit: int = 10) -> Sequence[Visit]:
        """Newest first, rounds and second looks alike; a missed visit is none."""


class FindingsBook(Protocol):
    """Observations and the findings made of them."""

    def observe(self, observations: Iterable[Observation]) -> None:
        """Append."""

    def recent_kinds(
        self, camera: CameraId, *, visits: int
    ) -> Sequence[frozenset[tuple[str, str]]]:
        """(kind, zone) seen at each of the camera's last `visits` recorded visits, newest first."""

    def observed(self, round_id: RoundId, *, gauge: str) -> Sequence[Observation]:
        """What one gauge saw in a round, in the order in which it was written."""

    def observed_since(self, camera: CameraId, kind: str, since: datetime) -> Sequence[Observation]:
        """What a camera showed of one kind from `since` on, oldest first."""

    def track_records(self, since: datetime) -> Mapping[tuple[CameraId, Subject], TrackRecord]:
        """How people decided each camera's leads found from `since` on; machines' do not count.

        Leads that the machine did not propose (Origin) say nothing about it: they count as a look
        (`last_at`), and neither as confirmed nor as decided.
        """

    def add(self, finding: Finding) -> None:
        """Append."""

    def get(self, finding_id: FindingId) -> Finding:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, finding: Finding) -> None:
        """Write its changed fields."""

    def open_like(self, camera: CameraId, category: str) -> Finding | None:
        """A finding of the machine's, of this camera and category, that still waits."""

    def queue(self, *, limit: int = 1000) -> Sequence[Finding]:
        """All that wait for a person, worst first: level, score, oldest."""

    def of_round(self, round_id: RoundId) -> Sequence[Finding]:
        """All, decided or not."""

    def doubted(self, *, limit: int = 100) -> Sequence[Finding]:
        """Somebody was unsure of them, and nobody looked again yet; the oldest doubt first."""

    def confirmed_since(self, since: datetime, *, limit: int = 1000) -> Sequence[Finding]:
        """The machine's, confirmed by a person from `since` on; newest first."""


class CasesBook(Protocol):
    """Cases with their histories."""

    def add(self, case: Case) -> None:
        """Append, entries included. Raises ValueError when the id exists."""

    def get(self, case_id: CaseId) -> Case:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, case: Case) -> None:
        """Write its changed fields and its new entries (history is only ever appended).

        Raises ValueError when the stored history is not the beginning of this one.
        """

    def open_like(self, camera: CameraId, category: str) -> Case | None:
        """An open case of this camera and category."""

    def list(self, *, open_only: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Newest first."""

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """Dispatched from `start` until before `end`, oldest first."""

    def ladder_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `ladder_due_at` has come, oldest first.

        Locked like `get`; one that somebody else is moving just now is left for the next ring.
        """

    def look_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `look_due_at` has come, oldest first; locked as in `ladder_due`."""

    def hold_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose hold is to be looked at again, oldest first; locked as in `ladder_due`."""
