"""The findings book in memory; same contract tests as the real one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, RoundId
from patrol.domain.observation import Observation, Subject
from patrol.domain.ranking import NO_PERSON, TrackRecord
from simulators.store_books import MemoryRounds

Kinds = frozenset[tuple[str, str]]


class MemoryFindings:
    """Fulfils ports.FindingsBook."""

    def __init__(self, rounds: MemoryRounds) -> None:
        self._rounds = rounds
        self._observations = rounds.observations
        self._findings = rounds.findings

    def observe(self, observations: Iterable[Observation]) -> None:
        """See the port."""
        for one in observations:
            self._observations[one.camera] = (*self._of(one.camera), one)
            if one.round is not None:
                self._rounds.journal.refer(self._rounds.rounds, one.round)
                self._rounds.observed[one.round] = (self._rounds.observed.get(one.round) or 0) + 1

    def _of(self, camera: CameraId) -> tuple[Observation, ...]:
        return self._observations.get(camera) or ()

    def recent_kinds(self, camera: CameraId, *, visits: int) -> Sequence[Kinds]:
        """See the port."""
        looks = self._rounds.latest_visits(camera, limit=visits)
        kinds: list[set[tuple[str, str]]] = [set() for _ in looks]
        for one in self._of(camera):
            for place, look in enumerate(looks):
                if one.round == look.round and (one.round or look.started_at <= one.at):
                    kinds[place].add((one.kind, one.zone))
                    break
        return [frozenset(kind) for kind in kinds]

    def observed(self, round_id: RoundId, *, gauge: str) -> Sequence[Observation]:
        """See the port."""
        every = (one for row in self._observations.values() for one in row)
        return [one for one in every if one.round == round_id and one.gauge == gauge]

    def observed_since(self, camera: CameraId, kind: str, since: datetime) -> Sequence[Observation]:
        """See the port."""
        mine = [one for one in self._of(camera) if one.kind == kind and one.at >= since]
        return sorted(mine, key=lambda one: one.at)

    def track_records(self, since: datetime) -> Mapping[tuple[CameraId, Subject], TrackRecord]:
        """See the port."""
        records: dict[tuple[CameraId, Subject], TrackRecord] = {}
        for one in self._findings.values():
            right = one.state in (FindingState.CONFIRMED, FindingState.MERGED)
            judged = right or one.state is FindingState.DISMISSED
            if one.decided_at is None or not judged or one.found_at < since:
                continue
            if one.decided_by in NO_PERSON:
                continue
            key = one.camera, one.subject
            known = records.get(key) or TrackRecord(confirmed=0, decided=0, last_at=one.decided_at)
            machines = one.origin is Origin.MACHINE
            records[key] = TrackRecord(
                confirmed=known.confirmed + (right and machines),
                decided=known.decided + machines,
                last_at=max(known.last_at, one.decided_at),
            )
        return records

    def add(self, finding: Finding) -> None:
        """See the port."""
        if finding.id in self._findings:
            raise ValueError(f"finding {finding.id} exists")
        self._rounds.journal.refer(self._rounds.rounds, finding.round)
        self._findings[finding.id] = finding

    def get(self, finding_id: FindingId) -> Finding:
        """See the port."""
        return self._findings[finding_id]

    def put(self, finding: Finding) -> None:
        """See the port."""
        self._findings[finding.id]  # raises KeyError
        self._findings[finding.id] = finding

    def open_like(self, camera: CameraId, category: str) -> Finding | None:
        """See the port."""
        machines = (f for f in self._waiting() if f.origin is Origin.MACHINE)
        alike = [f for f in machines if f.camera == camera and f.category == category]
        return min(alike, key=lambda f: (f.found_at, f.id), default=None)

    def _waiting(self) -> list[Finding]:
        return [finding for finding in self._findings.values() if finding.is_open]

    def queue(self, *, limit: int = 1000) -> Sequence[Finding]:
        """See the port."""
        worst = sorted(self._waiting(), key=lambda f: (f.level, -f.score, f.found_at, f.id))
        return worst[:limit]

    def of_round(self, round_id: RoundId) -> Sequence[Finding]:
        """See the port."""
        mine = [finding for finding in self._findings.values() if finding.round == round_id]
        return sorted(mine, key=lambda f: (f.found_at, f.id))

    def doubted(self, *, limit: int = 100) -> Sequence[Finding]:
        """See the port."""
        unseen = [
            (one.decided_at, one.id, one)
            for one in self._waiting()
            if one.state is FindingState.UNSURE and one.again is None and one.decided_at
        ]
        return [one for _, _, one in sorted(unseen)[:limit]]

    def confirmed_since(self, since: datetime, *, limit: int = 1000) -> Sequence[Finding]:
        """See the port."""
        real = [
            one
            for one in self._findings.values()
            if one.state is FindingState.CONFIRMED
            and one.origin is Origin.MACHINE
            and one.found_at >= since
            and one.decided_by not in NO_PERSON
        ]
        return sorted(real, key=lambda f: (-f.found_at.timestamp(), f.id))[:limit]
