"""Histories of findings, their alarms, and the duties of rounds in the store."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from patrol.domain.finding import FindingEntry
from patrol.domain.ids import FindingId, RoundId
from patrol.domain.review_alarm import AlarmStep
from patrol.domain.round_duty import RoundDutyEntry
from patrol.store.rows import RowMapper
from patrol.store.schema_town import finding_alarms, finding_entries, round_duties
from patrol.store.transaction import Transaction, in_batches

_ENTRIES: Final = RowMapper(FindingEntry)
_DUTIES: Final = RowMapper(RoundDutyEntry)


class FindingHistoryRepository:
    """Appends to and reads the histories of findings."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def append(
        self, finding: FindingId, *, at: datetime, by: str, what: str, note: str = ""
    ) -> None:
        """Add the next entry."""
        mine = finding_entries.c.finding == finding
        count = self._db.scalar(select(func.count()).select_from(finding_entries).where(mine))
        row = {"finding": finding, "place": int(count), "at": at, "by": by, "what": what}
        self._db.add(finding_entries, [{**row, "note": note}])

    def of_finding(self, finding: FindingId) -> Sequence[FindingEntry]:
        """Oldest first."""
        mine = select(finding_entries).where(finding_entries.c.finding == finding)
        rows = self._db.all(mine.order_by(finding_entries.c.place))
        return [_ENTRIES.from_row(row) for row in rows]


class FindingAlarmRepository:
    """Which steps of which finding's alarm were carried out."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def record(self, finding: FindingId, step: AlarmStep, at: datetime, *, reached: int) -> bool:
        """Write the step; False when it was carried out before."""
        row = {"finding": finding, "step": str(step), "at": at, "reached": reached}
        return self._db.add_if_new(finding_alarms, row, "finding", "step")

    def of_findings(self, findings: Iterable[FindingId]) -> Mapping[FindingId, set[AlarmStep]]:
        """The steps that were carried out, by finding."""
        done: dict[FindingId, set[AlarmStep]] = defaultdict(set)
        for batch in in_batches(findings):
            rows = self._db.all(
                select(finding_alarms.c.finding, finding_alarms.c.step).where(
                    finding_alarms.c.finding.in_(batch)
                )
            )
            for row in rows:
                done[row.finding].add(AlarmStep(row.step))
        return done

    def forget(self, finding: FindingId) -> None:
        """Let it alarm anew: its decision was undone."""
        self._db.run(finding_alarms.delete().where(finding_alarms.c.finding == finding))


class RoundDutyRepository:
    """Appends to and reads the signatures on rounds."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def append(self, entry: RoundDutyEntry) -> None:
        """Add a signature."""
        self._db.add(round_duties, [_DUTIES.to_row(entry)])

    def of_round(self, round_id: RoundId) -> Sequence[RoundDutyEntry]:
        """Oldest first."""
        return self.of_rounds([round_id]).get(round_id, [])

    def of_rounds(self, rounds: Iterable[RoundId]) -> Mapping[RoundId, Sequence[RoundDutyEntry]]:
        """The signatures of these rounds, each list oldest first; without rounds of nobody."""
        found: dict[RoundId, list[RoundDutyEntry]] = defaultdict(list)
        for batch in in_batches(rounds):
            mine = select(round_duties).where(round_duties.c.round.in_(batch))
            for row in self._db.all(mine.order_by(round_duties.c.number)):
                found[row.round].append(_DUTIES.from_row(row))
        return found
