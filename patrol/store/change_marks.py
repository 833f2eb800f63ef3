"""Change tokens: a short text per topic that differs when its rows do; live pages poll them.

Every query here is answered from an index or from the few rows that are open; together they take
about a millisecond on a year of data, because they are asked twice a second.
"""

from collections.abc import Mapping

from sqlalchemy import Executable, func, select

from patrol.domain.ground_patrol import ENDED, CheckInState
from patrol.domain.round import RoundState
from patrol.store.cases import CASE_OPEN
from patrol.store.findings import FINDING_WAITING
from patrol.store.rounds import PENDING
from patrol.store.schema import case_entries, cases, findings, rounds, visits
from patrol.store.schema_ground import check_ins, ground_patrols
from patrol.store.schema_people import handovers, health_changes, outbox, stoppages, troubles
from patrol.store.schema_town import round_duties
from patrol.store.transaction import Transaction

_DONE = (RoundState.FINISHED, RoundState.MISSED)
_QUEUE = select(func.count(), func.max(findings.c.decided_at)).where(FINDING_WAITING)
_NEWEST_FINDING = select(func.max(findings.c.found_at))
_CASES = select(func.count(), func.sum(cases.c.revision), func.sum(cases.c.looks)).where(CASE_OPEN)
_NEWEST_CASE = select(func.max(cases.c.dispatched_at))
_ENTRY_COUNT = select(func.count()).where(
    case_entries.c.case.in_(select(cases.c.id).where(CASE_OPEN))
)
_OPEN_ROUNDS = select(rounds.c.id, rounds.c.state).where(rounds.c.state.not_in(_DONE))
_ENDED_ROUNDS = select(func.count(), func.max(rounds.c.finished_at)).where(
    rounds.c.state.in_(_DONE)
)
_NEWEST_DUTY = select(func.max(round_duties.c.number))
_NEWEST_STOPPAGE = select(func.max(stoppages.c.number), func.max(stoppages.c.ended_at))
_TROUBLES = select(
    func.max(troubles.c.number), func.max(troubles.c.taken_at), func.max(troubles.c.closed_at)
)
_NEWEST_HANDOVER = select(func.max(handovers.c.number))
_OPEN_GROUND = select(func.count(), func.sum(ground_patrols.c.revision)).where(
    ground_patrols.c.state.not_in(ENDED)
)
_CHECK_INS = select(func.count(), func.max(check_ins.c.decided_at)).where(
    check_ins.c.state != CheckInState.ACCEPTED
)
_HEALTH = select(func.max(health_changes.c.number))
_MESSAGES = select(func.max(outbox.c.number), func.max(outbox.c.published_at))


class ChangeTokens:
    """Reads the tokens."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def read(self) -> Mapping[str, str]:
        """One token per topic: rounds, queue, cases, health, messages, shift, ground."""
        return {
            "rounds": self._token(_OPEN_ROUNDS, _ENDED_ROUNDS, _NEWEST_DUTY)
            + self._pending_visits(),
            "queue": self._token(_QUEUE, _NEWEST_FINDING),
            "cases": self._token(_CASES, _NEWEST_CASE, _ENTRY_COUNT),
            "health": self._token(_HEALTH),
            "messages": self._token(_MESSAGES),
            "ground": self._token(_OPEN_GROUND, _CHECK_INS),
            "shift": self._token(_NEWEST_STOPPAGE, _TROUBLES, _NEWEST_HANDOVER),
        }

    def _token(self, *statements: Executable) -> str:
        return "|".join(str([tuple(row) for row in self._db.all(one)]) for one in statements)

    def _pending_visits(self) -> str:
        """How many visits of the rounds under way still wait."""
        under_way = select(rounds.c.id).where(rounds.c.state.not_in(_DONE))
        return self._token(select(func.count()).where(visits.c.round.in_(under_way), PENDING))
