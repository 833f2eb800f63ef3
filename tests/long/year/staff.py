"""The command centre's people in a simulated year: operators and the duty lead.

They use the same review and case functions as the console. Now and then they are unsure, leave a
finding undecided, decide at the same moment, or ask for a pause.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from patrol.cases import actions
from patrol.cases.actions import apply_recheck, reschedule_recheck
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.case import Case, CaseEvent, CaseState, IllegalCaseTransition
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.finding import AlreadyDecided, DismissReason, Finding
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.registry import GridLevel, Registry
from patrol.messaging.payloads import PayloadBuilder
from patrol.review import confirm, review_queue, unsure
from patrol.review.decisions import dismiss_and_suppress
from patrol.review.queue import EXPIRING_LEVELS
from patrol.store import Store, UnitOfWork
from tests.long.year.town import TownTruth

T = TypeVar("T")
OPERATOR: Final = "zhang"
SECOND: Final = "li"
SUPERVISOR: Final = "wang"
LEFT_UNDECIDED_SHARE: Final = 0.05  # of the queue at each review; level I and II never
OVERLOOKED_SHARE: Final = 0.005  # never decided by anybody: they expire
UNSURE_SHARE: Final = 0.03
DECIDED_TWICE: Final = 0.01  # somebody else pressed the key a moment later
RECHECK_FAILS_SHARE: Final = 0.04  # of the rechecks: the camera does not answer
PAUSED: Final = 0.01  # of the open cases each time
VOIDED: Final = 0.004
MAX_PER_SESSION: Final = 200


@dataclass
class Staff:
    """Decides findings and cases by the town's truth; the simulation calls it at its hours."""

    store: Store
    payload_builder: PayloadBuilder
    registry: Registry
    truth: TownTruth
    case_subjects: dict[str, tuple[CameraId, str] | None]
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def review(self, now: datetime) -> None:
        """Decide the review queue in its order."""
        with self.store.begin_read() as uow:
            waiting = [line.finding for line in review_queue(uow, now).lines]
        for finding in waiting[:MAX_PER_SESSION]:
            dice = self.rng.random()
            if finding.level in EXPIRING_LEVELS and (
                dice < LEFT_UNDECIDED_SHARE or _is_overlooked(finding)
            ):
                continue
            if dice < LEFT_UNDECIDED_SHARE + UNSURE_SHARE and not finding.decided_by:
                self._mark_unsure(finding, now)
                continue
            self._decide(finding, now, OPERATOR)
            if self.rng.random() < DECIDED_TWICE:
                self._decide_too_late(finding, now)

    def recheck_due(self, now: datetime) -> list[Case]:
        """Recheck the cases that are due, through the same camera."""
        with self.store.begin_read() as uow:
            due = uow.cases.recheck_due(now)
        return [self._recheck(case, now) for case in due]

    def handle_waiting_cases(self, now: datetime) -> None:
        """Act on cases that wait for the centre: returns, approvals, pauses, verification."""
        with self.store.begin_read() as uow:
            waiting = uow.cases.list(open_only=True, limit=10_000)
        for case in waiting:
            action = self._next_action(case, now)
            if action is not None:
                self._in_transaction(action)

    def _mark_unsure(self, finding: Finding, now: datetime) -> None:
        self._in_transaction(lambda uow: unsure(uow, finding.id, by=OPERATOR, now=now))

    def _recheck(self, case: Case, now: datetime) -> Case:
        return self._in_transaction(lambda uow: self._recheck_case(uow, case, now))

    def _decide(self, finding: Finding, now: datetime, by: str) -> None:
        if not self.truth.is_true(finding):
            reason = self.rng.choice(list(DismissReason))
            self._in_transaction(
                lambda uow: dismiss_and_suppress(uow, finding.id, by=by, now=now, reason=reason)
            )
            return
        case = self._in_transaction(
            lambda uow: confirm(
                uow,
                finding.id,
                by=by,
                now=now,
                registry=self.registry,
                payloads=self.payload_builder,
            )
        )
        self.case_subjects[case.id] = (finding.camera, finding.category)

    def _decide_too_late(self, finding: Finding, now: datetime) -> None:
        try:
            self._decide(finding, now, SECOND)
        except AlreadyDecided as exc:
            self.done["told who was first"] += OPERATOR in str(exc)
        else:
            raise AssertionError(f"{finding.id} was decided twice")

    def _recheck_case(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        if case.camera is None or self.rng.random() < RECHECK_FAILS_SHARE:
            reason = "offline"
            return reschedule_recheck(
                uow, case.id, by="patrol", now=now, why=reason, payloads=self.payload_builder
            )
        gone = not self.truth.is_present(case.camera, case.category)
        return apply_recheck(
            uow, case.id, gone=gone, by="patrol", now=now, payloads=self.payload_builder
        )

    def _next_action(self, case: Case, now: datetime) -> Callable[[UnitOfWork], object] | None:
        if case.request is not None:
            return lambda uow: self._answer_request(uow, case, now)
        if case.suspension is not None:
            over = now - case.suspension.since > timedelta(days=7)
            return (lambda uow: self._resume(uow, case.id, now)) if over else None
        if case.state is CaseState.RETURNED:
            return lambda uow: self._returned(uow, case, now)
        if case.ladder_due_at is None and case.recheck_due_at is None:
            return lambda uow: self._settle_by_person(uow, case, now)
        dice = self.rng.random()
        if dice < PAUSED + VOIDED:
            approval_kind = ApprovalKind.SUSPENSION if dice < PAUSED else ApprovalKind.VOID
            return lambda uow: self._request_approval(uow, case, approval_kind, now)
        return None

    def _answer_request(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        try:
            actions.approve(uow, case.id, by=SUPERVISOR, now=now, payloads=self.payload_builder)
            self.done["granted"] += 1
        except ApprovalImpossible:
            actions.reject(
                uow, case.id, by=SUPERVISOR, now=now, payloads=self.payload_builder, note="现已不可"
            )
            self.done["refused"] += 1

    def _resume(self, uow: UnitOfWork, case: CaseId, now: datetime) -> None:
        actions.resume_case(uow, case, by=SUPERVISOR, now=now, payloads=self.payload_builder)

    def _request_approval(
        self, uow: UnitOfWork, case: Case, approval_kind: ApprovalKind, now: datetime
    ) -> None:
        request = ApprovalRequest(kind=approval_kind, by=OPERATOR, at=now, why="大雪封路")
        try:
            actions.request_approval(uow, case.id, request, payloads=self.payload_builder)
        except ApprovalImpossible:
            self.done["could not be asked"] += 1

    def _returned(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        if case.entries[-1].note.startswith("not_my_grid"):
            to = self.rng.choice(self._groups(case.grid))
            registry = self.registry
            actions.reassign_case(
                uow,
                case.id,
                to,
                by=OPERATOR,
                now=now,
                registry=registry,
                payloads=self.payload_builder,
            )
            return
        if case.camera is not None:
            self.truth.clear(case.camera, case.category)
        self._end(uow, case, CaseEvent.CLOSE, now)

    def _settle_by_person(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        """Verify by eye where no camera can, or phone a person who was silent for days."""
        if case.state is CaseState.FED_BACK:
            gone = self.rng.random() < 0.9
            apply_recheck(
                uow, case.id, gone=gone, by=OPERATOR, now=now, payloads=self.payload_builder
            )
        elif now - case.entries[-1].at > timedelta(days=2):
            try:
                self._end_or_send(uow, case, now)
            except IllegalCaseTransition:
                self.done["nothing possible"] += 1

    def _end_or_send(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        if case.subject is Subject.EQUIPMENT or case.state is CaseState.REWORK:
            self._end(uow, case, CaseEvent.VOID, now)
            return
        to = self.rng.choice(self._groups(case.grid))
        registry = self.registry
        actions.reassign_case(
            uow, case.id, to, by=OPERATOR, now=now, registry=registry, payloads=self.payload_builder
        )

    def _end(self, uow: UnitOfWork, case: Case, event: CaseEvent, now: datetime) -> None:
        actions.end_case(
            uow,
            case.id,
            event,
            by=OPERATOR,
            now=now,
            payloads=self.payload_builder,
            note="电话核实",
        )

    def _groups(self, other_than: GridCode) -> Sequence[GridCode]:
        grids = self.registry.tree.grids.values()
        return [g.code for g in grids if g.level is GridLevel.GROUP and g.code != other_than]

    def _in_transaction(self, work: Callable[[UnitOfWork], T]) -> T:
        with self.store.begin() as uow:
            result = work(uow)
            uow.commit()
        return result


def _is_overlooked(finding: Finding) -> bool:
    return random.Random(finding.id).random() < OVERLOOKED_SHARE
